"""Faults of the system under a node: a full disk, no handles, no memory, stopped, killed."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.aircraft import Aircraft
from benchmarks.faults.fault import RECOVERY, Fault, require
from benchmarks.faults.usage import usage

FULL_DISK_BYTES, SPARE_BYTES = 20_000, 4 * 2**20
THERE_AND_BACK = 120  # images of the trip
STOPPED_S, IN_HAND_S = 12.0, 0.02
# of Fast DDS
SHARED, LOCK = Path("/dev/shm"), "_el"


@contextmanager
def limited(pid: int, limit: int, most: int) -> Iterator[None]:
    """A limit of the kernel on a running process, taken back when the block ends."""
    _, hard = before = resource.prlimit(pid, limit)
    resource.prlimit(pid, limit, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, limit, before)


def full_disk(aircraft: Aircraft) -> None:
    """A limit on the size of files ends writing as a full disk does."""
    folder = Path(aircraft.parameters["snapshot_dir"])
    with limited(aircraft.process.pid, resource.RLIMIT_FSIZE, FULL_DISK_BYTES):
        answer = aircraft.ask("save_snapshot")
        require(not answer.success and "cannot be written" in answer.message, f"a full disk was answered with: {answer.message}")
        require(not list(folder.glob("*")), "a snapshot was left on a full disk")
        require(set(aircraft.fly(aircraft.trip.shots(8))) == {"fix"}, "a full disk cost fixes")
    answer = aircraft.ask("save_snapshot")
    require(answer.success, f"after a full disk no snapshot was saved: {answer.message}")


def no_handles(aircraft: Aircraft) -> None:
    pid = aircraft.process.pid
    # there and back, so that all that is searched of the map has been read
    aircraft.fly(aircraft.trip.shots(THERE_AND_BACK))
    with limited(pid, resource.RLIMIT_NOFILE, int(usage(pid)["handles"])):
        for name in ("save_snapshot", "reload_map"):
            answer = aircraft.ask(name)
            require(not answer.success, f"{name} succeeded without handles: {answer.message}")
        require(set(aircraft.fly(aircraft.trip.shots(8))) == {"fix"}, "no handles cost fixes over a map that was read")
    for name in ("save_snapshot", "reload_map"):
        answer = aircraft.ask(name)
        require(answer.success, f"{name} failed once there were handles again: {answer.message}")


def no_memory(aircraft: Aircraft) -> None:
    pid = aircraft.process.pid
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    with limited(pid, resource.RLIMIT_AS, pages * resource.getpagesize() + SPARE_BYTES):
        aircraft.fly(aircraft.trip.shots(8))
        aircraft.ask("reload_map")
        aircraft.ask("save_snapshot")
        aircraft.fly(aircraft.trip.shots(8))
    for name in ("save_snapshot", "reload_map"):
        answer = aircraft.ask(name)
        require(answer.success, f"{name} failed once there was memory again: {answer.message}")


def stopped(aircraft: Aircraft) -> None:
    """The process stands still with an image in hand while others come, as one whose machine was put to sleep."""
    for _ in range(2):
        aircraft.send(aircraft.trip.next())
        time.sleep(IN_HAND_S)
        os.kill(aircraft.process.pid, signal.SIGSTOP)
        for shot in aircraft.trip.shots(int(STOPPED_S)):
            aircraft.send(shot)
            time.sleep(1.0)
        os.kill(aircraft.process.pid, signal.SIGCONT)
        aircraft.settle()
        aircraft.fly(aircraft.trip.shots(4))


def killed(aircraft: Aircraft) -> None:
    """Killed and started again: it is active, searches, and finds its first fix as after any start."""
    for _ in range(3):
        held = segments(aircraft.process.pid)
        os.kill(aircraft.process.pid, signal.SIGKILL)
        aircraft.process.stop()
        sweep(held)
        began = time.monotonic()
        aircraft.start()
        aircraft.figures.setdefault("started_s", []).append(round(time.monotonic() - began, 1))
        aircraft.fly(aircraft.trip.shots(1))
        require(aircraft.ledger.state != "LOST", "after a start it is LOST before it has searched")
        aircraft.figures.setdefault("first_fix", []).append(1 + aircraft.until_fix(RECOVERY, "a start after a kill"))


def segments(pid: int) -> set[Path]:
    """Return the files in /dev/shm that a process made for itself, by the locks on them that it holds open."""
    handles = [handle.readlink() for handle in Path(f"/proc/{pid}/fd").iterdir()]
    return {handle.with_name(handle.name.removesuffix(LOCK)) for handle in handles
            if handle.parent == SHARED and handle.name.endswith(LOCK)}


def sweep(held: set[Path]) -> None:
    """Remove what a killed process left in /dev/shm, but for what another process has locked meanwhile."""
    for file in held:
        lock = file.with_name(file.name + LOCK)
        try:
            with lock.open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink(missing_ok=True)
                lock.unlink()
        except OSError:
            continue


SYSTEM = (
    Fault("full_disk", "no room for a snapshot", full_disk, own=True),
    Fault("no_handles", "no file can be opened", no_handles, own=True),
    Fault("no_memory", "no more than 4 MiB of memory are left", no_memory, own=True,
          expects=frozenset({"program_errors", "internal_error"})),
    Fault("stopped", "SIGSTOP for 12 s while images come, then SIGCONT, twice", stopped, own=True),
    Fault("killed", "SIGKILL and a new start, three times", killed, own=True),
)
