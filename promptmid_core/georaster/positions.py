"""Where the pixels of a window fall in a raster: told by PROJ on a lattice, interpolated in between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from promptmid_core.arrays import Float64

Mapping = Callable[[Float64, Float64], tuple[Float64, Float64]]

STEP = 64  # grid pixels between two nodes of the lattice
# largest fourth difference of the nodes, in raster pixels: the error of a cubic through them is at most 0.024 of it
MOST_BEND = 1e-2


def positions(to_source: Mapping, col: int, row: int, width: int, height: int) -> tuple[Float64, Float64]:
    """Return columns and rows (height, width) of the raster under a window's pixels, within 3e-4 px of `to_source`.

    `to_source` takes grid columns and rows of any shape to those of the raster. The lattice is that of the grid, so that windows
    agree where they overlap. Where it bends too much, as at the edge of what a projection can show, every pixel is asked for.
    """
    (cols, across), (rows, down) = _lattice(col, width), _lattice(row, height)
    u, v = to_source(*np.meshgrid(cols, rows))
    if _smooth(u) and _smooth(v):
        return down @ u @ across.T, down @ v @ across.T
    return to_source(*np.meshgrid(np.arange(col, col + width, dtype=float), np.arange(row, row + height, dtype=float)))


def _lattice(start: int, length: int) -> tuple[Float64, Float64]:
    """The nodes (N,) around a span of an axis, and the weights (length, N) of each for its pixels: Lagrange's cubic."""
    at = np.arange(start, start + length)
    cell = at // STEP
    first = int(cell[0]) - 2
    nodes: Float64 = np.arange(first, int(cell[-1]) + 4) * np.float64(STEP)
    t = at / STEP - cell
    weights: Float64 = np.zeros((length, len(nodes)))
    for i, weight in enumerate((-t * (t - 1) * (t - 2) / 6, (t + 1) * (t - 1) * (t - 2) / 2, -(t + 1) * t * (t - 2) / 2,
                                (t + 1) * t * (t - 1) / 6)):
        weights[np.arange(length), cell - first - 1 + i] = weight
    return nodes, weights


def _smooth(nodes: Float64) -> bool:
    bends = [np.abs(np.diff(nodes, 4, axis=axis)).max() for axis in (0, 1)]
    return bool(np.isfinite(nodes).all() and max(bends) <= MOST_BEND)
