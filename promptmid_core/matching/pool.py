"""Coarser descriptor maps: means over square groups of cells."""

from __future__ import annotations

import numpy as np

from promptmid_core.geometry import DescriptorMap


def pooled(described: DescriptorMap, factor: int) -> DescriptorMap:
    """Averaged over factor x factor cells; a coarse cell is valid where most of it is, and counts its valid cells alone."""
    grid = described.grid.every(factor)
    high, wide = grid.height * factor, grid.width * factor
    valid = described.valid[:high, :wide]
    array = np.where(valid, described.array[:, :high, :wide], np.float32(0)).astype(np.float32)
    share = valid.reshape(grid.height, factor, grid.width, factor).mean(axis=(1, 3), dtype=np.float32)
    total = np.zeros((len(array), grid.height, grid.width), np.float32)
    for row in range(factor):
        for col in range(factor):
            total += array[:, row::factor, col::factor]
    total /= np.maximum(share * np.float32(factor * factor), np.float32(1))
    return DescriptorMap(total, share > 0.5, grid, described.stride * factor, described.groups)
