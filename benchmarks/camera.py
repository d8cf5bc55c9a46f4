"""A camera and its odometry as they are in flight, made of a recorded flight: it goes to and fro at its own rate, stamped now."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rclpy
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.images import image_from_compressed
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.errors import InputError
from promptmid_ros.rehearsal.player import RELIABLE
from promptmid_ros.transport import set_profile

DISCOVERY_S = 1.0
COMPRESSED, INFO, ODOMETRY = "/image/compressed", "/camera_info", "/odometry"


class Event(NamedTuple):
    """A message of the round trip: when it is due after the start of a round, in ns, and its CDR, whose stamp is set anew."""

    due_ns: int
    topic: str
    data: bytearray


def round_trip(bag: Path, raw: bool) -> tuple[list[Event], int]:
    """Return the messages of one flight there and back, in order, and how long that takes in ns.

    Stamps, poses and images fit together as in the recorded flight; nothing jumps where the flight turns round.
    """
    store, recorded = telemetry.typestore(), open_bag(bag)
    entries: list[tuple[int, str, bytearray]] = []
    for topic, _, message in recorded.messages(INFO, COMPRESSED, ODOMETRY):
        stamp = stamp_ns(message.header)
        if topic == COMPRESSED and raw:
            topic, message = "/image", _raw(message)
        entries.append((stamp, topic, bytearray(store.serialize_cdr(message, message.__msgtype__))))
    stamps = sorted(stamp for stamp, topic, _ in entries if topic.startswith("/image"))
    if len(stamps) < 2:
        raise InputError(f"{bag} has {len(stamps)} images; a camera needs two or more")
    first, last = stamps[0], stamps[-1]
    there = sorted((entry for entry in entries if first <= entry[0] <= last), key=lambda entry: (entry[0], entry[1]))
    period = (last - first) // (len(stamps) - 1)
    back = [(2 * last - stamp, topic, data) for stamp, topic, data in reversed(there) if first < stamp < last]
    # camera_info before its image, as cameras send it
    events = [Event(stamp - first, topic, data) for stamp, topic, data in sorted(there + back, key=lambda e: (e[0], e[1]))]
    return events, 2 * (period * (len(stamps) - 1))


class Camera:
    """Publishes the rounds of a flight, raw or compressed, until it is stopped; `above`: the namespace of its topics."""

    def __init__(self, node: Node, events: list[Event], round_ns: int, raw: bool, above: str = "") -> None:
        self._events, self._round_ns = events, round_ns
        self._image = "/image" if raw else COMPRESSED
        self._publishers = {
            topic: node.create_publisher(kind, above + topic, quality) for topic, kind, quality in (
                (self._image, Image if raw else CompressedImage, qos_profile_sensor_data),
                (INFO, CameraInfo, RELIABLE), (ODOMETRY, Odometry, RELIABLE))
        }
        self.sent = 0
        self.late_ms: list[float] = []

    def run(self, stop: threading.Event) -> None:
        """From the first subscriber of the images on, so that what is lost is lost on the way."""
        while not self._publishers[self._image].get_subscription_count():
            if stop.wait(0.05):
                return
        stop.wait(DISCOVERY_S)
        for due_ns, event in self._due(time.time_ns()):
            if stop.wait(max(due_ns - time.time_ns(), 0) / 1e9):
                return
            event.data[4:12] = (due_ns // 1_000_000_000).to_bytes(4, "little") + (due_ns % 1_000_000_000).to_bytes(4, "little")
            self._publishers[event.topic].publish(bytes(event.data))
            if event.topic == self._image:
                self.sent += 1
                self.late_ms.append((time.time_ns() - due_ns) / 1e6)

    def _due(self, start_ns: int) -> Iterator[tuple[int, Event]]:
        while True:
            for event in self._events:
                yield start_ns + event.due_ns, event
            start_ns += self._round_ns


def main(argv: list[str] | None = None) -> int:
    """`python -m benchmarks.camera BAG`: waits for a subscriber, sends until SIGINT, then prints one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.camera", description=__doc__)
    parser.add_argument("bag", type=Path, metavar="BAG", help="of promptmid simulate flight")
    parser.add_argument("--raw", action="store_true", help="sensor_msgs/Image instead of CompressedImage")
    parser.add_argument("--namespace", default="", metavar="NAMESPACE", help="of the topics, as /left; default: none")
    args = parser.parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    set_profile()
    try:
        events, round_ns = round_trip(args.bag, args.raw)
    except InputError as error:
        print(f"camera: {error}", file=sys.stderr)
        return 1
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("camera", start_parameter_services=False)
    camera = Camera(node, events, round_ns, args.raw, args.namespace)
    camera.run(stop)
    node.destroy_node()
    rclpy.try_shutdown()
    late = camera.late_ms or [0.0]
    print(json.dumps({"sent": camera.sent, "late_ms": {"p50": float(np.median(late)), "p95": float(np.percentile(late, 95)),
                                                       "max": max(late)}}), flush=True)
    return 0


def _raw(message: Any) -> Any:
    pixels = image_from_compressed(message)
    height, width = pixels.shape[:2]
    encoding = "mono8" if pixels.ndim == 2 else "rgb8"
    return telemetry.message("sensor_msgs/msg/Image", message.header, height, width, encoding, 0, pixels[0].size, pixels.ravel())


if __name__ == "__main__":
    sys.exit(main())
