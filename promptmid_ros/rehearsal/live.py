"""A recorded flight through the localizer as it flies: its own process, real DDS, its outputs recorded."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from promptmid_core.bags.bag import IMAGE_TYPES, open_bag
from promptmid_core.bags.liverun import LOG, OUTPUTS, LiveRun, write_run
from promptmid_core.cli.parsing import positive_number
from promptmid_core.errors import InputError
from promptmid_core.files import make_folder, writing
from promptmid_ros.rehearsal.player import Player, stamp_of
from promptmid_ros.rehearsal.process import LocalizerProcess
from promptmid_ros.rehearsal.recorder import Recorder
from promptmid_ros.transport import set_profile

DISCOVERY_S = 1.0
# after the last image: how long to wait for its verdict, and how long for any verdict
LAST_S, QUIET_S = 20.0, 3.0


def run_live(bag: Path, reference: Path, out: Path, *, rate: float = 1.0, parameters: Mapping[str, Any] | None = None,
             stop: threading.Event | None = None) -> LiveRun:
    """Fly `bag` through the node over the map folder `reference`, into the folder `out`; returns what that says of the run.

    OUTPUTS in it is the rosbag2 folder of what the node published, and LOG what the node printed. Raises InputError where `out`
    is taken or any part of it fails.
    """
    recorded = open_bag(bag)
    stop = stop or threading.Event()
    _make(out)
    verdicts = _Verdicts()
    transport = "raw" if recorded.topics[recorded.image_topic] == IMAGE_TYPES[1] else "compressed"
    settings = {"map": str(reference.absolute()), "image_transport": transport, **(parameters or {})}
    with ros_node("live") as node:
        player = Player(node, recorded, rate)
        with (Recorder(node, out / OUTPUTS, on_message=verdicts.note) as recorder,
              LocalizerProcess(node, settings, out / LOG) as localizer):
            player.wait_for_subscribers(stop)
            stop.wait(DISCOVERY_S)
            _check_alone(node)
            player.play(stop)
            verdicts.wait_for_last(player, localizer, stop)
    if stop.is_set():
        raise InputError("the live run was interrupted")
    flown = LiveRun(
        bag=str(bag), map=str(reference), rate=rate, image_transport=transport, exit_code=localizer.stop(),
        sent=dict(player.counts), received=dict(recorder.counts), late_ms=round(player.late_ms, 3),
        images=tuple((image.stamp_ns, image.wall_ns) for image in player.images))
    write_run(out, flown)
    return flown


@contextmanager
def ros_node(name: str) -> Iterator[Node]:
    """A node that a thread spins until the block ends, in a ROS context of its own."""
    set_profile()
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(name, context=context, start_parameter_services=False, enable_rosout=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin, name="spin", daemon=True)
    spinning.start()
    try:
        yield node
    finally:
        executor.shutdown()
        spinning.join(5)
        node.destroy_node()
        context.try_shutdown()


class _Verdicts:
    """What ~/match_diagnostics has said so far: one message per processed frame."""

    def __init__(self) -> None:
        self._newest_ns = self._at = 0

    def note(self, topic: str, data: bytes, wall_ns: int) -> None:
        if topic.endswith("/match_diagnostics"):
            self._newest_ns, self._at = max(self._newest_ns, stamp_of(data)), wall_ns

    def wait_for_last(self, player: Player, localizer: LocalizerProcess, stop: threading.Event) -> None:
        """Until the newest image has its verdict; a lost image has none, so silence ends the wait too."""
        last = max((image.stamp_ns for image in player.images), default=0)
        started = time.time_ns()
        while self._newest_ns < last and not stop.wait(0.05):
            localizer.check_alive()
            waited = time.time_ns() - started
            if waited > LAST_S * 1e9 or (waited > QUIET_S * 1e9 and time.time_ns() - self._at > QUIET_S * 1e9):
                return
        stop.wait(0.3)  # the pose of that frame may follow its verdict


def _make(out: Path) -> None:
    make_folder(out)
    with writing(out):
        taken = [path.name for path in out.iterdir()]
    if taken:
        raise InputError(f"{out} is not empty ({taken[0]}); name a new folder or remove it")


def _check_alone(node: Node) -> None:
    """InputError where another localizer is heard, whose verdicts would be taken for those of this run."""
    topic = "/localizer/match_diagnostics"
    if node.count_publishers(topic) > 1:
        raise InputError(f"another node publishes {topic} in ROS_DOMAIN_ID {os.environ.get('ROS_DOMAIN_ID', '0')}; give this run "
                         "another ROS_DOMAIN_ID")


def isolate(out: Path) -> None:
    """Keep a simulated flight off the robots of the network, and ROS's logs in the folder `out`, unless the user says where."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    os.environ.setdefault("ROS_LOG_DIR", str(out.absolute() / "ros_log"))


def main(argv: list[str] | None = None) -> int:
    """`python -m promptmid_ros.rehearsal.live BAG --map MAP --out DIR`; returns the exit status."""
    args = _parser().parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    isolate(args.out.parent)
    try:
        flown = run_live(args.bag, args.map, args.out, rate=args.rate, stop=stop)
    except InputError as error:
        print(f"live: {error}", file=sys.stderr)
        return 1
    verdicts, poses = (flown.received.get(f"/localizer/{name}", 0) for name in ("match_diagnostics", "pose"))
    print(f"live: {len(flown.images)} images sent at {args.rate:g} times real time, {verdicts} judged, {poses} fixes; "
          f"{args.out / OUTPUTS}", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m promptmid_ros.rehearsal.live",
                                     description="Play a bag through the localizer over DDS and record what it publishes.")
    parser.add_argument("bag", type=Path, metavar="BAG")
    parser.add_argument("--map", type=Path, required=True, metavar="MAP")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rate", type=positive_number, default=1.0, metavar="R", help="times real time; default: 1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
