"""What looks tell, in natural logarithms of likelihood ratios, kept in a byte."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import UInt8

STEP, LEAST = 0.2, -6.0
NATS = np.arange(256) * STEP + LEAST
NOTHING = round(-LEAST / STEP)
GOLDEN = (np.sqrt(5) - 1) / 2


def in_bytes(nats: NDArray[Any], turn: int | None = None) -> UInt8:
    """Return log-likelihood ratios as they are kept: rounded, or up or down by the `turn` that it is, so that what changes by
    less than a step at each turn changes as much over many."""
    steps = (nats - LEAST) / STEP
    steps = np.round(steps) if turn is None else np.floor(steps + (0.5 + turn * GOLDEN) % 1)
    return np.asarray(np.clip(steps, 0, 255), np.uint8)


def both(one: UInt8, other: UInt8) -> UInt8:
    """Return what two looks tell together, each of what the other leaves open."""
    return np.asarray(np.clip(one.astype(np.int16) + other - NOTHING, 0, 255), np.uint8)


def either(old: UInt8, new: UInt8, share: float) -> UInt8:
    """Return what two looks of one ground tell, of which the newer was at the right scale with this probability."""
    ratios = np.exp(NATS).astype(np.float32)
    return in_bytes(np.log((1 - share) * cv2.LUT(old, ratios) + share * cv2.LUT(new, ratios)))
