"""Heights of the ground on a grid, as a terrain reads them: a few cells here, a window there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Mask

Cells = NDArray[np.signedinteger[Any]]


class Heights(Protocol):
    """Heights in metres on a grid of `shape` (rows, columns), NaN nowhere; `lowest` and `highest` bound them all.

    Where a height is asked for that is damaged, a Refusal MAP_DAMAGED is raised.
    """

    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def lowest(self) -> float: ...
    @property
    def highest(self) -> float: ...

    def at(self, rows: Cells, cols: Cells) -> Float32:
        """Return the heights (N,) of cells (N,) that lie on the grid."""
        ...

    def window(self, rows: slice, cols: slice) -> Float32:
        """Return the heights (h, w) of a window that lies on the grid."""
        ...


@dataclass(frozen=True)
class HeightArray:
    """Heights (H, W) that are all in memory."""

    array: Float32

    @property
    def shape(self) -> tuple[int, int]:
        rows, cols = self.array.shape
        return rows, cols

    @cached_property
    def lowest(self) -> float:
        return float(self.array.min())

    @cached_property
    def highest(self) -> float:
        return float(self.array.max())

    def at(self, rows: Cells, cols: Cells) -> Float32:
        return self.array[rows, cols]

    def window(self, rows: slice, cols: slice) -> Float32:
        return self.array[rows, cols]


def filled(heights: Float32, known: Mask) -> Float32:
    """Return heights (H, W) with the nearest known one in place of each that is not known; some must be."""
    if known.all():
        return heights
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(heights[tuple(nearest)], np.float32)
