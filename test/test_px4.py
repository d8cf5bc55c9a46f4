"""The messages of PX4 themselves, where px4_msgs is installed: what `px4_agp` publishes, and what VehicleOdometry leads to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

import rclpy
from aboard import SUCCESS, Aboard
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from harness import stamped
from optional import lacking
from plain_messages import filled
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import NavSatFix
from simulated import Scene
from sorties import GEODETIC, PROTECTION_M, fix_pose, navsat_fix, pose, verdict

from promptmid_core.bags.messages import pose_from, stamp_ns
from promptmid_core.geometry import Pose
from promptmid_core.localization.vehicle import ENU_FROM_NED, FLU_FROM_FRD
from promptmid_ros.autopilot.px4_agp_node import Px4AgpNode, message_kind
from promptmid_ros.inputs import message_type

LACKING = lacking("px4_msgs")
pytestmark = [pytest.mark.waits, pytest.mark.skipif(bool(LACKING), reason="needs px4_msgs, which is built in a workspace")]
DEEP = QoSProfile(depth=100)
OFFSET = np.array([-3000.0, 500.0, 0.0])


@pytest.fixture(scope="module")
def by_odometry(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pose, Pose]:
    """The fix of the flight's image with its own odometry, and the prior of that."""
    aboard = Aboard(scene, tmp_path_factory.mktemp("odometry"))
    assert aboard.node.trigger_activate() == SUCCESS
    assert aboard.show() == ("fix", "TRACKING")
    fix = aboard.node._activation.last.fix
    aboard.end()
    return fix.pose, fix.candidate.prior.pose


@pytest.fixture
def aboard(scene: Scene, tmp_path: Path) -> Iterator[Aboard]:
    its = Aboard(scene, tmp_path, prior_source="vehicle_odometry")
    assert its.node.trigger_activate() == SUCCESS
    yield its
    its.end()


def vehicle_odometry(kind: Any, message: Any, stamp: int) -> Any:
    """A VehicleOdometry of a flight's odometry: north-east-down, forward-right-down, about an origin of its own."""
    its = pose_from(message.pose.pose)
    x, y, z, w = Pose(np.zeros(3), ENU_FROM_NED.T @ its.rotation @ FLU_FROM_FRD).quaternion()
    variances = np.array(message.pose.covariance).reshape(6, 6).diagonal()
    return kind(
        timestamp=stamp // 1000, timestamp_sample=stamp // 1000, pose_frame=kind.POSE_FRAME_NED,
        position=(ENU_FROM_NED.T @ (its.position + OFFSET)).astype(np.float32), q=np.array([w, x, y, z], np.float32),
        velocity_frame=kind.VELOCITY_FRAME_NED, velocity=np.full(3, np.nan, np.float32),
        angular_velocity=np.full(3, np.nan, np.float32), position_variance=variances[[1, 0, 2]].astype(np.float32),
        orientation_variance=variances[3:].astype(np.float32), velocity_variance=np.full(3, np.nan, np.float32))


def test_vehicle_odometry_leads_to_the_fix_that_odometry_leads_to(aboard: Aboard, by_odometry: tuple[Pose, Pose]) -> None:
    kind = message_type("px4_msgs/msg/VehicleOdometry")
    publisher = aboard.node.create_publisher(kind, "vehicle_odometry", qos_profile_sensor_data)
    aboard.until(publisher.get_subscription_count)
    stamp, odometry = aboard.flight.next(), aboard.node._activation.intake.odometry
    shift = stamp - stamp_ns(aboard.flight.image.header)
    for message in aboard.flight.odometry:
        its = stamp_ns(message.header) + shift
        publisher.publish(vehicle_odometry(kind, message, its))
        # PX4 counts in microseconds
        aboard.until(lambda its=its: odometry.heard_ns == its // 1000 * 1000)
    assert odometry.refusal is None and odometry.frame == "odom"
    middle = aboard.flight.odometry[len(aboard.flight.odometry) // 2]
    given = stamped(PoseWithCovarianceStamped(pose=middle.pose), stamp_ns(middle.header) + shift)
    given.header.frame_id = "map"
    given.pose.covariance = np.diag(np.full(6, 1e-8)).ravel()
    aboard.node._inputs._on_initialpose(given)
    assert odometry.map_from_odom.position == pytest.approx(-OFFSET, abs=0.01)
    aboard.node._setup.cameras.add(stamped(aboard.flight.info, stamp))
    aboard.put(stamp)
    fix = aboard.judged().fix
    assert fix.accepted, fix.sentence
    for found, wanted in zip((fix.pose, fix.candidate.prior.pose), by_odometry, strict=True):
        assert found.position == pytest.approx(wanted.position, abs=0.01)
        assert found.rotation == pytest.approx(wanted.rotation, abs=1e-5)


class Agp:
    """The node `px4_agp` beside one that shows it fixes and hears what it publishes, as the agent of PX4 does."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=1 + time.monotonic_ns() % 100)
        above = f"/px4_{time.monotonic_ns()}"
        self.node = Px4AgpNode(context=self.context, namespace=above, parameter_overrides=[
            rclpy.Parameter("sensor_id", value=2), rclpy.Parameter("most_fix_age_s", value=60.0)])
        self.test = rclpy.create_node("test", context=self.context, namespace=above, enable_rosout=False)
        self._executor = rclpy.executors.SingleThreadedExecutor(context=self.context)
        assert self.node.start()
        for node in (self.node, self.test):
            self._executor.add_node(node)
        kinds = {"pose": PoseWithCovarianceStamped, "navsat_fix": NavSatFix, "match_diagnostics": DiagnosticArray}
        self._publishers = {name: self.test.create_publisher(kind, f"localizer/{name}", DEEP) for name, kind in kinds.items()}
        self.heard: list[Any] = []
        self._hearing = self.test.create_subscription(message_kind(), self.node._publisher.topic_name, self.heard.append,
                                                      qos_profile_sensor_data)
        self.until(lambda: self._hearing.get_publisher_count()
                   and all(each.get_subscription_count() for each in self._publishers.values()))

    def until(self, true: Any) -> None:
        for _ in range(6000):
            if true():
                return
            self._executor.spin_once(0.01)
        raise AssertionError("it never is so")

    def show(self, name: str, told: Any, stamp: int) -> None:
        self._publishers[name].publish(stamped(filled(self._publishers[name].msg_type, told), stamp))

    def find(self, seconds: float, stamp: int) -> None:
        self.show("pose", fix_pose(seconds), stamp)
        self.show("navsat_fix", navsat_fix(seconds), stamp)
        self.show("match_diagnostics", verdict(seconds), stamp)

    def end(self) -> None:
        self._executor.shutdown()
        for node in (self.node, self.test):
            node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def agp() -> Iterator[Agp]:
    its = Agp()
    yield its
    its.end()


def test_fixes_reach_px4_until_one_image_takes_them_back(agp: Agp) -> None:
    begin, kind = time.time_ns(), message_kind()
    version = int(getattr(kind, "MESSAGE_VERSION", 0))
    assert agp.node._publisher.topic_name.endswith("/fmu/in/aux_global_position" + (f"_v{version}" if version else ""))
    stamps = [begin + number * 1_000_000 for number in range(5)]
    for number, stamp in enumerate(stamps):
        agp.find(float(number), stamp)
        agp.until(lambda number=number: len(agp.heard) == number + 1)
    assert [message.timestamp_sample for message in agp.heard] == [stamp // 1000 for stamp in stamps]
    for number, message in enumerate(agp.heard):
        place = GEODETIC.place(*pose(float(number)).position.tolist())
        assert (message.lat, message.lon) == pytest.approx((place.latitude, place.longitude), abs=1e-9)
        assert message.eph == pytest.approx(PROTECTION_M / 3.717, rel=1e-3)
        assert np.isnan(message.alt) and np.isnan(message.epv) and message.lat_lon_reset_counter == 0
    told = agp.heard[-1]
    if hasattr(told, "id"):
        assert (told.id, told.source) == (2, kind.SOURCE_VISION)
    else:
        assert told.lat_lon_valid and not told.alt_valid

    lost = stamps[-1] + 1_000_000
    agp.show("match_diagnostics", verdict(6.0, "ambiguous", "LOST"), lost)
    agp.find(7.0, lost - 500_000)  # of an image before it
    agp.until(lambda: agp.node._relay.silent(time.time_ns()) != "")
    # the next fix ends the silence, and is all that comes after it
    agp.find(8.0, lost + 1_000_000)
    agp.until(lambda: agp.heard[-1].timestamp_sample == (lost + 1_000_000) // 1000)
    assert len(agp.heard) == agp.node._sent == len(stamps) + 1 and agp.node._guard.faults == 0
