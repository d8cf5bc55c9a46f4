"""Images and descriptors that know where they lie."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptmid_core.geometry.grid import Grid


@dataclass(frozen=True)
class Patch:
    """An image on the map grid: `image` (H, W) or (H, W, C), `valid` (H, W) bool, `grid` of its pixels."""

    image: NDArray[np.generic]
    valid: NDArray[np.bool_]
    grid: Grid


@dataclass(frozen=True)
class DescriptorMap:
    """Descriptors on the map grid: `array` (C, H, W), `valid` (H, W) bool, `grid` of the descriptor cells.

    A cell covers `stride` x `stride` level pixels; `grid.gsd` is the cell's own size in metres.
    """

    array: NDArray[np.floating]
    valid: NDArray[np.bool_]
    grid: Grid
    stride: int
