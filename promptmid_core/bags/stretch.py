"""Images of 16 bits as 8: thermal cameras, and sensors of 10 to 14 bits, use a part of what 16 bits can say."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import UInt8

SAMPLED_ROWS = 64
ENDS = (1, 99)  # percentiles: a few hot pixels do not say what the range of an image is
# the variance of a view of the ground over that of a pixel among its neighbours; noise alone has 1
LEAST_STRUCTURE = 2.0
# counts of the sensor that 8 bits stand for at least; noise alone gets more, so that it stays too faint to be matched
LEAST_COUNTS, NOISE_COUNTS = 16, 1020


def eight_bits(wide: NDArray[np.uint16]) -> UInt8:
    """Return pixels (H, W) or (H, W, C) stretched by their own range, all channels alike; the same image gives the same pixels.

    What shows nothing is not stretched: noise stays faint, and a constant image has its own level among those of 16 bits, or is
    white where its pixels are full.
    """
    rows = wide[::max(1, len(wide) // SAMPLED_ROWS)]
    low, high = (int(value) for value in np.percentile(rows, ENDS, method="nearest"))
    # the bits of a sensor may stand at the top of the 16
    used = int(np.bitwise_or.reduce(rows, axis=None))
    count = used & -used or 1
    gain = 255.0 / max(high - low, count * (LEAST_COUNTS if _has_structure(rows, low, high) else NOISE_COUNTS))
    level = 1.0 if low == high and _is_full(low, count) else low / 65535
    within = np.clip(wide, low, high) - np.uint16(low)
    return cv2.convertScaleAbs(within, alpha=gain, beta=level * (255.0 - gain * (high - low))).astype(np.uint8, copy=False)


def _has_structure(rows: NDArray[np.uint16], low: int, high: int) -> bool:
    """Whether pixels differ from all others by more than from their neighbours in the row."""
    values = np.clip(rows, low, high).astype(np.float32)
    apart = values[:, 2:] - 2 * values[:, 1:-1] + values[:, :-2]
    # of independent pixels such a difference has six times the variance
    return bool(apart.size and values.var(axis=(0, 1)).mean() > LEAST_STRUCTURE * np.square(apart).mean() / 6)


def _is_full(value: int, count: int) -> bool:
    """Whether a pixel stands at the most that a sensor of 8 to 16 bits can say."""
    beyond = value + count
    return value >= 255 and beyond & (beyond - 1) == 0
