"""From pixels to the cells of a descriptor map, and what becomes of holes."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Mask


def f32(array: object) -> Float32:
    return np.asarray(array, np.float32)


def cells(image: Float32, stride: int) -> Float32:
    """Means over stride x stride pixels: (H, W) -> (H // stride, W // stride)."""
    height, width = (n // stride for n in image.shape)
    cut = image[:height * stride, :width * stride]
    return f32(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA))


def whole_cells(valid: Mask, stride: int) -> Mask:
    """Return the cells (H // stride, W // stride) all of whose pixels are valid (H, W)."""
    height, width = (n // stride for n in valid.shape)
    if valid.all():
        return np.ones((height, width), bool)
    # by whole rows and columns: over axes of a few elements NumPy takes forty times as long
    rows = np.logical_and.reduce([valid[i:height * stride:stride, :width * stride] for i in range(stride)])
    return np.asarray(np.logical_and.reduce([rows[:, i::stride] for i in range(stride)]), bool)


def filled(image: Float32, valid: Mask) -> Float32:
    """Return an image (H, W) or (H, W, C) whose holes take the mean around them, so that their rim is no edge."""
    if valid.all():
        return image
    mask = valid if image.ndim == 2 else valid[..., None]
    known = cv2.blur(np.where(mask, image, 0).astype(np.float32), (31, 31))
    share = cv2.blur(valid.astype(np.float32), (31, 31)).reshape(mask.shape)
    around = np.divide(known, share, out=np.zeros_like(image), where=np.broadcast_to(share > 1e-3, image.shape))
    return np.where(mask, image, around).astype(np.float32)


def eroded(valid: Mask, reach: int) -> Mask:
    """Return the pixels that are more than `reach` px from any hole."""
    if valid.all():
        return valid
    size = 2 * reach + 1
    return np.asarray(cv2.erode(valid.astype(np.uint8), np.ones((size, size), np.uint8)), bool)
