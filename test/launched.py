"""What the launch tests share. They need the ROS 2 launch tools and a sourced workspace that `colcon build` made."""

import atexit
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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


class Launched:
    """`ros2 launch` with what it printed so far, in a process group of its own as a terminal gives it."""

    def __init__(self, *arguments: str) -> None:
        words = ["ros2", "launch", launch_file(), f"map:={scene().map_path}", *arguments]
        # a test run in the background may ignore SIGINT, and what it starts would inherit that
        ours = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        signal.signal(signal.SIGINT, ours)
        self.text = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.text += line

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.text:
            assert time.monotonic() < deadline and self.process.poll() is None, self.text
            time.sleep(0.02)

    def end(self, seconds: float) -> int:
        code = self.process.wait(seconds)
        self._reading.join(5)
        return code

    def left(self) -> bool:
        """Whether any process of the group still lives."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


@contextmanager
def launched(*arguments: str) -> Iterator[Launched]:
    running = Launched(*arguments)
    try:
        yield running
    finally:
        if running.left():
            os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()


@cache
def scene() -> Scene:
    """A map and a flight over it, removed when the tests end; from here on ROS is kept to this process's own domain."""
    folder = tempfile.TemporaryDirectory(prefix="launched_")
    atexit.register(folder.cleanup)
    isolate(Path(folder.name))
    return make_scene(Path(folder.name))
