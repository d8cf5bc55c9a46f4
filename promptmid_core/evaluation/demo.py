"""The demo: a stranger's first look, made of the commands that they will use themselves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from promptmid_core.errors import InputError

MARK = ".promptmid-demo"


def demo(out: Path, *, seed: int, frames: int, run: Callable[[list[str]], None]) -> None:
    """Simulate a world, build its map, fly over it and replay the flight; everything lands in the folder `out`.

    `run` is given each command as its words, without `promptmid`. An earlier demo's folder is made anew; InputError where
    `out` holds anything else.
    """
    if out.exists():
        if not (out / MARK).is_file():
            raise InputError(f"{out} exists and is no demo's folder; choose another with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MARK).touch()
    world, bag, reference = out / "world", out / "flight", out / "map"
    run(["simulate", "world", "--out", f"{world}", "--seed", f"{seed}"])
    run(["map", "build", f"{world / 'sar.tif'}", f"{reference}", "--landcover", f"{world / 'landcover.tif'}",
         "--dem", f"{world / 'dem.tif'}"])
    run(["simulate", "flight", "--optical", f"{world / 'optical.tif'}", "--dem", f"{world / 'dem.tif'}", "--out", f"{bag}",
         "--frames", f"{frames}", "--seed", f"{seed}", "--footprint-px", "512", "--drift-px", "40", "--yaw-error-deg", "3",
         "--altitude-error-percent", "2"])
    run(["replay", f"{bag}", "--map", f"{reference}", "--json", f"{out / 'replay.json'}", "--report", f"{out / 'report.html'}"])
