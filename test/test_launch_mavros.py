"""A launched flight as an aircraft has it: odometry as MAVROS sends it, a camera whose mount `/tf_static` tells, other names."""

import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("launch_testing", reason="ROS 2's launch is not installed")
pytest.importorskip("ros2launch", reason="ROS 2's command `ros2 launch` is not installed")
pytest.importorskip("tf2_msgs", reason="tf2_msgs is not installed, and without it nobody tells how a camera is mounted")

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from launched import launch_file, launched, scene

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.messages import pose_from, stamp_ns
from promptmid_core.bags.writer import BagWriter
from promptmid_core.geometry import NADIR, Pose
from promptmid_ros.rehearsal.live import ros_node
from promptmid_ros.rehearsal.player import RELIABLE

pytestmark = [pytest.mark.slow, pytest.mark.waits]

# the aircraft's axes are turned, so that its camera, which shows the same, is turned in them
TURN = Pose.from_rpy(np.zeros(3), 0.0, 0.0, np.pi / 2)
NAMES = {"/image/compressed": "/camera/image_raw/compressed", "/camera_info": "/camera/camera_info"}
ODOMETRY = "/mavros/local_position/odom"
SIGMAS = "default_sigma_xy_m: 150.0, default_sigma_z_m: 100.0"


def vector(its: object) -> np.ndarray:
    return np.array([getattr(its, axis) for axis in "xyz"])


def as_mavros_has_it(path: Path) -> Path:
    """The scene's flight under other names: odometry in `map` of `base_link` without a covariance, and the camera's transform."""
    bag = open_bag(scene().bag)
    with BagWriter(path) as writer:
        first = next(bag.messages("/odometry"))[1]
        writer.write("/tf_static", telemetry.camera_transform(first, TURN.inverse() @ NADIR), first)
        for topic, log_ns, data in bag.serialized(*NAMES):
            writer.write_serialized(NAMES[topic], bag.topics[topic], data, log_ns)
        for _, log_ns, message in bag.messages("/odometry"):
            twist = message.twist.twist
            linear, angular = (TURN.rotation.T @ vector(each) for each in (twist.linear, twist.angular))
            writer.write(ODOMETRY, telemetry.odometry(stamp_ns(message.header), pose_from(message.pose.pose) @ TURN,
                                                      np.zeros((6, 6)), linear, angular, np.zeros((6, 6))), log_ns)
    return path


def test_a_camera_turned_by_90_degrees_and_odometry_without_covariance_give_a_fix_on_95_percent_of_frames(tmp_path: Path) -> None:
    launch_file()
    bag, file = as_mavros_has_it(tmp_path / "mavros"), tmp_path / "aircraft.yaml"
    file.write_text(f"/**/localizer: {{ros__parameters: {{extrinsics: tf, {SIGMAS}}}}}\n")
    truth = {stamp: pose @ TURN for stamp, pose in open_bag(scene().bag).ground_truth()}
    reasons: dict[int, str] = {}
    poses: dict[int, Pose] = {}

    def judged(message: DiagnosticArray) -> None:
        values = {pair.key: pair.value for pair in message.status[0].values}
        reasons[stamp_ns(message.header)] = values["reason"]

    def fixed(message: PoseWithCovarianceStamped) -> None:
        poses[stamp_ns(message.header)] = pose_from(message.pose.pose)

    with ros_node("observer") as node:
        node.create_subscription(DiagnosticArray, "/localizer/match_diagnostics", judged, RELIABLE)
        node.create_subscription(PoseWithCovarianceStamped, "/localizer/pose", fixed, RELIABLE)
        with launched(f"bag:={bag}", f"params_file:={file}", "image_topic:=/camera/image_raw",
                      "camera_info_topic:=/camera/camera_info", f"odometry_topic:={ODOMETRY}") as running:
            running.wait_for("play: done")
            deadline = time.monotonic() + 30
            while max(truth) not in reasons and time.monotonic() < deadline:
                time.sleep(0.05)
            assert running.end(60) == 0, running.text
    assert len(reasons) >= 0.8 * len(truth), "a machine so busy that most images are dropped tells nothing"
    assert list(reasons.values()).count("fix") >= 0.95 * len(reasons), (reasons, running.text)
    for stamp, pose in poses.items():
        off = pose.correction_from(truth[stamp])
        assert np.hypot(*off[:2]) < 100 and abs(np.rad2deg(off[5])) < 2, off
    assert "odometry states no covariance of x, y, z, roll, pitch, yaw" in running.text
