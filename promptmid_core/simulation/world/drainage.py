"""How water shapes the ground: a river, the tree of streams that feeds it, and the height that follows from both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float32, Float64
from promptmid_core.simulation.world.lines import Line, Ways, curved, smoothed
from promptmid_core.simulation.world.noise import blurred, fractal, ramp

CELL_M = 75.0
STREAM_AREA_M2 = 2.5e6  # a valley with more than this above it carries open water
LOWEST_GROUND_M = 60.0


@dataclass(frozen=True)
class Drainage:
    """`height` (n, n) metres on a grid of `cell` pixels; the river first, then the streams, with their widths in pixels."""

    cell: int
    height: Float32
    lines: list[Line]
    widths: list[Float32]


def drainage(rng: np.random.Generator, size: int, gsd_m: float) -> Drainage:
    """Return a river valley of `size` pixels with its catchment.

    Heights solve the detachment-limited steady state: slopes fall with the area drained (Whipple and Tucker 1999, JGR 104, doi
    10.1029/1999JB900120). The drainage tree is that of cheapest ways to the river over random ground; a second pass makes the
    height the cost of the way itself, which is continuous across every divide.
    """
    cell = max(2, round(CELL_M / gsd_m), size // 256)
    n = -(-size // cell) + 1
    cell_m = cell * gsd_m
    upland = ramp(fractal(rng, n, 9000 / cell_m, 2000 / cell_m, 2.0), -0.5, 1.3)
    rough = fractal(rng, n, 1200 / cell_m, 2.0, 1.0)
    river = _river(rng, n, cell_m, upland) * cell + (cell - 1) / 2

    bed = _bed(river / cell, n, cell_m)
    ground = np.exp(0.6 * rough) + 0.4 * upland
    tree = Ways(ground).to(bed)
    area = tree.gathered(np.full(n * n, cell_m**2)).reshape(n, n)

    hillside = (0.012 + 0.5 * upland**1.3) * np.exp(0.25 * rough)
    grade = hillside * np.clip(area / (2 * cell_m**2), 1, None) ** -0.45
    height = Ways(grade * cell_m).to(bed).cost.reshape(n, n).astype(np.float32)
    height = blurred(height, 0.8)

    lines, widths = [river], [_river_width(rng, len(river), gsd_m)]
    for way in tree.trunks(area.ravel() > STREAM_AREA_M2):
        rows, cols = np.unravel_index(way, (n, n))
        line = smoothed(np.column_stack([rows, cols]).astype(float) * cell, 1.5, 2.0)
        reached = np.interp(np.linspace(0, 1, len(line)), np.linspace(0, 1, len(way)), area.ravel()[way])
        lines.append(line)
        widths.append((np.clip(2.2e-3 * np.sqrt(reached), 2.0, 20.0) / gsd_m).astype(np.float32))
    return Drainage(cell, height, lines, widths)


def _river(rng: np.random.Generator, n: int, cell_m: float, upland: Float32) -> Line:
    """The river's course (N, 2) in cells: through the lowland from one side to the opposite one, meandering."""
    across = bool(rng.integers(2))
    cost = 0.3 + upland + 0.5 * np.exp(fractal(rng, n, 3000 / cell_m, 4.0, 1.2))
    sides = (upland[:, 0], upland[:, -1]) if across else (upland[0], upland[-1])
    inner = np.arange(n // 5, n - n // 5)
    a, b = (int(inner[np.argmin(side[inner] + 0.3 * rng.random(len(inner)))]) for side in sides)
    start, end = ((a, 0), (b, n - 1)) if across else ((0, a), (n - 1, b))
    way = Ways(cost).between(start, [end])[0]
    # it leaves the picture on both sides
    beyond = np.array([0, 3.0]) if across else np.array([3.0, 0])
    line = smoothed(np.vstack([way[0] - beyond, way, way[-1] + beyond]), 4.0, 0.15)
    return curved(rng, line, 150 / cell_m, 420 / cell_m)


def _river_width(rng: np.random.Generator, points: int, gsd_m: float) -> Float32:
    from scipy.ndimage import gaussian_filter1d

    swell = gaussian_filter1d(rng.standard_normal(points), 12)
    swell /= max(float(swell.std()), 1e-9)
    width_m = rng.uniform(45, 80) * np.clip(1 + 0.17 * swell, 0.6, 1.6)
    return np.asarray(width_m / gsd_m, np.float32)


def _bed(river: Line, n: int, cell_m: float) -> Float64:
    """Height (n * n,) of the river's water where it flows, infinite elsewhere; it falls by 0.6 m a kilometre."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(river, axis=0).T))]) * cell_m
    level = LOWEST_GROUND_M + 6e-4 * (along[-1] - along)
    nodes = np.rint(river).astype(int)
    inside = ((nodes >= 0) & (nodes < n)).all(axis=1)
    bed = np.full(n * n, np.inf)
    np.minimum.at(bed, nodes[inside, 0] * n + nodes[inside, 1], level[inside])
    return bed
