"""ekf_node of robot_localization and the localizer in a closed loop over DDS, in real time, through an outage of images."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage

from benchmarks.ekf.aircraft import Aircraft
from benchmarks.loop.figures import figures_of
from benchmarks.loop.flight import Ground, LongFlight, second_of
from benchmarks.loop.log import Log
from benchmarks.loop.sensors import Sensors, Wrong
from promptmid_core.bags import telemetry
from promptmid_core.bags.messages import pose_from, stamp_ns
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.files import write_json
from promptmid_core.outputs import contents
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world
from promptmid_ros.conversions import kind_of, message
from promptmid_ros.rehearsal.live import isolate, ros_node
from promptmid_ros.rehearsal.process import LocalizerProcess
from promptmid_ros.rehearsal.recorder import DEEP

CONFIG = Path(__file__).resolve().parent.parent.parent / "config" / "ekf.yaml"
FRAMES, OUTAGE, SPEED_MPS, STEP_S = 200, (80, 60.0), 30.0, 0.05
LATE_S, BEGIN_S, CONNECT_S, STOP_S = 0.3, 2.0, 60.0, 10.0


class Heard:
    """What the filter and the localizer have said, by the stamps that they said it of."""

    def __init__(self, node: Node) -> None:
        self.odometry: dict[int, Odometry] = {}
        self.reasons: dict[int, str] = {}
        node.create_subscription(Odometry, "odometry", self._on_odometry, DEEP)
        node.create_subscription(DiagnosticArray, "/localizer/match_diagnostics", self._on_verdict, DEEP)

    def log(self, sensors: Sensors, begin_ns: int) -> Log:
        """What happened, in seconds of a flight that began at `begin_ns`."""
        log, before = Log(), (np.zeros(2), np.nan)
        log.reasons = [((stamp - begin_ns) / 1e9, reason) for stamp, reason in sorted(self.reasons.items())]
        for stamp, told in sorted(self.odometry.items()):
            second = (stamp - begin_ns) / 1e9
            if second < 1.0:
                continue
            off = (pose_from(told.pose.pose).position - sensors.truth(second).position)[:2]
            covariance = np.array(told.pose.covariance).reshape(6, 6)[:2, :2]
            log.states.append((second, off, covariance))
            log.jumps.append((second, float(np.hypot(*(off - before[0]))), before[1]))
            before = off, float(np.sqrt(np.linalg.eigvalsh(covariance)[1]))
        return log

    def _on_odometry(self, told: Odometry) -> None:
        self.odometry[stamp_ns(told.header)] = told

    def _on_verdict(self, told: DiagnosticArray) -> None:
        self.reasons |= {stamp_ns(told.header): pair.value for pair in told.status[0].values if pair.key == "reason"}


@contextmanager
def running(words: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The filter as a process, as docs/ros.md starts it. Raises InputError where it cannot be started."""
    settings = ["--ros-args", "-r", "__node:=ekf_filter_node_map", "-r", "odometry/filtered:=odometry"]
    with log.open("wb") as output:
        try:
            process = subprocess.Popen([*words, *settings, "--params-file", str(CONFIG)], stdout=output, stderr=subprocess.STDOUT)
        except OSError as error:
            raise InputError(f"{shlex.join(words)} cannot be started ({error}); install robot_localization or name its "
                             "ekf_node by --filter") from error
        try:
            yield process
        finally:
            process.terminate()
            process.wait(STOP_S)


def fly(ground: Ground, reference: Path, words: list[str], out: Path, seed: int) -> dict[str, Any]:
    """Fly once and return the figures. Raises InputError where a process ends or hears nothing."""
    options = FlightOptions.of(frames=FRAMES, seed=seed, footprint_px=300, image_size=(480, 360), speed_mps=SPEED_MPS,
                               outage=(OUTAGE,), outage_of="images")
    flight = LongFlight.over(ground, options)
    shots = list(flight.shots())
    sensors = Sensors(flight.trajectory, Wrong(attitude_bias_deg=0.05), flight.seconds, STEP_S, seed)
    settings = {"map": str(reference.absolute()), "prior_wait_ms": 2000}
    with ros_node("ekf") as node:
        heard, aircraft = Heard(node), Aircraft(node, sensors)
        infos = node.create_publisher(CameraInfo, "camera_info", 10)
        images = node.create_publisher(CompressedImage, "image/compressed", qos_profile_sensor_data)
        with (running(words, out / f"ekf_{seed}.log") as ekf,
              LocalizerProcess(node, settings, out / f"localizer_{seed}.log") as localizer):
            def check() -> None:
                localizer.check_alive()
                if ekf.poll() is not None:
                    raise InputError(f"the filter ended with {ekf.returncode}; look into {out / f'ekf_{seed}.log'}")

            until = time.monotonic() + CONNECT_S
            while not (aircraft.connected() and infos.get_subscription_count() and images.get_subscription_count()):
                check()
                if time.monotonic() > until:
                    raise InputError(f"filter and localizer did not connect within {CONNECT_S:g} s")
                time.sleep(0.1)
            begin = time.time_ns() + round(BEGIN_S * 1e9)
            flying = aircraft.fly(begin)
            for info, image in shots:
                stamp = begin + round(second_of(stamp_ns(image.header)) * 1e9)
                time.sleep(max(stamp - time.time_ns(), 0) / 1e9 + LATE_S)
                check()
                infos.publish(at(info, CameraInfo, stamp))
                images.publish(at(image, CompressedImage, stamp))
            flying.join()
            time.sleep(BEGIN_S)
    second = float(flight.clock.stamped[OUTAGE[0]])
    return figures_of(heard.log(sensors, begin), ground.gsd, [(second, second + OUTAGE[1])], 1.0)


def at(told: Any, kind: Any, stamp: int) -> Any:
    """A message of the simulation as one of rclpy, with another stamp."""
    its = deserialize_message(bytes(telemetry.typestore().serialize_cdr(told, told.__msgtype__)), kind)
    its.header.stamp = message(kind_of("builtin_interfaces/msg/Time"), contents.time(stamp))
    return its


def prepare(out: Path) -> tuple[Ground, Path]:
    """Return a simulated world in the folder `out`, and its map; what exists is taken as it is."""
    world, built = out / "world", out / "map"
    if not world.exists():
        simulate_world(world, WorldOptions.of(seed=3, size_px=1024))
    if not built.exists():
        build_map(Sources(world / "sar.tif", dem=world / "dem.tif"), built, BuildOptions(load("structural")))
    reference = ReferenceMap.open(built)
    return Ground(world / "optical.tif", world / "dem.tif", reference.frame, reference.gsd), built


def main(argv: list[str] | None = None) -> int:
    """`python -m benchmarks.ekf --out DIR`; 3.5 minutes a flight."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ekf", description=__doc__)
    parser.add_argument("--filter", default="ros2 run robot_localization ekf_node", metavar="COMMAND",
                        help="what starts ekf_node; default: %(default)s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="a flight each; default: 1 2 3")
    parser.add_argument("--out", type=Path, default=Path("ekf_out"), metavar="DIR")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    isolate(args.out)
    try:
        ground, reference = prepare(args.out)
        for seed in args.seeds:
            figures = fly(ground, reference, shlex.split(args.filter), args.out, seed)
            write_json(args.out / f"{seed}.json", figures)
            print(f"seed {seed}", *(f"{key} {value}" for key, value in figures.items()), sep="\n  ", flush=True)
    except InputError as error:
        print(f"ekf: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
