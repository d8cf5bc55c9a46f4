"""The coarser levels: each from the stored level below, two by two pixels, so that a tile needs no more than its surroundings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Mask

LEAST_SIDE_PX = 512
MOST_LEVELS = 4


def default_levels(width: int, height: int) -> int:
    """Return as many levels as leave the coarsest LEAST_SIDE_PX on its short side, at least one and at most MOST_LEVELS."""
    levels = 1
    while levels < MOST_LEVELS and min(width, height) >> levels >= LEAST_SIDE_PX:
        levels += 1
    return levels


def averaged(image: Float32, valid: Mask) -> tuple[Float32, Mask]:
    """Return the mean of the valid ones of each 2 x 2 pixels, 0 where fewer than two are: (2H, 2W) -> (H, W)."""
    count = _quarters(valid).sum(axis=0, dtype=np.int64)
    total = _quarters(np.where(valid, image, np.float32(0))).sum(axis=0, dtype=np.float32)
    known = count >= 2
    return np.where(known, total / np.maximum(count, 1), 0).astype(np.float32), known


def majority(codes: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return the most frequent code of each 2 x 2 pixels, the least of several: (2H, 2W) -> (H, W)."""
    four = np.sort(_quarters(codes), axis=0)
    votes = (four[:, None] == four[None]).sum(axis=1)
    return np.asarray(np.take_along_axis(four, votes.argmax(axis=0)[None], axis=0)[0])


def _quarters(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """The four pixels of each 2 x 2, (4, H, W)."""
    return np.stack([image[row::2, col::2] for row in (0, 1) for col in (0, 1)])
