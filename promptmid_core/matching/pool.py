"""Coarser descriptor maps: means over square groups of cells."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.geometry import DescriptorMap


def pooled(described: DescriptorMap, factor: int) -> DescriptorMap:
    """Averaged over factor x factor cells; a coarse cell is valid where most of it is, and counts its valid cells alone."""
    grid = described.grid.every(factor)
    high, wide = grid.height * factor, grid.width * factor
    valid, array = described.valid[:high, :wide], described.array[:, :high, :wide]
    whole = bool(valid.all())
    if whole:
        share = np.ones(grid.shape, np.float32)
    else:
        share = valid.reshape(grid.height, factor, grid.width, factor).mean(axis=(1, 3), dtype=np.float32)
    # one image below the other, so that OpenCV takes all of them at once
    stacked = np.ascontiguousarray(array if whole else np.where(valid, array, np.float32(0)), np.float32).reshape(-1, wide)
    means = np.zeros((len(array), *grid.shape), np.float32)
    if len(stacked):
        cv2.resize(stacked, (grid.width, len(stacked) // factor), means.reshape(-1, grid.width), interpolation=cv2.INTER_AREA)
    if not whole:
        means /= np.maximum(share, np.float32(1 / factor ** 2))
    return DescriptorMap(means, share > 0.5, grid, described.stride * factor, described.groups)
