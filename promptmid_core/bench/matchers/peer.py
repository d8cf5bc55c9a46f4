"""Methods of other projects, which are installed only where somebody asks for them."""

from __future__ import annotations

import importlib
from typing import Any

from promptmid_core.errors import InputError


def peer(module: str, method: str) -> Any:
    """Return the module of another project. Raises InputError with the command that installs it where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"method {method} needs a library that is not installed ({error}); pip install promptmid_ros[peers]") from error
