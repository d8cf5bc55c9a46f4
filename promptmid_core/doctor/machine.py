"""What a time was measured on: processor, power mode, GPU, and the versions of what computes."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# by their names on PyPI; the first of a group that is installed counts
LIBRARIES = (
    ("promptmid_ros",), ("numpy",), ("scipy",), ("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
    ("simplejpeg",), ("zarr",), ("pyproj",), ("onnxruntime", "onnxruntime-gpu"),
    ("tensorrt", "tensorrt-cu12", "tensorrt-cu13", "tensorrt-rtx-cu12-bindings"),
    ("torch",), ("rclpy", "ros-kilted-rclpy", "ros-jazzy-rclpy"),
)
ASK_S = 10.0


def device() -> dict[str, Any]:
    """Return the machine as JSON values; None where it does not tell.

    `cores` are those that this process may use, `cpu_quota` how many of them at a time a container grants; `load_1m` is the load
    average of the last minute, and 0 on a machine that does nothing else.
    """
    return {
        "name": _text("/proc/device-tree/model") or _text("/sys/class/dmi/id/product_name"), "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)), "cores_of_machine": os.cpu_count(), "cpu_quota": _quota(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "cpu_governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), "power_mode": _power_mode(),
        "gpu": _told("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"),
        "load_1m": round(os.getloadavg()[0], 2), "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions() -> dict[str, str | None]:
    """Python's version and those of LIBRARIES, None for one that is not installed."""
    return {"python": platform.python_version()} | {group[0]: _version(group) for group in LIBRARIES}


def _version(group: tuple[str, ...]) -> str | None:
    for name in group:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def _cpu() -> str:
    found = dict.fromkeys(
        line.partition(":")[2].strip() for line in (_text("/proc/cpuinfo") or "").splitlines() if line.startswith("model name"))
    return ", ".join(found) or platform.processor() or platform.machine()


def _quota() -> float | None:
    quota, _, period = (_text("/sys/fs/cgroup/cpu.max") or "max").partition(" ")
    return None if quota == "max" else int(quota) / int(period)


def _power_mode() -> str | None:
    """That of a Jetson."""
    told = _told("nvpmodel", "-q")
    return told.splitlines()[0].partition(":")[2].strip() if told else None


def _told(*command: str) -> str | None:
    """What a tool prints; None where it is not installed or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ASK_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(errors="replace").strip("\0 \n") or None
    except OSError:
        return None
