"""Descriptor maps of smooth noise, and patches cut from them at known places."""

import cv2
import numpy as np

from promptmid_core.geometry import DescriptorMap, Grid

CELL = 20.0
SIDE, MARGIN = 128, 48


def field(size: int, seed: int, channels: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack(
        [cv2.GaussianBlur(rng.standard_normal((size, size)).astype(np.float32), (0, 0), 1.6) for _ in range(channels)]
    )


def window_of(array: np.ndarray, valid: np.ndarray | None = None) -> DescriptorMap:
    size = array.shape[-1]
    grid = Grid(1000.0, 5000.0, CELL, size, size)
    return DescriptorMap(array, np.ones((size, size), bool) if valid is None else valid, grid, 2)


def centre_of(window: DescriptorMap) -> tuple[float, float]:
    x, y = window.grid.to_map((window.grid.width - 1) / 2, (window.grid.height - 1) / 2)
    return float(x), float(y)


WINDOW = window_of(field(SIDE + 2 * MARGIN, 4))


def patch_at(east: int, north: int, side: int = 96, margin: int = 64, valid: np.ndarray | None = None) -> DescriptorMap:
    """The window's own cells, seen as if they lay so many cells to the west and south."""
    array = WINDOW.array[:, margin - north:margin - north + side, margin + east:margin + east + side]
    known = np.ones((side, side), bool) if valid is None else valid
    return DescriptorMap(array * known, known, WINDOW.grid.cut(margin, margin, side, side), 2)
