"""Where a flight's figures come from: when and with what it was flown, against which map, and what replayed it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core import __version__
from promptmid_core.errors import InputError
from promptmid_core.geometry import Camera
from promptmid_core.refmap import ReferenceMap, map_info
from promptmid_core.replay.run import Flight

HASH = 12  # digits of a SHA-256 that tell one file from another for people


def origin(flight: Flight, reference: ReferenceMap, command: str | None) -> list[tuple[str, str]]:
    """Return names and values, for people."""
    rows = [
        ("Bag", flight.bag), ("Flown", _flown(flight)), ("Camera", _camera(flight)), ("Heights", _heights(flight)),
        ("Map", flight.map), ("Map CRS", flight.crs), ("Map pixel", f"{flight.gsd_m:.6g} m"), *_map(reference.path),
        ("Patch", f"{flight.patch_px} px"), ("Descriptor", flight.descriptor), ("Fingerprint", flight.fingerprint),
        ("Replayed", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"), ("Machine", machine()),
        ("Versions", f"promptmid {__version__}, Python {platform.python_version()}, NumPy {version('numpy')}, "
                     f"OpenCV {_opencv_version()}"), ("Command", command or ""),
    ]
    return [(name, value) for name, value in rows if value]


def machine() -> str:
    """Return what the times were taken on."""
    model = ""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model or platform.machine()}, {cores} {'core' if cores == 1 else 'cores'}, {platform.system()}"


def _flown(flight: Flight) -> str:
    if not flight.frames:
        return ""
    first, last = (flight.frames[index].bag_ns / 1e9 for index in (0, -1))
    begun = datetime.fromtimestamp(first, UTC)
    return f"{begun:%Y-%m-%d %H:%M:%S} UTC, {last - first:.0f} s, {len(flight.frames)} frames"


def _camera(flight: Flight) -> str:
    cameras: dict[str, None] = dict.fromkeys(_spelled(frame.camera) for frame in flight.frames if frame.camera is not None)
    return "; ".join(cameras)


def _spelled(camera: Camera) -> str:
    focal = (camera.k[0, 0] + camera.k[1, 1]) / 2
    return f"{camera.width} x {camera.height} px, focal length {focal:.0f} px, {camera.model}"


def _heights(flight: Flight) -> str:
    above = [float(frame.fix.pose.position[2] - frame.fix.ground.point[2]) for frame in flight.frames
             if frame.fix.pose is not None and frame.fix.ground is not None]
    if above:
        return f"{min(above):.0f} to {max(above):.0f} m above the ground, median {np.median(above):.0f} m"
    told = [float(frame.fix.candidate.prior.pose.position[2]) for frame in flight.frames if frame.fix.candidate.prior]
    return f"{min(told):.0f} to {max(told):.0f} m by the odometry" if told else ""


def _map(path: Path) -> list[tuple[str, str]]:
    try:
        told: dict[str, Any] = map_info(path)
    except InputError:
        return []  # a map that is no folder of ours has no more to tell
    inputs = ", ".join(f"{name} {Path(value['path']).name if value['path'] else ''} {str(value['sha256'])[:HASH]}"
                       for name, value in told["inputs"].items() if value["sha256"])
    dem = f"DEM of {told['dem_gsd_m']:.4g} m" if told["dem_gsd_m"] else "flat ground, no DEM"
    return [("Map made", f"{told['built'] or 'unknown when'} of {inputs or 'unknown rasters'}"),
            ("Map heights", f"{dem}, vertical datum {told['vertical_datum']}")]


def _opencv_version() -> str:
    import cv2

    return str(cv2.__version__)
