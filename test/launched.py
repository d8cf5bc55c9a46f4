"""What the launch tests share. They need the ROS 2 launch tools and a sourced workspace that `colcon build` made."""

import atexit
import tempfile
from functools import cache
from pathlib import Path

import pytest
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from simulated import Scene, make_scene

from promptmid_ros.rehearsal.live import isolate


def launch_file() -> str:
    """The installed launch file; without one the calling test is skipped."""
    try:
        share = get_package_share_directory("promptmid_ros")
    except PackageNotFoundError:
        pytest.skip("promptmid_ros is in no sourced workspace: run colcon build and source install/setup.bash first")
    return str(Path(share, "launch", "localize.launch.py"))


@cache
def scene() -> Scene:
    """A map and a flight over it, removed when the tests end; from here on ROS is kept to this process's own domain."""
    folder = tempfile.TemporaryDirectory(prefix="launched_")
    atexit.register(folder.cleanup)
    isolate(Path(folder.name))
    return make_scene(Path(folder.name))
