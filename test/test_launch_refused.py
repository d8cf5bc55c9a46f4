"""A map that cannot be used ends the whole launch, with an exit code and the sentence that says why."""

import unittest
from typing import Any

import pytest

pytest.importorskip("launch_testing", reason="ROS 2's launch is not installed")

import launch
import launch_testing
import launch_testing.actions
import launch_testing.asserts
import launch_testing.markers
from launch.actions import ExecuteProcess
from launched import launch_file, scene

pytestmark = [pytest.mark.slow, pytest.mark.waits]


@pytest.mark.launch_test
@launch_testing.markers.keep_alive
def generate_test_description() -> tuple[launch.LaunchDescription, dict[str, Any]]:
    source = launch_file()
    # whole but not a map
    given = str(scene().bag)
    refused = ExecuteProcess(cmd=["ros2", "launch", source, f"map:={given}"], output="screen")
    return launch.LaunchDescription([refused, launch_testing.actions.ReadyToTest()]), {"refused": refused, "given": given}


class TestRefusal(unittest.TestCase):
    def test_ends_the_launch(self, proc_info: Any, refused: ExecuteProcess) -> None:
        proc_info.assertWaitForShutdown(process=refused, timeout=60)
        launch_testing.asserts.assertExitCodes(proc_info, [1], process=refused)


@launch_testing.post_shutdown_test()
class TestOutput(unittest.TestCase):
    def test_says_why(self, proc_output: Any, refused: ExecuteProcess, given: str) -> None:
        text = "".join(output.text.decode() for output in proc_output[refused])
        assert f"configure failed: {given} is not a map; build one with" in text
        assert "the localizer ended with exit code 1" in text
        assert "Traceback" not in text
