"""Pixels of a finer grid made those of a coarser one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Mask
from promptmid_core.geometry import Grid


def finer(grid: Grid, n: int) -> Grid:
    """Return the grid that has n x n pixels in each of a grid's."""
    gsd = grid.gsd / n
    shift = (grid.gsd - gsd) / 2
    return Grid(grid.x - shift, grid.y + shift, gsd, grid.width * n, grid.height * n)


def mean(pixels: Float32, valid: Mask, n: int) -> tuple[Float32, Mask]:
    """Return means of the valid ones of n x n pixels (B, n H, n W), (B, H, W), and where at least half of them are valid."""
    count = _cells(valid, n).sum(axis=(-3, -1))
    total = _cells(np.where(valid, pixels, np.float32(0)), n).sum(axis=(-3, -1), dtype=np.float64)
    return (total / np.maximum(count, 1)).astype(np.float32), np.asarray(2 * count >= n * n)


def commonest(pixels: Float32, valid: Mask, n: int) -> tuple[Float32, Mask]:
    """Return as `mean` does, of each band the most frequent value, of several the least."""
    known = _cells(valid, n).sum(axis=(-3, -1))
    most, best = np.zeros((len(pixels), *known.shape), np.int64), np.zeros((len(pixels), *known.shape), np.float32)
    for value in np.unique(pixels[:, valid]):
        count = _cells((pixels == value) & valid, n).sum(axis=(-3, -1))
        best = np.where(count > most, value, best)
        most = np.maximum(count, most)
    return best, np.asarray(2 * known >= n * n)


def _cells(array: NDArray[Any], n: int) -> NDArray[Any]:
    *bands, height, width = array.shape
    return array.reshape(*bands, height // n, n, width // n, n)
