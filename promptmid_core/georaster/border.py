"""The border of zeros around the pixels of a radar image whose nodata is not declared."""

from __future__ import annotations

from math import ceil
from typing import Any

import cv2
import numpy as np

from promptmid_core.arrays import Mask

LEAST_CELL_PX, MOST_CELLS = 9, 4096
LEAST_SHARE = 1e-3  # of the raster, below which it is no border but dark ground that touches the edge


class Border:
    """Cells of a raster that hold nothing but zeros, looked for window by window; those that hang together with the edge are
    border, others are ground too dark for the product's digits."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._cell = max(LEAST_CELL_PX, ceil(max(width, height) / MOST_CELLS))
        self._lit = np.zeros((ceil(height / self._cell), ceil(width / self._cell)), bool)
        self._zeros = np.zeros(self._lit.shape, np.int64)

    def see(self, zero: Mask, valid: Mask, window: Any) -> None:
        """Take in which pixels (H, W) of a window are zero, and which are valid."""
        row, col = int(window.row_off), int(window.col_off)
        rows, cols = ((start + np.arange(size)) // self._cell for start, size in ((row, zero.shape[0]), (col, zero.shape[1])))
        starts = [np.flatnonzero(np.r_[True, np.diff(cells) > 0]) for cells in (rows, cols)]
        place = np.s_[rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1]
        lit, dark = valid & ~zero, (valid & zero).astype(np.int64)
        self._lit[place] |= np.logical_or.reduceat(np.logical_or.reduceat(lit, starts[0], axis=0), starts[1], axis=1)
        self._zeros[place] += np.add.reduceat(np.add.reduceat(dark, starts[0], axis=0), starts[1], axis=1)

    def pixels(self) -> int:
        """Return how many zeros lie in cells of the border; 0 where these are less than LEAST_SHARE of all pixels."""
        _, labels = cv2.connectedComponents((~self._lit).astype(np.uint8), connectivity=4)
        edge = np.unique(np.r_[labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        border = np.isin(labels, edge[edge > 0])
        count = int(self._zeros[border].sum())
        return count if count >= LEAST_SHARE * self._size[0] * self._size[1] else 0
