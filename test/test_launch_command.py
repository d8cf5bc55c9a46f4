"""`ros2 launch` from a terminal: a bag is flown to its end, and Ctrl-C ends all of it, once or twice."""

import os
import re
import signal
import threading
import time

import pytest

pytest.importorskip("launch_testing", reason="ROS 2's launch is not installed")

from geometry_msgs.msg import PoseWithCovarianceStamped
from launched import Launched, launch_file, launched, scene

from promptmid_ros.rehearsal.live import ros_node
from promptmid_ros.rehearsal.player import RELIABLE

pytestmark = [pytest.mark.slow, pytest.mark.waits]


@pytest.fixture(autouse=True)
def ros2launch() -> None:
    pytest.importorskip("ros2launch", reason="ROS 2's command `ros2 launch` is not installed")


def prepare() -> None:
    """Skip where nothing can be launched; isolate ROS before an observer joins it."""
    launch_file()
    scene()


def test_a_bag_is_flown_to_its_end_under_any_names():
    prepare()
    poses: list[PoseWithCovarianceStamped] = []
    arguments = (f"bag:={scene().bag}", "rate:=4.0", "namespace:=uav1", "image_topic:=camera/image_raw",
                 "odometry_topic:=/ekf/odometry", "pose_topic:=/mavros/vision_pose/pose_cov")
    with ros_node("observer") as node:
        node.create_subscription(PoseWithCovarianceStamped, "/mavros/vision_pose/pose_cov", poses.append, RELIABLE)
        with launched(*arguments) as running:
            topics: set[str] = set()
            deadline = time.monotonic() + 60
            while running.process.poll() is None and time.monotonic() < deadline:  # they come to be known one by one
                topics |= {name for name, _ in node.get_topic_names_and_types()}
                time.sleep(0.05)
            assert running.end(60) == 0, running.text
    assert {"/uav1/camera/image_raw/compressed", "/uav1/camera_info", "/ekf/odometry"} <= topics
    assert len(poses) > 5
    assert "play: done" in running.text and "Traceback" not in running.text
    assert not running.left()


def test_several_cameras_over_one_map_each_with_parameters_of_its_own(tmp_path):
    prepare()
    file = tmp_path / "cameras.yaml"
    file.write_text("/uav/right/localizer: {ros__parameters: {image_transport: raw}}\n")
    with ros_node("observer") as node, launched("namespace:=uav", "namespaces:=left,right", f"params_file:={file}") as running:
        for name in ("left", "right"):
            running.wait_for(f"[uav.{name}.localizer]: the localizer is active")
        heard: dict[str, int] = {"/uav/left/image/compressed": 0, "/uav/right/image": 0}
        deadline = time.monotonic() + 60
        while not all(heard.values()) and time.monotonic() < deadline:
            heard = {topic: node.count_subscribers(topic) for topic in heard}
            time.sleep(0.05)
        assert set(heard.values()) == {1}
        assert not node.count_subscribers("/uav/right/image/compressed")
        interrupt(running, 1)


def test_a_bag_is_the_flight_of_one_camera(tmp_path):
    with launched(f"bag:={tmp_path}", "namespaces:=left,right") as running:
        assert running.end(60) == 1
    assert f"bag:={tmp_path} is the flight of one camera, and namespaces:=left,right names several" in running.text


def test_a_bag_that_cannot_be_played_ends_the_launch(tmp_path):
    with launched(f"bag:={tmp_path / 'none'}") as running:
        assert running.end(60) == 1
    assert f"the bag {tmp_path / 'none'} was not played" in running.text


def test_a_node_that_dies_ends_the_launch():
    with launched() as running:
        running.wait_for("the localizer is active")
        pid = int(running.text.split("[localizer-1]: process started with pid [")[1].split("]")[0])
        os.kill(pid, signal.SIGKILL)
        assert running.end(30) == 1
    assert "the localizer ended with exit code -9" in running.text


def interrupt(running: Launched, times: int) -> None:
    for _ in range(times):
        os.killpg(running.process.pid, signal.SIGINT)
        time.sleep(0.02)
    code = running.end(15)
    # what was launched first: its end tells whether a failure is ours or that of `ros2 launch` itself
    for process in set(re.findall(r"\[([a-z]+-\d+)\]: process started", running.text)):
        assert f"[{process}]: process has finished cleanly" in running.text, running.text
    assert "Traceback" not in running.text and "Caught exception" not in running.text, running.text
    assert code == 0, running.text
    assert not running.left()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_while_waiting_for_images(times):
    with launched() as running:
        running.wait_for("the localizer is active")
        interrupt(running, times)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_flight(times):
    prepare()
    posed = threading.Event()
    with ros_node("observer") as node, launched(f"bag:={scene().bag}") as running:
        node.create_subscription(PoseWithCovarianceStamped, "/localizer/pose", lambda _: posed.set(), RELIABLE)
        assert posed.wait(60), running.text
        interrupt(running, times)
    assert "play: stopped" in running.text
