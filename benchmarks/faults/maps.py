"""Faults of the map while it is flown over: its files removed, cut, replaced; and maps to load that are none."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.faults.aircraft import Aircraft
from benchmarks.faults.fault import RECOVERY, Fault, require

HEADER = "zarr.json"
ANSWER_S = 10.0


def shards(folder: Path) -> list[Path]:
    """Return the files of pixels and descriptors of a map."""
    return [path for path in sorted(folder.rglob("c/*/**/*")) if path.is_file()]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def harmed(harm: Callable[[Path], object], aircraft: Aircraft) -> None:
    """Fly to the end of the map while its shards are harmed, then over the mended map, once it is loaded anew."""
    folder = aircraft.reference
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    for shard in shards(folder):
        harm(shard)
    aircraft.fly(aircraft.trip.shots(60))
    answer = aircraft.ask("reload_map")
    aircraft.fly(aircraft.trip.shots(4))
    shutil.rmtree(folder)
    kept.rename(folder)
    answer = aircraft.ask("reload_map")
    require(answer.success, f"the mended map was not loaded: {answer.message}")


def replaced(aircraft: Aircraft) -> None:
    folder = aircraft.reference
    for _ in range(3):
        other = folder.with_name("other")
        shutil.copytree(folder, other)
        shutil.rmtree(folder)
        aircraft.fly(aircraft.trip.shots(8))
        other.rename(folder)
        aircraft.fly(aircraft.trip.shots(8))
        answer = aircraft.ask("reload_map")
        require(answer.success, f"the replaced map was not loaded: {answer.message}")
        aircraft.until_fix(RECOVERY, "the replaced map")


HEADERS = {
    "empty": "", "cut": '{"zarr_format": 3, "attri', "no map": "{}", "list": "[]", "deep": "[" * 100_000, "number": "1e999",
    "no attributes": '{"zarr_format": 3, "node_type": "group"}', "null": "null", "bytes": "\x00" * 4096,
}


def broken(aircraft: Aircraft) -> None:
    """Maps that are none: each is refused in a sentence, and the next image still has its fix from the old one."""
    header = aircraft.reference / HEADER
    good = header.read_bytes()
    for name, text in HEADERS.items():
        header.write_text(text)
        _refused(aircraft, f"a map with the header '{name}'")
    header.unlink()
    _refused(aircraft, "a map without its header")
    os.mkfifo(header)
    _refused(aircraft, "a map whose header is a FIFO")
    header.unlink()
    header.write_bytes(good)
    folder = aircraft.reference
    folder.rename(folder.with_name("away"))
    _refused(aircraft, "a map that is away")
    folder.with_name("away").rename(folder)


def _refused(aircraft: Aircraft, what: str) -> None:
    began = time.monotonic()
    answer = aircraft.ask("reload_map")
    require(time.monotonic() - began < ANSWER_S, f"{what} was answered after {time.monotonic() - began:.0f} s")
    require(not answer.success, f"{what} was loaded")
    require(answer.message.startswith("the old map stays"), f"{what} was answered with: {answer.message}")
    reasons = aircraft.fly(aircraft.trip.shots(2))
    require(set(reasons) == {"fix"}, f"after {what} the old map gave {reasons}")


DAMAGED = frozenset({"map_damaged"})
MAPS = (
    Fault("shards_removed", "all shards are removed in flight", partial(harmed, Path.unlink), DAMAGED, own=True),
    Fault("shards_cut", "all shards are cut to half in flight", partial(harmed, cut), DAMAGED, own=True),
    Fault("shards_zeroed", "all shards are overwritten with zeros in flight", partial(harmed, as_zeros), DAMAGED, own=True),
    Fault("shards_fifo", "all shards become FIFOs in flight", partial(harmed, as_fifo), DAMAGED, own=True),
    Fault("shards_folder", "all shards become folders in flight", partial(harmed, as_folder), DAMAGED, own=True),
    Fault("map_replaced", "the map's folder is removed, put back, and loaded anew", replaced, own=True),
    Fault("map_broken", "reload_map of maps that are none", broken, own=True),
)
