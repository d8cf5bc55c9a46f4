"""The map window turned and scaled to how the frame sees it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.geometry import DescriptorMap, Grid
from promptmid_core.matching.similarity import Similarity


def warped(window: DescriptorMap, by: Similarity, grid: Grid) -> DescriptorMap:
    """The map window as the frame would show it if `by` were true, on the cells of `grid`."""
    x, y = grid.axes()
    across, down = np.meshgrid(x, y)
    ground = by.apply(np.column_stack([across.ravel(), down.ravel()]))
    col, row = (v.reshape(grid.shape).astype(np.float32) for v in window.grid.to_pixel(ground[:, 0], ground[:, 1]))
    array = np.zeros((len(window.array), *grid.shape), np.float32)
    for channel, whole in zip(array, window.array, strict=True):
        channel[:] = _sampled(np.ascontiguousarray(whole, np.float32), col, row)
    return DescriptorMap(array, _sampled(window.valid.astype(np.float32), col, row) > 0.99, grid, window.stride, window.groups)


def _sampled(image: NDArray[np.float32], col: NDArray[np.float32], row: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.remap(image, col, row, cv2.INTER_LINEAR), np.float32)
