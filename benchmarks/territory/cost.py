"""What 100,000 km2 at 10 m cost, by the rate of one worker here: bytes, processor hours, money."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

from benchmarks.territory.stubs import CRS, EAST, GSD, NORTH
from promptmid_core.descriptors import load
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map
from promptmid_core.refmap.format.manifest import Manifest

TERRITORY_KM2 = 100_000.0
SIDE_PX, COMMON_PX = 1024, 102


def cost(descriptor: str, store: str, out: Path, workers: int, core_hour: float, gb_month: float) -> dict[str, Any]:
    """Return the rate of one worker, measured on two scenes that overlap by a tenth, and what it makes of the territory.

    `core_hour` and `gb_month` are prices; `workers` share the work evenly, which the simulation is there to show.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(2):
        left = number * (SIDE_PX - COMMON_PX)
        pixels = np.random.default_rng(number).gamma(4, 25, (SIDE_PX, SIDE_PX)).astype(np.float32)
        files.append(out / f"{number}.tif")
        with rasterio.open(files[-1], "w", driver="GTiff", width=SIDE_PX, height=SIDE_PX, count=1, dtype="float32", crs=CRS,
                           transform=Affine(GSD, 0, EAST + GSD * left, 0, -GSD, NORTH), tiled=True) as target:
            target.write(pixels, 1)
    loaded = load(descriptor, threads=1)
    before = time.process_time()
    built = build_map(Sources(files), out / "map", BuildOptions(loaded, gsd=GSD, store=store), Crew(workers=1))
    seconds = time.process_time() - before
    px = built.grid.width * built.grid.height
    stored = Manifest.read(out / "map").content.bytes
    whole = TERRITORY_KM2 * 1e6 / GSD**2
    hours, map_gb = seconds / px * whole / 3600, stored / px * whole / 1e9
    read_gb = 4 * whole * SIDE_PX / (SIDE_PX - COMMON_PX) * built.levels / 1e9
    return {"descriptor": descriptor, "store": store, "processor_s_per_mpx": 1e6 * seconds / px, "bytes_per_px": stored / px,
            "territory_mpx": whole / 1e6, "map_gb": map_gb, "read_gb": read_gb, "processor_hours": hours,
            "hours": hours / workers, "workers": workers, "money": hours * core_hour, "money_a_month": map_gb * gb_month}
