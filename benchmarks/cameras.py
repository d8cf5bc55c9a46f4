"""Two cameras over one map in one process beside one camera: memory of the second, and what came to the wrong one."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from promptmid_core.bags.messages import stamp_ns
from promptmid_core.errors import InputError
from promptmid_core.files import write_json
from promptmid_ros.rehearsal.live import isolate, ros_node
from promptmid_ros.rehearsal.recorder import DEEP
from promptmid_ros.transport import set_profile

NAMES, RATE_HZ, FRAMES, IMAGE_SIZE = ("left", "right"), 10.0, 60, (1280, 960)
START_S, STOP_S, SETTLE_S, SAMPLE_S = 120.0, 10.0, 3.0, 0.5
MOST_SHARE = 0.6


class Watch:
    """What a camera sent, by the stamps of its camera_info, and what its node said of it."""

    def __init__(self, node: Node, name: str) -> None:
        self.sent: set[int] = set()
        self.prior: dict[int, tuple[float, float]] = {}
        self.judged: list[int] = []
        self.fixes: list[tuple[int, tuple[float, float]]] = []
        node.create_subscription(CameraInfo, f"/{name}/camera_info",
                                 lambda message: self.sent.add(stamp_ns(message.header)), DEEP)
        node.create_subscription(Odometry, f"/{name}/odometry", self._on_prior, DEEP)
        node.create_subscription(DiagnosticArray, f"/{name}/localizer/match_diagnostics",
                                 lambda message: self.judged.append(stamp_ns(message.header)), DEEP)
        node.create_subscription(PoseWithCovarianceStamped, f"/{name}/localizer/pose", self._on_fix, DEEP)

    def _on_prior(self, message: Odometry) -> None:
        self.prior[stamp_ns(message.header)] = _place(message)

    def _on_fix(self, message: PoseWithCovarianceStamped) -> None:
        self.fixes.append((stamp_ns(message.header), _place(message)))

    def away_m(self, stamp: int, place: tuple[float, float]) -> float:
        """How far a place is from where the odometry of this camera had it at that time."""
        nearest = min(self.prior, key=lambda each: abs(each - stamp))
        return float(np.hypot(*np.subtract(place, self.prior[nearest])))


def fly(names: tuple[str, ...], bags: dict[str, Path], reference: Path, out: Path, seconds: float) -> dict[str, Any]:
    """Run a process with a node for each name, and a camera for each, and return the figures. Raises InputError where one of the
    processes fails."""
    log, memory = out / f"{'_'.join(names)}.log", list[float]()
    with ros_node("cameras") as node, ExitStack() as running:
        watches = {name: Watch(node, name) for name in names}
        words = [*names, "--ros-args", "-p", f"map:={reference.absolute()}", "-p", "autostart:=true"]
        output = running.enter_context(log.open("wb"))
        localizer = _started(running, ["promptmid_ros.program", *words], stdout=output, stderr=subprocess.STDOUT)
        cameras = [_started(running, ["benchmarks.camera", f"{bags[name]}", "--namespace", f"/{name}"], stdout=subprocess.DEVNULL)
                   for name in names]
        until = time.monotonic() + START_S
        while not all(watch.judged for watch in watches.values()):
            _check(localizer, cameras, log)
            if time.monotonic() > until:
                raise InputError(f"no image was judged within {START_S:g} s; look into {log}")
            time.sleep(0.1)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            _check(localizer, cameras, log)
            memory.append(proportional_mb(localizer.pid))
            time.sleep(SAMPLE_S)
        for camera in cameras:
            camera.send_signal(signal.SIGINT)
            camera.wait(STOP_S)
        time.sleep(SETTLE_S)
    return {"seconds": seconds, "memory_mb": round(float(np.median(memory[-len(memory) // 3:])), 1),
            "cameras": {name: told(name, watches) for name in names}}


def told(name: str, watches: dict[str, Watch]) -> dict[str, int]:
    """What a camera's node judged of what its camera sent, and what it took from another: images, and places."""
    own, others = watches[name], [watch for other, watch in watches.items() if other != name]
    return {
        "sent": len(own.sent), "judged": len(own.judged), "fixes": len(own.fixes),
        "images_of_another": sum(stamp not in own.sent and any(stamp in other.sent for other in others) for stamp in own.judged),
        "places_of_another": sum(any(other.away_m(*fix) < own.away_m(*fix) for other in others) for fix in own.fixes),
    }


def proportional_mb(pid: int) -> float:
    """Return the memory of a process in MB, pages that several processes hold divided among them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def prepare(out: Path) -> tuple[dict[str, Path], Path]:
    """Return a flight for each camera and the map in the folder `out`, simulated unless they are there."""
    from promptmid_core.descriptors import load
    from promptmid_core.refmap.build import BuildOptions, Sources, build_map
    from promptmid_core.simulation.flight.options import FlightOptions
    from promptmid_core.simulation.flight.simulate import simulate_flight
    from promptmid_core.simulation.world.options import WorldOptions
    from promptmid_core.simulation.world.simulate import simulate_world

    world, reference, bags = out / "world", out / "map", {name: out / name for name in NAMES}
    if not world.exists():
        simulate_world(world, WorldOptions.of(seed=1, size_px=1536, gsd=10.0))
        build_map(Sources(world / "sar.tif", dem=world / "dem.tif"), reference, BuildOptions(load("structural")))
    for seed, bag in enumerate(bags.values(), 1):
        if not bag.exists():
            simulate_flight(world / "optical.tif", bag, FlightOptions.of(
                frames=FRAMES, seed=seed, footprint_px=512, drift_px=4, yaw_error_deg=1, altitude_error_percent=1,
                image_size=IMAGE_SIZE, frame_rate_hz=RATE_HZ), dem=world / "dem.tif")
    return bags, reference


def main(argv: list[str] | None = None) -> int:
    """`python -m benchmarks.cameras --seconds S --out DIR`; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cameras", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, metavar="S", help="with one camera, then with two; default: 600")
    parser.add_argument("--out", type=Path, default=Path("cameras_out"), metavar="DIR")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    isolate(args.out)
    set_profile()
    try:
        bags, reference = prepare(args.out)
        one = fly(NAMES[:1], bags, reference, args.out, args.seconds)
        two = fly(NAMES, bags, reference, args.out, args.seconds)
    except InputError as error:
        print(f"cameras: {error}", file=sys.stderr)
        return 1
    share = (two["memory_mb"] - one["memory_mb"]) / one["memory_mb"]
    write_json(args.out / "cameras.json", {"one": one, "two": two, "second_share": round(share, 4)})
    for title, flown in (("one camera", one), ("two cameras", two)):
        print(f"{title}: {flown['memory_mb']:g} MB proportional set size, {flown['seconds']:g} s at {RATE_HZ:g} Hz")
        for name, counts in flown["cameras"].items():
            print(f"  {name}: " + ", ".join(f"{key.replace('_', ' ')} {count}" for key, count in counts.items()))
    print(f"the second camera takes {share:.0%} of what the first does")
    missed = bars_missed(two, share)
    for text in missed:
        print(f"missed: {text}", file=sys.stderr)
    return 1 if missed else 0


def bars_missed(two: dict[str, Any], share: float) -> list[str]:
    """Return the bars that two cameras did not clear, each as a sentence."""
    missed = [f"{share:.0%} of the first camera's memory for the second, not less than {MOST_SHARE:.0%}"] * (share >= MOST_SHARE)
    for name, counts in two["cameras"].items():
        missed += [f"{name}: {key.replace('_', ' ')} {counts[key]}"
                   for key in ("images_of_another", "places_of_another") if counts[key]]
        missed += [f"{name}: no image was localized"] * (not counts["fixes"])
    return missed


def _started(running: ExitStack, words: list[str], **how: Any) -> subprocess.Popen[bytes]:
    """A process that is ended with the block."""
    process = subprocess.Popen([sys.executable, "-m", *words], start_new_session=True, **how)
    running.callback(_ended, process)
    return process


def _ended(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _check(localizer: subprocess.Popen[bytes], cameras: list[subprocess.Popen[bytes]], log: Path) -> None:
    if localizer.poll() is not None:
        raise InputError(f"the localizer ended with exit code {localizer.returncode}; look into {log}")
    for camera in cameras:
        if camera.poll() is not None:
            raise InputError(f"a camera ended with exit code {camera.returncode}")


def _place(message: Odometry | PoseWithCovarianceStamped) -> tuple[float, float]:
    return message.pose.pose.position.x, message.pose.pose.position.y


if __name__ == "__main__":
    sys.exit(main())
