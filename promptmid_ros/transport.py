"""The Fast DDS profile that images need, for processes that this package starts or is."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

from promptmid_core.doctor.dds import VARIABLE, VARIABLE_OF_FAST_DDS_2, variable

PROFILE = "config/fastdds.xml"


def profile() -> Path:
    """Return the profile's file: of the source tree, of a ROS 2 workspace, or of a Python environment."""
    shares = [Path(prefix, "share/promptmid_ros") for prefix in [*os.environ.get("AMENT_PREFIX_PATH", "").split(":"), sys.prefix]]
    for folder in (Path(__file__).resolve().parent.parent, *shares):
        if (folder / PROFILE).is_file():
            return folder / PROFILE
    raise FileNotFoundError(f"promptmid_ros is installed without its {PROFILE}; install it again")


def set_profile(environment: MutableMapping[str, str] | None = None) -> None:
    """Name the profile in `environment` (by default this process's own, before its rclpy.init), unless the user names one."""
    environment = os.environ if environment is None else environment
    if not (environment.get(VARIABLE) or environment.get(VARIABLE_OF_FAST_DDS_2)):
        environment[variable(environment)] = str(profile())
