"""The SAR map in grey, thinned to what a page shows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Mask, UInt8
from promptmid_core.geometry import Bounds
from promptmid_core.refmap import ReferenceMap

BACKDROP_PX = 1400
STRIP_PX = 1 << 22


def overview(reference: ReferenceMap, window: Bounds) -> tuple[UInt8, Bounds]:
    """Return the SAR map in `window` (col_min, row_min, col_max, row_max), averaged to at most BACKDROP_PX on a side.

    Returns the grey image (H, W) and its bounds in metres in `map`. Read in strips, so that a wide territory fits in memory.
    """
    grid = reference.grid
    left, right = _span(window[0], window[2], grid.width)
    top, bottom = _span(window[1], window[3], grid.height)
    factor = -(-max(right - left, bottom - top) // BACKDROP_PX)
    width, height = -(-(right - left) // factor), -(-(bottom - top) // factor)
    image, valid = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    step = max(1, STRIP_PX // (width * factor * factor))
    for start in range(0, height, step):
        stop = min(start + step, height)
        # the last cells may reach beyond the map; the reference gives invalid pixels there
        patch = reference.image(left, top + start * factor, width * factor, (stop - start) * factor)
        known, size = patch.valid.astype(np.float32), (width, stop - start)
        image[start:stop] = cv2.resize(patch.image.astype(np.float32) * known, size, interpolation=cv2.INTER_AREA)
        valid[start:stop] = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    seen = valid > 0
    mean = np.divide(image, valid, out=np.zeros_like(image), where=seen)
    return grey(mean, seen), grid.cut(left, top, width * factor, height * factor).bounds


def grey(image: NDArray[np.generic], valid: Mask) -> UInt8:
    """Stretched to 8 bits between the 2nd and 98th percentile of the valid pixels; the rest is white, the page's background."""
    values = np.asarray(image, np.float32)
    if not valid.any():
        return np.full(values.shape, 255, np.uint8)
    low, high = np.percentile(values[valid], (2, 98))
    stretched = np.clip((values - low) / max(float(high - low), 1e-6) * 255, 0, 255)
    return np.where(valid, stretched, 255).astype(np.uint8)


def _span(first: float, last: float, size: int) -> tuple[int, int]:
    """A range of whole pixels inside 0 to `size`, never empty."""
    start = int(np.clip(np.floor(first), 0, size - 1))
    return start, int(np.clip(np.ceil(last), start + 1, size))
