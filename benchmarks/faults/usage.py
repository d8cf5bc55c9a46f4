"""What a process takes of its machine: memory, threads, handles, shared memory, processor time."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = "/dev/shm/"


def usage(pid: int) -> dict[str, float]:
    """Return what a process takes now: its own memory in MB (without shared memory), threads, open handles, files that it maps in
    /dev/shm with their MB, and seconds of processor time."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    own = sum(float(status[name].split()[0]) for name in ("RssAnon", "RssFile")) / 1024
    mapped = shared_files(pid)
    # the name in brackets may hold spaces
    user, system = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
    return {
        "memory_mb": round(own, 1), "threads": int(status["Threads"]), "handles": len(list((process / "fd").iterdir())),
        "shm_files": len(mapped), "shm_mb": round(sum(size(file) for file in mapped) / 2**20, 1),
        "processor_s": (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"),
    }


def shared_files(pid: int) -> set[str]:
    """Return the files in /dev/shm that a process maps."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return set()
    return {line.split(maxsplit=5)[5] for line in lines if SHARED in line}


def size(file: str) -> int:
    """Return the bytes of a file, 0 where it is gone."""
    try:
        return Path(file).stat().st_size
    except OSError:
        return 0
