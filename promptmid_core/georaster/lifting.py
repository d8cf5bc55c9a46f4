"""Where pixels fall in a raster that heights move: told at a few heights, interpolated in between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.georaster.positions import Mapping, positions

# of parabolas through three heights this far apart in all; over it the slant range bends by less than a millimetre otherwise
SPAN_M = 1000.0
STEP_M, STEP_PX = 100.0, 4.0  # over which what a height moves is measured


def lifted(mapping: Callable[[float], Mapping], heights: Float64, col: int, row: int) -> tuple[Float64, Float64]:
    """Return columns and rows (H, W) of the raster under a window of `heights` (H, W), whose first pixel is at `col` and `row`.

    `mapping` gives what takes grid columns and rows to those of the raster at one height. Which heights are asked for depends on
    that of the pixel alone, so that windows agree where they overlap.
    """
    rows, cols = heights.shape
    known: dict[float, tuple[Float64, Float64]] = {}

    def at(level: float) -> tuple[Float64, Float64]:
        if level not in known:
            known[level] = positions(mapping(level), col, row, cols, rows)
        return known[level]

    u, v = np.zeros(heights.shape), np.zeros(heights.shape)
    cells = np.floor(heights / SPAN_M)
    for cell in np.unique(cells):
        here = cells == cell
        t = heights[here] / SPAN_M - cell
        weights = (2 * (t - 0.5) * (t - 1), -4 * t * (t - 1), 2 * t * (t - 0.5))
        for level, weight in zip((cell, cell + 0.5, cell + 1), weights, strict=True):
            across, down = at(float(level * SPAN_M))
            u[here] += weight * across[here]
            v[here] += weight * down[here]
    return u, v


def lean(mapping: Callable[[float], Mapping], col: float, row: float, height: float) -> float:
    """Return by how many pixels of the grid the raster shows a place elsewhere for each metre that it is higher, near a place at
    this height; 0 where the raster does not reach."""
    cols, rows = np.array([col, col + STEP_PX, col]), np.array([row, row, row + STEP_PX])
    low, high = (np.stack(mapping(level)(cols, rows)) for level in (height, height + STEP_M))
    across = (low[:, 1:] - low[:, :1]) / STEP_PX  # pixels of the raster for one of the grid
    moved = (high - low)[:, 0] / STEP_M
    if not np.isfinite([*across.ravel(), *moved]).all() or abs(np.linalg.det(across)) < 1e-9:
        return 0.0
    return float(np.hypot(*np.linalg.solve(across, moved)))
