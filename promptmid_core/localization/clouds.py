"""Clouds between the camera and the ground: where a patch is bright, white and smooth over much of it."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Mask, UInt8
from promptmid_core.geometry import Patch

BRIGHT, LEAST_BRIGHT = 0.72, 140.0  # of the brightest there is, and grey levels
WHITE = 0.14  # most saturation
SMOOTH, ROUGH = 3, 0.05  # px around, and the share of the brightness by which it may vary there
LARGE = 16  # of the patch's side: a smaller bright spot is a roof
LEAST_COVER = 0.15  # of what is seen: less may be large roofs, which radar sees well
RIM = 2  # px around a cloud that it veils
BRIGHTEST = 0.99


def cleared(patch: Patch, least_valid: float) -> Patch:
    """Return the patch without the ground under clouds. What a cloud's rim shows are strong edges that no map has.

    A patch with little of it stays as it is, and one of which less than the share `least_valid` would be left: where all is
    bright and smooth the ground is, as under snow.
    """
    valid = patch.valid & ~_covered(patch)
    if valid.sum() > (1 - LEAST_COVER) * patch.valid.sum() or valid.mean() < least_valid:
        return patch
    return replace(patch, valid=valid)


def _covered(patch: Patch) -> Mask:
    # channel by channel: over the last axis NumPy takes forty times as long
    channels = cv2.split(np.asarray(patch.image, np.uint8))
    highest = np.asarray(reduce(cv2.max, channels), np.uint8)
    if not patch.valid.any():
        return np.zeros(patch.valid.shape, bool)
    least = max(BRIGHT * _quantile(highest[patch.valid], BRIGHTEST), LEAST_BRIGHT)
    light = highest >= least
    if not light.any():
        return np.zeros(patch.valid.shape, bool)
    bright = highest.astype(np.float32)
    if len(channels) > 1:
        light &= bright - np.asarray(reduce(cv2.min, channels), np.float32) <= WHITE * bright
    light &= _spread(bright) <= ROUGH * bright
    side = max(min(bright.shape) // LARGE, 3)
    clouds = cv2.morphologyEx(light.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    clouds = cv2.morphologyEx(clouds, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    rim = 2 * (RIM + SMOOTH) + 1
    return np.asarray(cv2.dilate(clouds, np.ones((rim, rim), np.uint8)) > 0)


def _quantile(grey: UInt8, share: float) -> float:
    """As np.quantile, by counting grey levels."""
    held, at = np.cumsum(np.bincount(grey, minlength=256)), share * (len(grey) - 1)
    low, high = (int(np.searchsorted(held, place, side="right")) for place in (int(at), min(int(at) + 1, len(grey) - 1)))
    return low + (high - low) * (at - int(at))


def _spread(image: Float32) -> Float32:
    """Standard deviation (H, W) of the pixels around each."""
    size = (2 * SMOOTH + 1,) * 2
    mean, square = cv2.blur(image, size), cv2.blur(image * image, size)
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0)), np.float32)
