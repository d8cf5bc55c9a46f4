"""Minutes of full-HD camera images at 30 Hz into the node: memory, drops, service calls and latency."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from lifecycle_msgs.srv import GetState
from rclpy.node import Node

from promptmid_core.bags.messages import stamp_ns
from promptmid_core.errors import InputError
from promptmid_core.files import write_json
from promptmid_ros.rehearsal.live import isolate, ros_node
from promptmid_ros.rehearsal.process import LocalizerProcess
from promptmid_ros.rehearsal.recorder import DEEP

IMAGE_SIZE, RATE_HZ, FRAMES = (1920, 1080), 30.0, 120
# an image queue comes and goes by tens of MB, so memory is judged by medians of a while
WARM_UP_S, WINDOW_S = 30.0, 20.0
CALL_EVERY_S = 0.1
SETTLE_S = 3.0
COUNTERS = ("images_received", "images_processed", "images_dropped", "images_lost_percent", "memory_mb")
MOST_GROWTH_MB, MOST_CALL_MS = 20.0, 50.0


class Watch:
    """What the node publishes, as it arrives: latencies from the image's stamp, reasons, and the newest health."""

    def __init__(self, node: Node) -> None:
        self.pose_ms: list[float] = []
        self.verdict_ms: list[float] = []
        self.reasons: Counter[str] = Counter()
        self.health: dict[str, str] = {}
        node.create_subscription(PoseWithCovarianceStamped, "/localizer/pose", self._pose, DEEP)
        node.create_subscription(DiagnosticArray, "/localizer/match_diagnostics", self._verdict, DEEP)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._health, DEEP)

    def _pose(self, message: PoseWithCovarianceStamped) -> None:
        self.pose_ms.append((time.time_ns() - stamp_ns(message.header)) / 1e6)

    def _verdict(self, message: DiagnosticArray) -> None:
        self.verdict_ms.append((time.time_ns() - stamp_ns(message.header)) / 1e6)
        self.reasons[next(pair.value for pair in message.status[0].values if pair.key == "reason")] += 1

    def _health(self, message: DiagnosticArray) -> None:
        self.health = {pair.key: pair.value for status in message.status for pair in status.values}


def soak(bag: Path, reference: Path, out: Path, *, raw: bool, seconds: float, stop: threading.Event) -> dict[str, Any]:
    """Run the node for `seconds` on the images of a camera process and return the figures. Raises InputError where a process
    fails."""
    name = "raw" if raw else "compressed"
    memory: list[tuple[float, dict[str, float]]] = []
    calls: list[float] = []
    with ros_node("soak") as node:
        watch = Watch(node)
        settings = {"map": str(reference.absolute()), "image_transport": name}
        with LocalizerProcess(node, settings, out / f"localizer_{name}.log") as localizer:
            camera = subprocess.Popen([sys.executable, "-m", "benchmarks.camera", f"{bag}", *(["--raw"] if raw else [])],
                                      stdout=subprocess.PIPE, text=True, start_new_session=True)
            try:
                while not watch.reasons and camera.poll() is None and not stop.wait(0.1):
                    localizer.check_alive()
                started = time.monotonic()
                while (now := time.monotonic() - started) < seconds and not stop.is_set():
                    if camera.poll() is not None:
                        raise InputError(f"the camera ended with exit code {camera.returncode}")
                    if not memory or now - memory[-1][0] >= 1:
                        memory.append((now, resident_mb(localizer.pid)))
                    before = time.perf_counter()
                    localizer.call("get_state", GetState.Request())
                    calls.append((time.perf_counter() - before) * 1e3)
                    stop.wait(CALL_EVERY_S)
            finally:
                camera.send_signal(signal.SIGINT)
                said, _ = camera.communicate(timeout=20)
            # the counters come once a second
            stop.wait(SETTLE_S)
            health = dict(watch.health)
    if camera.returncode:
        raise InputError(f"the camera ended with exit code {camera.returncode}")
    return {
        "transport": name, "seconds": seconds, "camera": json.loads(said), "judged": sum(watch.reasons.values()),
        "reasons": dict(watch.reasons.most_common()), "health": health, "memory_mb": growth(memory),
        "call_ms": percentiles(calls), "calls": len(calls),
        "stamp_to_pose_ms": percentiles(watch.pose_ms), "stamp_to_verdict_ms": percentiles(watch.verdict_ms),
        "exit_code": localizer.exit_code,
    }


def resident_mb(pid: int) -> dict[str, float]:
    """Resident memory of a process in MB: all, its own (with the files it maps), and what it touched of the writers' segments.

    The last belongs to the camera, is never more than the segments' 64 MB each, and grows as long as new pages are touched.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = {line.split(":")[0]: float(line.split()[1]) / 1024 for line in lines if line.startswith("Rss")}
    own, segments = values["RssAnon"] + values["RssFile"], values["RssShmem"]
    return {"resident": own + segments, "own": own, "segments": segments}


def growth(memory: list[tuple[float, dict[str, float]]]) -> dict[str, Any]:
    """From the median of the WINDOW_S seconds after the warm-up to that of the last; the largest; and the medians in between."""
    end = memory[-1][0]
    warm = min(WARM_UP_S, end / 3)
    result: dict[str, Any] = {}
    for name in ("resident", "own", "segments"):
        early = _median(memory, name, warm, warm + WINDOW_S)
        late = _median(memory, name, end - WINDOW_S, end)
        result |= {f"{name}_warm": round(early, 1), f"{name}_end": round(late, 1), f"{name}_growth": round(late - early, 1),
                   f"{name}_max": round(max(sample[name] for _, sample in memory), 1),
                   f"{name}_over_time": [round(_median(memory, name, at, at + WINDOW_S), 1)
                                         for at in np.arange(warm, end - WINDOW_S, WINDOW_S).tolist()]}
    return result


def _median(memory: list[tuple[float, dict[str, float]]], name: str, begin: float, end: float) -> float:
    return float(np.median([sample[name] for at, sample in memory if begin <= at <= end]))


def percentiles(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p95": None, "max": None}
    return {"p50": round(float(np.median(values)), 1), "p95": round(float(np.percentile(values, 95)), 1),
            "max": round(max(values), 1)}


def main(argv: list[str] | None = None) -> int:
    """`python -m benchmarks.soak --seconds S --out DIR`; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, metavar="S", help="for each transport; default: 300")
    parser.add_argument("--transport", choices=("raw", "compressed"), action="append", help="default: both, one after the other")
    parser.add_argument("--out", type=Path, default=Path("soak_out"), metavar="DIR")
    args = parser.parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    isolate(args.out)
    try:
        bag, reference = prepare(args.out)
        results = []
        for name in args.transport or ("raw", "compressed"):
            print(f"soak: {name}, {args.seconds:g} s", file=sys.stderr, flush=True)
            results.append(soak(bag, reference, args.out, raw=name == "raw", seconds=args.seconds, stop=stop))
            if stop.is_set():
                raise InputError("the soak was interrupted")
    except InputError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    write_json(args.out / "soak.json", results)
    print(table(results))
    missed = [f"{result['transport']}: {text}" for result in results for text in bars_missed(result)]
    for text in missed:
        print(f"missed: {text}", file=sys.stderr)
    return 1 if missed else 0


def prepare(out: Path) -> tuple[Path, Path]:
    """Return a simulated world, its map and a flight of full-HD frames in the folder `out`; taken as they are where they
    exist."""
    from promptmid_core.descriptors import load
    from promptmid_core.refmap.build import BuildOptions, Sources, build_map
    from promptmid_core.simulation.flight.options import FlightOptions
    from promptmid_core.simulation.flight.simulate import simulate_flight
    from promptmid_core.simulation.world.options import WorldOptions
    from promptmid_core.simulation.world.simulate import simulate_world

    world, reference, bag = out / "world", out / "map", out / "flight"
    if not bag.exists():
        print("soak: simulating a world, its map and a flight", file=sys.stderr, flush=True)
        simulate_world(world, WorldOptions.of(seed=1, size_px=1536, gsd=10.0))
        build_map(Sources(world / "sar.tif", dem=world / "dem.tif"), reference, BuildOptions(load("structural")))
        simulate_flight(world / "optical.tif", bag, FlightOptions.of(frames=FRAMES, seed=1, footprint_px=512, drift_px=4,
                        yaw_error_deg=1, altitude_error_percent=1, image_size=IMAGE_SIZE, frame_rate_hz=RATE_HZ),
                        dem=world / "dem.tif")
    return bag, reference


def lost(result: dict[str, Any]) -> int:
    """Return how many images the camera sent and the node never received."""
    return int(result["camera"]["sent"]) - int(result["health"].get("images_received", 0))


def bars_missed(result: dict[str, Any]) -> list[str]:
    """Return the bars that a soak did not clear, each as a sentence."""
    missed = []
    grown, call_ms = result["memory_mb"]["resident_growth"], result["call_ms"]["max"]
    if grown > MOST_GROWTH_MB:
        missed.append(f"memory grew by {grown} MB after the warm-up, more than {MOST_GROWTH_MB:g}")
    if call_ms is None or call_ms > MOST_CALL_MS:
        missed.append(f"the slowest service call took {call_ms} ms, more than {MOST_CALL_MS:g}")
    received, processed, dropped = (int(result["health"].get(key, -1)) for key in COUNTERS[:3])
    if received < 0 or received != processed + dropped or processed != result["judged"]:
        missed.append(f"{received} images received are not {processed} processed and {dropped} dropped, "
                      f"or not every one of them has its verdict ({result['judged']} came)")
    if not result["stamp_to_pose_ms"]["p50"]:
        missed.append("no image was localized")
    return missed


def table(results: list[dict[str, Any]]) -> str:
    """Return the figures as aligned plain text, a column for each transport."""
    rows: list[tuple[str, list[str]]] = [("", [result["transport"] for result in results])]

    def row(name: str, *path: str) -> None:
        values = []
        for result in results:
            value: Any = result
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            values.append("-" if value is None else f"{value:g}" if isinstance(value, float) else str(value))
        rows.append((name, values))

    row("seconds", "seconds")
    row("images sent", "camera", "sent")
    for key in COUNTERS:
        row(f"node: {key}", "health", key)
    rows.append(("lost on the way", [str(lost(result)) for result in results]))
    row("verdicts received", "judged")
    for name, key in (("stamp to pose, ms", "stamp_to_pose_ms"), ("stamp to verdict, ms", "stamp_to_verdict_ms"),
                      ("service call, ms", "call_ms")):
        for column in ("p50", "p95", "max"):
            row(f"{name}: {column}", key, column)
    row("service calls", "calls")
    for part in ("resident", "own", "segments"):
        for column in ("warm", "end", "growth", "max"):
            row(f"memory, {part}, MB: {column}", "memory_mb", f"{part}_{column}")
    row("exit code", "exit_code")
    lines = [f"{name:28}" + "".join(f"{value:>14}" for value in values) for name, values in rows]
    for result in results:
        lines.append(f"{result['transport']}: " + ", ".join(f"{code} {count}" for code, count in result["reasons"].items()))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
