"""Images as the networks take them: three channels of about unit size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

FAINTEST = 6.0  # grey levels: contrast below this is not stretched further


def optical_input(image: Array, valid: NDArray[np.bool_]) -> Array:
    """Grey or RGB (H, W[, 3]) from 0 to 255 -> (3, H, W): less the mean brightness of valid pixels, by its standard deviation.

    Both are of the whole patch, which the localizer always describes at once.
    """
    colour = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    brightness = cv2.cvtColor(np.ascontiguousarray(colour, np.float32), cv2.COLOR_RGB2GRAY)
    known = brightness[valid] if valid.any() else brightness
    scaled = (colour - np.float32(known.mean())) / np.float32(np.hypot(known.std(), FAINTEST))
    return np.ascontiguousarray(np.clip(scaled, -4, 4).transpose(2, 0, 1), np.float32)


def sar_input(amplitude: Array) -> Array:
    """Amplitude (H, W), median near 1 -> (3, H, W), three times 3 (a - 1) / (a + 1): a logarithm with soft ends, -3 to 3.

    Nothing but the pixel itself matters, so that tiles of a map agree.
    """
    bounded = 3 * (amplitude - 1) / (np.maximum(amplitude, 0) + 1)
    return np.ascontiguousarray(np.broadcast_to(np.asarray(bounded, np.float32), (3, *amplitude.shape)))
