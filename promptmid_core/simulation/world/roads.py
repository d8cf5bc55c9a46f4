"""Where people live and the roads between: towns, villages and farms on good ground, linked by ways that avoid slopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.simulation.world.lines import Line, Ways, painted, smoothed
from promptmid_core.simulation.world.noise import shrunk
from promptmid_core.simulation.world.terrain import Landform

CELL_M = 120.0
AREA_PER_TOWN_M2 = 32e6
AREA_PER_VILLAGE_M2 = 14e6
AREA_PER_FARM_M2 = 0.9e6
TRUNK_M, MAIN_M, MINOR_M = 30.0, 15.0, 9.0


@dataclass(frozen=True)
class Site:
    """A settlement: centre (row, column) in pixels and radius in metres."""

    row: float
    col: float
    radius_m: float


@dataclass(frozen=True)
class Roads:
    """`paved` share (H, W) of a pixel under roads; `lines` (row, column) in pixels with `widths` in metres."""

    paved: Float32
    lines: list[Line]
    widths: list[float]


def places(rng: np.random.Generator, ground: Landform) -> list[Site]:
    """Settlements, largest first: town sizes fall with their rank (Zipf), farms lie scattered."""
    extent = ground.size * ground.gsd_m
    towns = max(1, round(extent**2 / AREA_PER_TOWN_M2))
    villages = max(1, round(extent**2 / AREA_PER_VILLAGE_M2))
    farms = max(4, round(extent**2 / AREA_PER_FARM_M2))
    largest = min(2000.0, 0.17 * extent)
    radii = [max(420.0, largest / (1 + rank) ** 0.65) for rank in range(towns)]
    radii = [min(radius, largest) for radius in radii]
    radii += list(rng.uniform(170, 380, villages)) + list(rng.uniform(35, 75, farms))
    steep = ground.steepness()
    taken = np.empty((0, 3))  # row, column, radius in metres
    for radius in radii:
        near_water = 1.0 if radius > 400 else 0.2
        margin = min(0.7 * radius / ground.gsd_m, ground.size / 4)
        spots = rng.uniform(margin, ground.size - margin, (60, 2))
        at = tuple(spots.astype(int).T)
        badness = 12 * steep[at] + near_water * np.minimum(ground.shore_m[at] / 3000, 1) + 0.5 * rng.random(len(spots))
        badness += 100.0 * (ground.shore_m[at] < 0.35 * radius + 30) + 100.0 * (ground.gravel[at] > 0.1)
        away = np.hypot(*(spots[:, None] - taken[None, :, :2]).transpose(2, 0, 1)) * ground.gsd_m
        badness += 100.0 * (away < radius + taken[:, 2] + (200 if radius < 100 else 700)).sum(axis=1)
        best = int(np.argmin(badness))
        if badness[best] < 100 or not len(taken):
            taken = np.vstack([taken, (*spots[best], radius)])
    return [Site(row, col, radius) for row, col, radius in taken.tolist()]


def roads(rng: np.random.Generator, ground: Landform, settled: list[Site]) -> Roads:
    """Return a trunk road through the land, main roads between towns and to its rim, minor roads to the villages.

    Each is the cheapest way where slopes and water cost, and what has been built before is cheap to follow.
    """
    size, gsd_m = ground.size, ground.gsd_m
    cell = max(2, round(CELL_M / gsd_m), size // 128)
    n = size // cell
    steep = shrunk(ground.steepness(), n)
    wet = shrunk(ground.water, n)
    cost = (1 + (steep / 0.05) ** 2 + 14 * wet + 0.5 * rng.random((n, n))).astype(float)

    def cell_of(place: Site) -> tuple[int, int]:
        return min(int(place.row / cell), n - 1), min(int(place.col / cell), n - 1)

    towns = [cell_of(place) for place in settled if place.radius_m > 100]
    large = sum(place.radius_m > 400 for place in settled)
    a, b, c, d = (int(rng.integers(n // 6, n - n // 6)) for _ in range(4))
    west, east, north, south = (a, 0), (b, n - 1), (0, c), (n - 1, d)
    lines: list[Line] = []
    widths: list[float] = []

    def build(start: tuple[int, int], ends: list[tuple[int, int]], width: float) -> None:
        for way in Ways(cost).between(start, ends):
            if len(way) < 3:
                continue
            lines.append(smoothed(way * cell + (cell - 1) / 2, 1.6 if width < TRUNK_M else 3.0, 2.0))
            widths.append(width)
            rows, cols = way.astype(int).T
            cost[rows, cols] = np.minimum(cost[rows, cols], 0.45)

    through = [(west, east), (north, south)][int(rng.integers(2))]
    build(through[0], [through[1]], TRUNK_M)
    for rim in (west, east, north, south):
        build(towns[0], [rim], MAIN_M)
    for number in range(1, len(towns)):
        near = sorted(towns[:number], key=lambda other: float(np.hypot(other[0] - towns[number][0], other[1] - towns[number][1])))
        build(towns[number], near[: 2 if number < large else 1], MAIN_M if number < large else MINOR_M)
    return Roads(painted(size, lines, [width / gsd_m for width in widths]), lines, widths)
