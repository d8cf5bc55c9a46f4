"""An image read between its pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Float64, Mask

Whole = NDArray[np.int32]

STEPS = cv2.INTER_TAB_SIZE  # OpenCV interpolates at whole 1/32 of a pixel
HALF = 0.5 + 1e-6  # positions that are halves but for rounding errors go one way in every window
NO_PARTS = np.empty(0, np.uint16)
REACH_PX = 3  # pixels around a position that its value may come from


def nearest(image: Float32, valid: Mask, u: Float64, v: Float64) -> tuple[Float32, Mask]:
    """Return the pixels of an image (B, H, W), valid (H, W) or not, nearest to columns `u` and rows `v` (h, w): (B, h, w), (h,
    w)."""
    place = _places(*_rounded(valid, u, v, 1))
    return np.stack([_remap(band, place, NO_PARTS) for band in image]), _known(valid, place)


def cubic(image: Float32, valid: Mask, u: Float64, v: Float64) -> tuple[Float32, Mask]:
    """Do what `nearest` does, by Keys' cubic (1981, IEEE TASSP 29(6), a = -1/2, as GDAL's) at positions rounded to 1/32 pixel.

    A value is valid where the pixel nearest to it is, and comes from valid pixels alone: what is not valid is taken to be the
    mean of those around it.
    """
    known = np.ones(u.shape, bool) if valid.all() else _known(valid, _places(*_rounded(valid, u, v, 1)))
    col, row = _rounded(valid, u, v, STEPS)
    place = _places(col >> cv2.INTER_BITS, row >> cv2.INTER_BITS)
    col &= STEPS - 1
    row &= STEPS - 1
    t = np.arange(STEPS) / STEPS
    factor = (t * (1 - t) / 2).astype(np.float32)
    table, x, y = (row * STEPS + col).astype(np.uint16), factor.take(col), factor.take(row)
    return np.stack([_cubic(_filled(band, valid), place, table, x, y) for band in image]), known


def _cubic(band: Float32, place: NDArray[np.int16], table: NDArray[np.uint16], x: Float32, y: Float32) -> Float32:
    """Out of bilinear looks at the band and its second differences; OpenCV's own cubic bends a straight ramp by 0.06 pixel.

    Along a line it is, between two pixels, the mean of the parabolas through either and its neighbours, weighted by nearness:
    the linear interpolation less t (1 - t) / 2 times that of the second differences. `x` and `y` are these factors.
    """
    bend = np.array([[1, -2, 1]], np.float32)
    across, down = (np.asarray(cv2.filter2D(band, -1, kernel), np.float32) for kernel in (bend, bend.T))
    both = np.asarray(cv2.filter2D(across, -1, bend.T), np.float32)
    straight, along_x, along_y, along_both = (_remap(each, place, table) for each in (band, across, down, both))
    return straight - x * along_x - y * (along_y - x * along_both)


def _filled(band: Float32, valid: Mask) -> Float32:
    if valid.all():
        return band
    around = np.ones((2 * REACH_PX - 1, 2 * REACH_PX - 1), np.float32)
    total = cv2.filter2D(np.where(valid, band, np.float32(0)), -1, around, borderType=cv2.BORDER_CONSTANT)
    count = cv2.filter2D(valid.astype(np.float32), -1, around, borderType=cv2.BORDER_CONSTANT)
    return np.where(valid, band, total / np.maximum(count, 1)).astype(np.float32)


def _known(valid: Mask, place: NDArray[np.int16]) -> Mask:
    known = cv2.remap(valid.view(np.uint8), place, NO_PARTS, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(known, np.bool_)


def _rounded(valid: Mask, u: Float64, v: Float64, steps: int) -> tuple[Whole, Whole]:
    """Columns and rows in whole parts of a pixel; those far off the image are taken to its surroundings."""
    height, width = valid.shape
    return _rounded_axis(u, width, steps), _rounded_axis(v, height, steps)


def _rounded_axis(positions: Float64, size: int, steps: int) -> Whole:
    parts = np.clip(positions, -REACH_PX, size + REACH_PX)
    parts *= steps
    parts += HALF
    return np.floor(parts, out=parts).astype(np.int32)


def _places(col: Whole, row: Whole) -> NDArray[np.int16]:
    """Whole columns and rows as OpenCV wants them, (h, w, 2)."""
    place = np.empty((*col.shape, 2), np.int16)
    place[..., 0], place[..., 1] = col, row
    return place


def _remap(band: Float32, place: NDArray[np.int16], table: NDArray[np.uint16]) -> Float32:
    flag = cv2.INTER_LINEAR if table.size else cv2.INTER_NEAREST
    return np.asarray(cv2.remap(band, place, table, flag, borderMode=cv2.BORDER_REPLICATE), np.float32)
