"""Several cameras over one map in one process: each is judged as it is alone, and the map is in memory once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from harness import TYPES, Flight, stamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from simulated import Scene

from promptmid_core.bags.messages import stamp_ns
from promptmid_core.errors import InputError
from promptmid_core.localization.settings import DEFAULTS, Settings
from promptmid_ros.activation import open_localizer
from promptmid_ros.common import Common
from promptmid_ros.namespaces import localizers, read_namespaces

pytestmark = [pytest.mark.slow, pytest.mark.waits]
DEEP, WAIT_S, IMAGES = QoSProfile(depth=500), 120.0, 3
SUCCESS = TransitionCallbackReturn.SUCCESS
Fixes = list[tuple[int, tuple[float, ...], tuple[float, ...]]]


class Camera:
    """A flight shown to the node of a namespace, and the fixes that come of it."""

    def __init__(self, test: Any, node: Any, flight: Flight) -> None:
        self.node, self._flight = node, flight
        self.fixes: Fixes = []
        self.judged: list[int] = []
        self.reasons: list[str] = []
        self.shown: list[int] = []
        above = node.get_namespace()
        self._publishers = {topic: test.create_publisher(TYPES[topic], f"{above}/{topic}", DEEP)
                            for topic in ("image/compressed", "camera_info", "odometry")}
        self._hearing = [
            test.create_subscription(PoseWithCovarianceStamped, f"{above}/localizer/pose", self._on_pose, DEEP),
            test.create_subscription(DiagnosticArray, f"{above}/localizer/match_diagnostics", self._on_verdict, DEEP)]

    def connected(self) -> bool:
        return (all(each.get_subscription_count() == 1 for each in self._publishers.values())
                and all(each.get_publisher_count() == 1 for each in self._hearing))

    def tell(self, stamp: int) -> Callable[[], bool]:
        """Publish what an image of this stamp needs; whether the node has it."""
        shift = stamp - stamp_ns(self._flight.image.header)
        for message in self._flight.odometry:
            self._publishers["odometry"].publish(stamped(message, stamp_ns(message.header) + shift))
        self._publishers["camera_info"].publish(stamped(self._flight.info, stamp))
        last = stamp_ns(self._flight.odometry[-1].header) + shift
        setup, intake = self.node._setup, self.node._activation.intake
        return lambda: setup.cameras.ready(stamp) and setup.cameras.received and intake.odometry.heard_ns >= last

    def show(self, stamp: int) -> None:
        self._publishers["image/compressed"].publish(stamped(self._flight.image, stamp))
        self.shown.append(stamp)

    def _on_pose(self, message: Any) -> None:
        at = message.pose.pose
        self.fixes.append((stamp_ns(message.header), (at.position.x, at.position.y, at.position.z, at.orientation.z,
                                                      at.orientation.w), tuple(message.pose.covariance)))

    def _on_verdict(self, message: Any) -> None:
        self.judged.append(stamp_ns(message.header))
        self.reasons += [pair.value for pair in message.status[0].values if pair.key == "reason"]


class Cameras:
    """Two of them, in one executor, as the program has them; everything is called in the thread of the test."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"], os.environ["ROS_LOG_DIR"] = "LOCALHOST", str(folder)
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=1 + os.getpid() % 100,
                   signal_handler_options=SignalHandlerOptions.NO)
        above = f"/cameras_{os.getpid()}_{time.monotonic_ns()}"
        given = [Parameter("map", value=str(scene.map_path)), Parameter("prior_wait_ms", value=2000)]
        self.nodes = localizers([f"{above}/left", f"{above}/right"], context=self.context, parameter_overrides=given)
        self.test = rclpy.create_node("test", context=self.context, enable_rosout=False)
        self._executor = SingleThreadedExecutor(context=self.context)
        for node in (*self.nodes, self.test):
            self._executor.add_node(node)
        self.left, self.right = (Camera(self.test, node, Flight(scene.bag, frame))
                                 for node, frame in zip(self.nodes, (6, 9), strict=True))

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < deadline
            self._executor.spin_once(0.02)

    def fly(self, *cameras: Camera, begin: int) -> dict[Camera, Fixes]:
        """The fixes of each camera while these, and no others, are active."""
        for camera in cameras:
            assert camera.node.trigger_activate() == SUCCESS
            camera.fixes, camera.judged, camera.reasons, camera.shown = [], [], [], []
        self.until(lambda: all(camera.connected() for camera in cameras))
        for second in range(IMAGES):
            # the same moment for both: what went to the wrong one would be taken there
            stamp = begin + second * 1_000_000_000
            known = [camera.tell(stamp) for camera in cameras]
            self.until(lambda known=known: all(each() for each in known))
            for camera in cameras:
                camera.show(stamp)
            self.until(lambda: all(len(camera.judged) == len(camera.shown) for camera in cameras))
        for camera in cameras:
            assert camera.judged == camera.shown
            # on another topic, which may be the slower one
            self.until(lambda camera=camera: len(camera.fixes) == camera.reasons.count("fix"))
            assert camera.node.trigger_deactivate() == SUCCESS
        return {camera: camera.fixes for camera in cameras}

    def end(self) -> None:
        self._executor.shutdown()
        for node in (*self.nodes, self.test):
            node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def cameras(scene: Scene, tmp_path: Path) -> Iterator[Cameras]:
    both = Cameras(scene, tmp_path)
    yield both
    both.end()


def test_each_camera_is_told_what_it_is_told_alone(cameras: Cameras) -> None:
    left, right = cameras.left, cameras.right
    assert [camera.node.trigger_configure() for camera in (left, right)] == [SUCCESS, SUCCESS]
    assert left.node._setup.localizer.reference is right.node._setup.localizer.reference
    begin = 2_000_000_000_000_000_000
    alone = cameras.fly(left, begin=begin) | cameras.fly(right, begin=begin)
    together = cameras.fly(left, right, begin=begin)
    for camera in (left, right):
        assert together[camera] == alone[camera] != []
    assert together[left][-1][1] != together[right][-1][1], "they look at two places"


def test_what_is_the_same_is_opened_once_and_a_map_put_in_its_place_is_another(scene: Scene, tmp_path: Path) -> None:
    common, settings = Common(), Settings.read(DEFAULTS | {"map": str(scene.map_path)})
    left, right = open_localizer(settings, common=common), open_localizer(settings, common=common)
    assert left is not right and left.reference is right.reference and left.descriptor is right.descriptor
    assert left.reference._stored.cache is right.anew().reference._stored.cache
    reloaded = open_localizer(settings, loaded=left.descriptor)
    assert reloaded.reference is not left.reference, "a map that is opened again is nobody else's"
    assert open_localizer(settings, common=common).reference is right.reference
    manifest = scene.map_path / "manifest.json"
    before = manifest.stat()
    try:
        os.utime(manifest, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        assert open_localizer(settings, common=common).reference is not right.reference
    finally:
        os.utime(manifest, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_nothing_is_kept_that_nobody_flies_with(scene: Scene) -> None:
    common, settings = Common(), Settings.read(DEFAULTS | {"map": str(scene.map_path)})
    localizer = open_localizer(settings, common=common)
    assert len(common._maps) == len(common._descriptors) == 1
    del localizer
    assert len(common._maps) == len(common._descriptors) == 0


@pytest.mark.parametrize(("words", "found"), [
    ("", []), ("--ros-args -r __ns:=/uav", []), ("left /front/right", ["/left", "/front/right"]),
    ("left /right --ros-args -r __ns:=/uav/", ["/uav/left", "/right"]),
])
def test_a_namespace_is_within_that_of_the_process_unless_it_begins_at_the_root(words: str, found: list[str]) -> None:
    assert read_namespaces(["localizer", *words.split()]) == found


@pytest.mark.parametrize(("words", "sentence"), [
    ("left 2nd", "'2nd' is no namespace of ROS 2"), ("left map:=MAP", "'map:=MAP' is no namespace of ROS 2"),
    ("left /left", "the namespace /left is given twice; each camera needs its own"), ("--map MAP", "'--map' is no argument"),
])
def test_a_wrong_namespace_is_told(words: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_namespaces(["localizer", *words.split()])


def test_one_that_cannot_be_started_ends_the_process_which_says_which(tmp_path: Path) -> None:
    words = ["left", "right", "--ros-args", "-r", "__ns:=/uav", "-p", f"map:={tmp_path}/none", "-p", "autostart:=true"]
    done = subprocess.run([sys.executable, "-m", "promptmid_ros.program", *words], capture_output=True, text=True, check=False,
                          timeout=120, env=os.environ | {"ROS_LOG_DIR": str(tmp_path), "ROS_DOMAIN_ID": "99",
                                                         "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"})
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "/uav/left/localizer could not be started, so the process ends, and with it all of " \
           "/uav/left/localizer, /uav/right/localizer" in done.stderr
