"""How arrays of cells move: by whole cells, by what nobody knows of the way, and from one heading to the next."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32

Cell = TypeVar("Cell", bound=np.generic)


def shifted(array: NDArray[Cell], cols: int, rows: int, fill: float) -> NDArray[Cell]:
    """Return an array (rows, cols) moved by whole cells east and south; what comes in over the rim is `fill`."""
    if not cols and not rows:
        return array
    height, width = array.shape
    moved = np.full_like(array, fill)
    if abs(rows) < height and abs(cols) < width:
        moved[max(rows, 0):height + min(rows, 0), max(cols, 0):width + min(cols, 0)] = (
            array[max(-rows, 0):height + min(-rows, 0), max(-cols, 0):width + min(-cols, 0)])
    return moved


def blurred(array: Float32, sigma: float) -> Float32:
    """Return an array (rows, cols) blurred by a normal distribution of `sigma` cells."""
    if sigma > 0.7:
        return np.asarray(cv2.GaussianBlur(array, (0, 0), sigma), np.float32)
    side = sigma ** 2 / 2
    taps = np.array([side, 1 - 2 * side, side])
    return np.asarray(cv2.sepFilter2D(array, cv2.CV_32F, taps, taps), np.float32)


def mixed(past: Float32, share: float, whole: bool) -> Float32:
    """Return layers (K, rows, cols) of which a share has drifted from each heading to either neighbour; `whole`: they are the
    circle."""
    if share <= 0:
        return past
    after, last = np.empty_like(past), len(past) - 1
    for k, here in enumerate(past):
        left, right = past[k - 1] if k or whole else here, past[k + 1] if k < last else past[0] if whole else here
        np.add(left, right, out=after[k])
        after[k] *= np.float32(share)
        after[k] += np.float32(1 - 2 * share) * here
    return after
