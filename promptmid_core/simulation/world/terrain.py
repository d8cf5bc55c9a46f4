"""The ground: the valleys that water has cut, fine relief, lakes where the land is low, and what has been dug."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.simulation.world.drainage import drainage
from promptmid_core.simulation.world.illumination import slopes
from promptmid_core.simulation.world.lines import painted
from promptmid_core.simulation.world.noise import blurred, enlarged, fractal, ramp, shrunk

COARSE = 4  # pixels per cell of the fields that sites are chosen on
AREA_PER_LAKE_M2 = 60e6
AREA_PER_PIT_M2 = 35e6
AREA_PER_QUARRY_M2 = 80e6


@dataclass(frozen=True)
class Landform:
    """Fields (H, W): `dem` metres; `water` share of a pixel, 0 to 1, and `flow` the share that runs in rivers.

    `shore_m` metres to the nearest open water; `gravel` share of pits, quarries and river bars.
    """

    gsd_m: float
    dem: Float32
    water: Float32
    flow: Float32
    shore_m: Float32
    gravel: Float32

    @property
    def size(self) -> int:
        return len(self.dem)

    def steepness(self) -> Float32:
        """Return the (H, W) slope of the ground smoothed over some 50 m, metres per metre."""
        east, north = slopes(blurred(self.dem, max(1.0, 50 / self.gsd_m)), self.gsd_m)
        return np.hypot(east, north)


def terrain(rng: np.random.Generator, size: int, gsd_m: float) -> Landform:
    """Return ground of `size` x `size` pixels: relief of some 150 to 400 m over 15 km, plains and hills side by side."""
    basin = drainage(rng, size, gsd_m)
    n = len(basin.height)
    dem = np.asarray(cv2.resize(basin.height, (n * basin.cell, n * basin.cell), interpolation=cv2.INTER_CUBIC), np.float32)
    dem = blurred(dem[:size, :size], basin.cell / 2)
    flow = painted(size, basin.lines, basin.widths)
    from_flow = _distance(flow, gsd_m)
    relief = ramp(dem - blurred(dem, 600 / gsd_m), -60, 60)
    dem += fractal(rng, size, 1200 / gsd_m, 30 / gsd_m, 1.9) * (1 + 4 * relief) * ramp(from_flow, 0, 400)

    lakes, dug, dem = _basins(rng, dem, gsd_m, from_flow)
    bars = ramp(_distance(painted(size, basin.lines[:1], basin.widths[:1]), gsd_m), 35, 10)
    bars *= ramp(fractal(rng, size, 700 / gsd_m, 60 / gsd_m, 1.2), 0.9, 1.3)
    water = np.maximum(flow, lakes)
    return Landform(gsd_m, dem, water, flow, _distance(water, gsd_m), np.maximum(dug, bars) * (1 - water))


def _distance(share: Float32, gsd_m: float) -> Float32:
    """Metres to the nearest pixel of which more than half is covered."""
    pixels = cv2.distanceTransform((share < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(pixels * np.float32(gsd_m), np.float32)


def _basins(rng: np.random.Generator, dem: Float32, gsd_m: float, from_flow: Float32) -> tuple[Float32, Float32, Float32]:
    """Lakes in the lowest places, gravel pits with a pond near the river, quarries on the heights.

    Shares (H, W) of water and of gravel, and the dem with the ground levelled under them.
    """
    size = len(dem)
    small = size // COARSE
    cell_m = gsd_m * COARSE
    before = shrunk(dem, small)
    river_m = shrunk(from_flow, small)
    bend = shrunk(fractal(rng, size, 900 / gsd_m, 220 / gsd_m, 1.5), small)
    rows, cols = np.mgrid[:small, :small].astype(np.float32)
    low, lakes, dug = before, np.zeros_like(before), np.zeros_like(before)
    extent = size * gsd_m
    taken: list[tuple[float, float, float]] = []

    def shore(near_m: float, far_m: float, radius: float, sign: float) -> Float32 | None:
        """Return metres from the shore (inside negative) of a basin at the lowest (sign 1) or highest (-1) of some free
        places."""
        spots = rng.integers(0, small, (300, 2))
        edge = np.minimum(spots, small - 1 - spots).min(axis=1) * cell_m
        away = river_m[spots[:, 0], spots[:, 1]]
        free = (away > near_m + radius) & (away < far_m + radius) & (edge > radius)
        for row, col, other in taken:
            free &= np.hypot(*(spots - (row, col)).T) * cell_m > 1.3 * (radius + other) + 300
        if not free.any():
            return None
        # of a few only, or all would lie in the same hollow
        spots = spots[free][:12]
        row, col = spots[np.argmin(sign * low[tuple(spots.T)])]
        taken.append((float(row), float(col), radius))
        turn, stretch = rng.uniform(0, np.pi), rng.uniform(1, 1.8)
        x, y = (cols - col) * np.float32(cell_m), (rows - row) * np.float32(cell_m)
        u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        distance = np.hypot(u / stretch, v * stretch).astype(np.float32)
        return np.asarray(distance - np.float32(radius) * (1 + np.float32(0.28) * np.clip(bend, -2.5, 2.5)), np.float32)

    def levelled(outline: Float32, bank_m: float) -> Float32:
        level = np.float32(np.percentile(low[outline < cell_m], 20))
        return level + (low - level) * ramp(outline, 0, bank_m)

    def share(outline: Float32) -> Float32:
        return ramp(-outline, -cell_m / 2, cell_m / 2)

    def some(area_m2: float) -> range:
        return range(max(1, round(extent**2 / area_m2)))

    for number in some(AREA_PER_LAKE_M2):
        outline = shore(60, np.inf, min(rng.uniform(350, 800) / (1 + 0.5 * number), extent / 12), 1)
        if outline is not None:
            low = levelled(outline, 350)
            lakes = np.maximum(lakes, share(outline))
    for _ in some(AREA_PER_PIT_M2):
        outline = shore(30, 1500, rng.uniform(100, 240), 1)
        if outline is not None:
            low = levelled(outline, 80)
            lakes = np.maximum(lakes, share(outline + 30 + 45 * np.abs(bend)))
            dug = np.maximum(dug, share(outline))
    for _ in some(AREA_PER_QUARRY_M2):
        outline = shore(200, np.inf, rng.uniform(90, 200), -1)
        if outline is not None:
            low = levelled(outline, 40)
            dug = np.maximum(dug, share(outline))
    water = enlarged(lakes, size)
    fine = (dem - enlarged(before, size)) * (1 - water)
    return water, enlarged(dug, size), enlarged(low, size) + fine
