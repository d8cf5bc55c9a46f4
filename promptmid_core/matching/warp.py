"""The map window turned and scaled to how the frame sees it."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.geometry import DescriptorMap, Grid, Measure
from promptmid_core.matching.similarity import Similarity


def warped(window: DescriptorMap, by: Similarity, grid: Grid, measure: Measure | None = None) -> DescriptorMap:
    """Return the map window as the frame would show it if `by` were true, on the cells of `grid`: groups of one `measure`, or
    all."""
    x, y = grid.axes()
    col, row = window.grid.to_pixel(*by.moved(x, y[:, None]))
    # once for all channels, as remap would for each
    places = cv2.convertMaps(col.astype(np.float32), row.astype(np.float32), cv2.CV_16SC2)
    parts = window.parts(measure)
    array = np.empty((sum(len(channels) for _, channels in parts), *grid.shape), np.float32)
    whole = (channel for _, channels in parts for channel in channels)
    for seen, channel in zip(array, whole, strict=True):
        cv2.remap(np.ascontiguousarray(channel, np.float32), *places, cv2.INTER_LINEAR, dst=seen)
    valid = cv2.remap(window.valid.astype(np.float32), *places, cv2.INTER_LINEAR) > 0.99
    groups = tuple(group for group, _ in parts) if window.groups else ()
    return DescriptorMap(array, np.asarray(valid), grid, window.stride, groups)
