"""The grid that covers one raster, or several."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Grid
from promptmid_core.georaster.frame import MapFrame, ground_resolution
from promptmid_core.georaster.placement import Geotransform, Placement
from promptmid_core.georaster.proj import crs_of, transformer
from promptmid_core.georaster.source import opened


def covering_grid(path: Path, frame: MapFrame, gsd: float | None = None, others: Sequence[Path] = ()) -> Grid:
    """Return the grid of pixels that covers a raster, and in whole pixels more of them the `others` too; `gsd` as for `resample`.

    It is the raster's own grid where that already is one of the frame; else its pixel edges lie at multiples of the GSD from the
    origin, so that the grids of several rasters fall together.
    """
    with opened(path) as source:
        grid = own_grid(source, frame, gsd, ground_resolution(path))
    for other in others:
        with opened(other) as source:
            left, top, right, bottom = covered(source, frame, grid)
        left, top = min(left, 0), min(top, 0)
        grid = grid.cut(left, top, max(right, grid.width) - left, max(bottom, grid.height) - top)
    return grid


def own_grid(source: Any, frame: MapFrame, gsd: float | None, ground: float) -> Grid:
    """As `covering_grid`, of one raster whose pixels have `ground` metres on the ground."""
    x, y = _outline(source, frame)
    side = square_side(source.placement, frame)
    fits = side is not None and gsd in (None, side)
    gsd = side if side is not None and fits else (gsd or ground)
    phase_x, phase_y = (x.min() % gsd, y.max() % gsd) if fits else (0.0, 0.0)
    # a millionth of a pixel of rounding must not add a row
    left, right = floor((x.min() - phase_x) / gsd + 1e-6), ceil((x.max() - phase_x) / gsd - 1e-6)
    bottom, top = floor((y.min() - phase_y) / gsd + 1e-6), ceil((y.max() - phase_y) / gsd - 1e-6)
    edge = (gsd, 0.0, frame.origin[0] + phase_x + left * gsd, 0.0, -gsd, frame.origin[1] + phase_y + top * gsd)
    return Grid.from_transform(edge, right - left, top - bottom, frame.origin)


def square_side(placement: Placement, frame: MapFrame) -> float | None:
    """Return the side in metres of pixels that are upright squares in the CRS of a frame; None where they are none."""
    if not (isinstance(placement, Geotransform) and placement.upright):
        return None
    t = placement.transform
    same = crs_of(placement.crs).equals(crs_of(frame.crs), ignore_axis_order=True)
    return float(t.a) if same and abs(t.a - abs(t.e)) < 1e-9 * t.a else None


def covered(source: Any, frame: MapFrame, grid: Grid) -> tuple[int, int, int, int]:
    """First column and row of a grid that a raster reaches into, and one past its last; they may lie beyond the grid."""
    x, y = _outline(source, frame)
    west, _, _, north = grid.bounds
    return (floor((x.min() - west) / grid.gsd + 1e-6), floor((north - y.max()) / grid.gsd + 1e-6),
            ceil((x.max() - west) / grid.gsd - 1e-6), ceil((north - y.min()) / grid.gsd - 1e-6))


def _outline(source: Any, frame: MapFrame) -> tuple[Float64, Float64]:
    """Points of the `map` frame, in metres, spread over a raster from edge to edge."""
    u, v = (a.ravel() for a in np.meshgrid(np.linspace(0, source.width, 41), np.linspace(0, source.height, 41)))
    placement = source.placement
    x, y = transformer(placement.crs, frame.crs).transform(*placement.ground(u, v))
    return x - frame.origin[0], y - frame.origin[1]
