"""Hours of flight at the rate at which the node judges: memory, threads, handles, latency, counters, false fixes."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.aircraft import Aircraft, Failed
from benchmarks.faults.roundtrip import RoundTrip
from benchmarks.faults.scene import PATCH_PX, prepare
from benchmarks.faults.usage import usage
from promptmid_core.errors import InputError
from promptmid_core.files import write_json
from promptmid_ros.rehearsal.live import isolate, ros_node

HOUR = 3600  # images, one a second
CHECKPOINT = 600
# odometry of 5 Hz: what a message costs is known, and the hours shall pass
THINNING = 4
# the latency is of this machine with all else that runs on it, the processor time the node's own
MOST_GROWTH_MB, MOST_SLOWER, MOST_DEARER = 5.0, 1.5, 1.1


def fly(out: Path, descriptor: str, hours: float, stop: threading.Event) -> dict[str, Any]:
    """Fly over a simulated map for simulated hours and return the figures, which are in the folder `out` after each ten simulated
    minutes. Raises InputError or Failed where the node fails."""
    scene = prepare(out, descriptor)
    figures: dict[str, Any] = {"descriptor": descriptor, "hours": hours, "checkpoints": []}
    latencies: list[float] = []
    with (ros_node("hours") as node,
          Aircraft(node, RoundTrip(scene.bag, THINNING), scene.map(descriptor), out / f"localizer_{descriptor}.log",
                   patch_px=PATCH_PX) as aircraft):
        while len(latencies) < hours * HOUR and not stop.is_set():
            shot = aircraft.trip.next()
            sent = time.perf_counter()
            aircraft.fly([shot])
            latencies.append((time.perf_counter() - sent) * 1e3)
            if len(latencies) % CHECKPOINT == 0:
                figures["checkpoints"].append(_checkpoint(aircraft, latencies))
                write_json(out / f"hours_{descriptor}.json", figures)
        aircraft.settle()
        ledger = aircraft.ledger
        figures |= {"images": len(latencies), "counts": ledger.counts(), "verdicts": sum(ledger.judged.values()),
                    "fixes": ledger.fixes, "worst_px": round(ledger.worst_px, 2), "reasons": dict(ledger.reasons.most_common()),
                    "wrong": ledger.wrong()}
        figures |= {key: ledger.health.get(key) for key in ("program_errors", "workers_replaced")}
    write_json(out / f"hours_{descriptor}.json", figures)
    return figures


def _checkpoint(aircraft: Aircraft, latencies: list[float]) -> dict[str, Any]:
    recent = latencies[-CHECKPOINT:]
    return {"images": len(latencies), **usage(aircraft.process.pid), "latency_ms_p50": _percentile(recent, 50),
            "latency_ms_p99": _percentile(recent, 99), "fixes": aircraft.ledger.fixes,
            "false_fixes": len(aircraft.ledger.false_fixes)}


def _percentile(values: list[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 1)


def missed(figures: dict[str, Any]) -> list[str]:
    """Return the bars that the hours did not clear, each as a sentence."""
    found = list(figures["wrong"])
    checkpoints = figures["checkpoints"]
    if len(checkpoints) >= 12:
        # the map's cache and the windows of the statistics fill in the first half hour
        early, late = checkpoints[3:6], checkpoints[-3:]
        for name, most in (("memory_mb", MOST_GROWTH_MB), ("threads", 0), ("handles", 0), ("shm_files", 0), ("shm_mb", 0)):
            grown = _median(late, name) - _median(early, name)
            if grown > most:
                found.append(f"{name} grew by {grown:g}, more than {most:g}")
        first, last = _median(checkpoints[:6], "latency_ms_p99"), _median(checkpoints[-6:], "latency_ms_p99")
        if last > MOST_SLOWER * first:
            found.append(f"the latency's 99th percentile went from {first:g} to {last:g} ms, more than {MOST_SLOWER:g} times")
        first, last = _processor_ms(checkpoints[:6]), _processor_ms(checkpoints[-6:])
        if last > MOST_DEARER * first:
            found.append(f"an image took {last:.1f} ms of processor time, {first:.1f} at first: more than {MOST_DEARER:g} times")
    counts = figures["counts"]
    if counts["received"] != counts["processed"] + counts["dropped"] or counts["processed"] != figures["verdicts"]:
        found.append(f"the counters do not add up: {counts}, {figures['verdicts']} verdicts")
    if figures["program_errors"] != "0" or figures["workers_replaced"] != "0":
        found.append(f"{figures['program_errors']} program errors, {figures['workers_replaced']} workers replaced")
    return found


def _processor_ms(checkpoints: list[dict[str, Any]]) -> float:
    first, last = checkpoints[0], checkpoints[-1]
    return float(1e3 * (last["processor_s"] - first["processor_s"]) / (last["images"] - first["images"]))


def _median(checkpoints: list[dict[str, Any]], name: str) -> float:
    return round(float(np.median([checkpoint[name] for checkpoint in checkpoints])), 1)


def main(argv: list[str] | None = None) -> int:
    """`python -m benchmarks.hours --hours H --out DIR`; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hours", description=__doc__)
    parser.add_argument("--hours", type=float, default=8.0, metavar="H", help="simulated hours, an image a second; default: 8")
    parser.add_argument("--descriptor", default="structural", choices=("structural", "promptmid"))
    parser.add_argument("--out", type=Path, default=Path("hours_out"), metavar="DIR")
    args = parser.parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    isolate(args.out)
    try:
        figures = fly(args.out, args.descriptor, args.hours, stop)
    except (Failed, InputError) as error:
        print(f"hours: {error}", file=sys.stderr)
        return 1
    print(f"{figures['images']} images, {figures['verdicts']} verdicts, {figures['fixes']} fixes, the worst "
          f"{figures['worst_px']:g} px off; {figures['counts']}")
    for checkpoint in figures["checkpoints"]:
        print("  ".join(f"{key} {value:g}" for key, value in checkpoint.items()))
    failures = missed(figures)
    for sentence in failures:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
