"""Speckle made less: multi-looking and the Lee filter, both on intensities and on valid pixels alone."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Mask

LEE_WINDOW = 7


def multilooked(intensity: Float32, valid: Mask, side: int) -> Float32:
    """Return the mean (H, W) of the valid intensities (H, W) around each pixel, in a square of `side` pixels."""
    return _mean(intensity, valid, side)


def lee(intensity: Float32, valid: Mask, looks: float) -> Float32:
    """Return intensity (H, W) drawn towards the mean of the 7 x 7 pixels around it where these vary no more than speckle does.

    The minimum mean square error filter for multiplicative noise of variance 1 / `looks` (Lee 1980, IEEE TPAMI 2(2), 165-168;
    1981, Computer Graphics and Image Processing 17(1), 24-32).
    """
    mean = _mean(intensity, valid, LEE_WINDOW)
    variance = np.maximum(_mean(intensity * intensity, valid, LEE_WINDOW) - mean * mean, 0)
    own = np.maximum(variance - mean * mean / np.float32(looks), 0) / np.float32(1 + 1 / looks)
    gain = np.divide(own, variance, out=np.zeros_like(own), where=variance > 0)
    return np.asarray(mean + gain * (intensity - mean), np.float32)


def _mean(image: Float32, valid: Mask, side: int) -> Float32:
    weight = valid.astype(np.float64)
    share = cv2.blur(weight, (side, side), borderType=cv2.BORDER_CONSTANT)
    total = cv2.blur(np.where(valid, image, 0).astype(np.float64), (side, side), borderType=cv2.BORDER_CONSTANT)
    return np.divide(total, share, out=np.zeros_like(total), where=valid & (share > 0)).astype(np.float32)
