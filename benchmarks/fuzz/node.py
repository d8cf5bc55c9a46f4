"""Messages of hostile fields and bytes over DDS into the running node, with a good flight between them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.qos import QoSProfile, qos_profile_sensor_data

from benchmarks.faults.aircraft import Aircraft
from benchmarks.faults.fault import RECOVERY
from benchmarks.faults.roundtrip import IMAGE, INFO, ODOMETRY, TYPES, RoundTrip
from benchmarks.faults.scene import PATCH_PX, prepare
from benchmarks.fuzz.hostile import changed_bytes, changed_message
from promptmid_core.bags import telemetry
from promptmid_core.geometry import Pose
from promptmid_ros.rehearsal.live import isolate, ros_node

OUT = Path("fuzz_out")
COVARIANCE = np.diag([100.0, 100.0, 25.0, 1e-4, 1e-4, 1e-3])
# so many hostile messages, of which none may end or silence the node, and then a fix within RECOVERY images
BATCH = 200
DEEP = QoSProfile(depth=1000)


class Running:
    """One message a case. The good flight's images come to a fix after each batch."""

    name = "node"
    hang_s = 120

    def __init__(self) -> None:
        with ExitStack() as made:
            isolate(OUT)
            scene = prepare(OUT, "structural")
            node = made.enter_context(ros_node("fuzz"))
            self._aircraft = made.enter_context(Aircraft(node, RoundTrip(scene.bag), scene.map("structural"),
                                                         OUT / "localizer.log", patch_px=PATCH_PX))
            kinds = {**TYPES, "/initialpose": PoseWithCovarianceStamped}
            self._publishers = {
                topic: node.create_publisher(kinds[topic], topic, qos_profile_sensor_data if topic == IMAGE else DEEP)
                for topic in (IMAGE, INFO, ODOMETRY, "/initialpose")}
            self._sent = 0
            self._check()
            self._made = made.pop_all()

    def run(self, rng: Random) -> str:
        topic = rng.choice(list(self._publishers))
        message, kind = self._message(rng, topic)
        data = bytes(telemetry.typestore().serialize_cdr(message, kind))
        if rng.random() < 0.3:
            # the first four bytes say how the rest is encoded
            data = data[:4] + changed_bytes(rng, data[4:])
        self._publishers[topic].publish(data)
        self._sent += 1
        if self._sent % BATCH == 0:
            self._check()
        return topic[1:]

    def close(self) -> None:
        """The node ends in order: with status 0, which the aircraft holds it to."""
        self._check()
        self._made.close()

    def _check(self) -> None:
        self._aircraft.until_fix(RECOVERY, "the flight between hostile messages")
        self._shot = self._aircraft.trip.next()
        health = self._aircraft.ledger.health
        told = {key: health[key] for key in ("program_errors", "program_error", "workers_replaced", "worker_problem")}
        assert (told["program_errors"], told["workers_replaced"]) == ("0", "0"), told

    def _message(self, rng: Random, topic: str) -> tuple[Any, str]:
        stamp = self._shot.stamp_ns + rng.choice((0, 0, 0, -10**9, 10**8, 10**11))
        pose = Pose.from_rpy(np.array([rng.uniform(-3000, 3000), rng.uniform(-3000, 3000), 1000.0]), 0.0, 0.0, rng.uniform(-3, 3))
        match topic:
            case "/odometry":
                message = telemetry.odometry(stamp, pose, COVARIANCE, np.zeros(3), np.zeros(3), np.eye(6))
            case "/camera_info":
                message = telemetry.camera_info(stamp, self._aircraft.trip.camera)
            case "/initialpose":
                message = telemetry.pose_with_covariance(stamp, pose, COVARIANCE)
            case _:
                message = telemetry.compressed_image(stamp, changed_bytes(rng, bytes(self._shot.image.data)))
        return _fitting(changed_message(rng, message)), message.__msgtype__


def _fitting(message: Any) -> Any:
    """The message with its numbers cut to what the wire takes, which a publisher in C++ could not exceed."""
    stamp = message.header.stamp
    stamp.sec, stamp.nanosec = (stamp.sec + 2**31) % 2**32 - 2**31, stamp.nanosec % 2**32
    for name in ("height", "width", "binning_x", "binning_y"):
        if hasattr(message, name):
            setattr(message, name, getattr(message, name) % 2**32)
    if hasattr(message, "roi"):
        for name in ("x_offset", "y_offset", "height", "width"):
            setattr(message.roi, name, getattr(message.roi, name) % 2**32)
    message.header.frame_id = message.header.frame_id.encode(errors="replace").decode()
    for name in ("child_frame_id", "format", "distortion_model"):
        if hasattr(message, name):
            setattr(message, name, getattr(message, name).encode(errors="replace").decode())
    return message
