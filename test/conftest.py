"""What tests of several files share."""

import logging
import os
from pathlib import Path

import pytest

# launch's pytest plugin, where it is installed, sets a class whose loggers hand nothing on, so that caplog stays empty
logging.setLoggerClass(logging.Logger)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real images, for tests that are marked `real_data`; without one they are skipped."""
    named = os.environ.get("PROMPTMID_DATA")
    if not named:
        pytest.skip("PROMPTMID_DATA does not name a folder of real images")
    folder = Path(named)
    assert folder.is_dir(), f"PROMPTMID_DATA={named} is not a folder"
    return folder
