"""Plays a recorded flight over DDS: `play BAG`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from promptmid_core.bags.bag import IMAGE_TYPES, TYPES, FlightBag, open_bag
from promptmid_core.cli.parsing import positive_number
from promptmid_core.errors import InputError
from promptmid_ros.qualities import LATCHED
from promptmid_ros.transport import set_profile

RELIABLE = QoSProfile(depth=50)
SUBSCRIBER_WAIT_S = 30.0
ACKNOWLEDGE_S = 2.0
ASK_EVERY_S, ANSWER_S = 0.1, 0.5


class Sent(NamedTuple):
    """An image as it went out: its own stamp, and the wall clock at its publication, both in ns."""

    stamp_ns: int
    wall_ns: int


class Player:
    """Publishes a bag's messages as they were recorded, at their log times divided by `rate`.

    Images go out best effort, as cameras send them; all else reliably, static transforms and latched, as is asked of them.
    Topics whose message type is not installed are left out and named in `skipped`. `images` are those of the flight's own image
    topic. Raises InputError where nothing is left to play.
    """

    def __init__(self, node: Node, bag: FlightBag, rate: float = 1.0) -> None:
        self._bag, self._rate = bag, rate
        self.counts: Counter[str] = Counter()
        self.images: list[Sent] = []
        self.late_ms = 0.0
        self.skipped: list[str] = []
        self._publishers: dict[str, Publisher[Any]] = {}
        for topic, kind in sorted(bag.topics.items()):
            message = _message_class(kind)
            if message is None:
                self.skipped.append(f"{topic} ({kind})")
                continue
            qos = qos_profile_sensor_data if kind in IMAGE_TYPES else LATCHED if topic.endswith("/tf_static") else RELIABLE
            self._publishers[topic] = node.create_publisher(message, topic, qos)
        if not self._publishers:
            raise InputError(f"{bag.path} has nothing that can be played: no installed package has the types of "
                             f"{', '.join(self.skipped) or 'its topics'}")
        self._inputs = self._taken()

    def _taken(self) -> dict[str, list[str]]:
        """The topics by what a localizer takes, one of each; where none has the flight's names, any camera may be the one."""
        taken: dict[str, list[str]] = {}
        for role in ("camera_info", "image", "odometry"):
            named = [topic for topic in self._bag.names.of(role) if topic in self._publishers]
            others = [topic for topic in self._publishers if self._bag.topics[topic] in TYPES[role] and role != "odometry"]
            if named or others:
                taken[role] = named or others
        return taken

    def wait_for_subscribers(self, stop: threading.Event, timeout_s: float = SUBSCRIBER_WAIT_S) -> None:
        """Until the flight's images, camera_info and odometry are subscribed to; InputError after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while missing := [topics for topics in self._inputs.values()
                          if not any(self._publishers[topic].get_subscription_count() for topic in topics)]:
            if time.monotonic() > deadline:
                names = ", ".join(" or ".join(topics) for topics in missing)
                raise InputError(f"nobody subscribed to {names} within {timeout_s:g} s; is the localizer active, with the same "
                                 "ROS_DOMAIN_ID, and are its topics remapped to these?")
            if stop.wait(0.05):
                return

    def play(self, stop: threading.Event) -> None:
        """Play the bag to its end, or until `stop` is set."""
        start: tuple[int, int] | None = None
        for topic, log_ns, data in self._bag.serialized(*self._publishers):
            if start is None:
                start = log_ns, time.monotonic_ns()
            due_ns = start[1] + round((log_ns - start[0]) / self._rate)
            if stop.wait(max(due_ns - time.monotonic_ns(), 0) / 1e9):
                break
            self.late_ms = max(self.late_ms, (time.monotonic_ns() - due_ns) / 1e6)
            if topic in self._inputs.get("image", ())[:1]:
                self.images.append(Sent(stamp_of(data), time.time_ns()))
            self._publishers[topic].publish(data)
            self.counts[topic] += 1
        for topic, publisher in self._publishers.items():
            if self._bag.topics[topic] not in IMAGE_TYPES:
                publisher.wait_for_all_acked(Duration(seconds=ACKNOWLEDGE_S))


def wait_until_active(node: Node, name: str, stop: threading.Event) -> None:
    """Until the lifecycle node `name` is active, however long its operator takes, or `stop` is set."""
    client: Any = node.create_client(GetState, f"{name}/get_state")
    while not stop.is_set():
        if client.service_is_ready():
            # without an answer while the node is configuring
            future = client.call_async(GetState.Request())
            rclpy.spin_until_future_complete(node, future, timeout_sec=ANSWER_S)
            if future.done() and future.result().current_state.id == State.PRIMARY_STATE_ACTIVE:
                return
            client.remove_pending_request(future)
        stop.wait(ASK_EVERY_S)


def main(argv: list[str] | None = None) -> int:
    """`play BAG`; returns the exit status."""
    words = sys.argv if argv is None else ["play", *argv]
    args = _parser().parse_args(remove_ros_args(words)[1:])
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # the program `play` has blocked them until here
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    set_profile()
    rclpy.init(args=words, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("player", start_parameter_services=False)
    try:
        player = Player(node, open_bag(args.bag), args.rate)
        for topic in player.skipped:
            print(f"play: {topic} is left out: its message type is not installed", file=sys.stderr)
        if args.wait_for_node:
            print(f"play: waiting until {args.wait_for_node} is active", flush=True)
            wait_until_active(node, args.wait_for_node, stop)
        if args.wait_for_subscriber:
            player.wait_for_subscribers(stop)
        if not stop.wait(args.start_delay):
            player.play(stop)
    except InputError as error:
        print(f"play: {error}", file=sys.stderr)
        return 1
    finally:
        # Python takes its handlers back when it ends: a second Ctrl-C would kill it then
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        node.destroy_node()
        rclpy.try_shutdown()
    for topic, count in sorted(player.counts.items()):
        print(f"{topic:24} {count:7d} messages")
    ended = "stopped" if stop.is_set() else "done"
    print(f"play: {ended}, at {args.rate:g} times real time, at most {player.late_ms:.0f} ms late", flush=True)
    return 0


def _message_class(kind: str) -> Any | None:
    package, _, name = kind.partition("/msg/")
    try:
        return getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        return None


def stamp_of(data: bytes) -> int:
    """Return the stamp of a message that begins with a std_msgs/Header: two words after the four bytes that name the encoding."""
    order: Literal["little", "big"] = "little" if data[1] & 1 else "big"
    return int.from_bytes(data[4:8], order, signed=True) * 1_000_000_000 + int.from_bytes(data[8:12], order)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="play", description="Play a rosbag2 folder over DDS, each message as it was recorded.",
        epilog="example: play flight_bag --rate 2 --wait-for-subscriber --ros-args -r /odometry:=/ekf/odometry")
    parser.add_argument("bag", type=Path, metavar="BAG")
    parser.add_argument("--rate", type=positive_number, default=1.0, metavar="R", help="times real time; default: 1")
    parser.add_argument("--start-delay", type=float, default=0.5, metavar="S",
                        help="seconds before the first message; default: 0.5")
    parser.add_argument("--wait-for-node", metavar="NAME",
                        help="start once the lifecycle node NAME is active, however long that takes")
    parser.add_argument("--wait-for-subscriber", action="store_true",
                        help=f"start once images, camera_info and odometry are subscribed to, fail after {SUBSCRIBER_WAIT_S:g} s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
