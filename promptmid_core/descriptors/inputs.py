"""Images as the networks take them: three channels of about unit size."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Mask

FAINTEST = 6.0  # grey levels: contrast below this is not stretched further
FAINTEST_SAR = 0.05  # the same of SAR: about 3 % of amplitude
BOXES_PX = (65, 17)  # sides: structure, and speckle with fine edges
SAR_REACH = max(BOXES_PX) // 2  # px around that an input pixel depends on


def optical_input(image: Float32, valid: Mask) -> Float32:
    """Return grey or RGB (H, W[, 3]) from 0 to 255 -> (3, H, W): less the mean brightness of valid pixels, by its standard
    deviation.

    Both are of the whole patch, which the localizer always describes at once.
    """
    colour = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    brightness = cv2.cvtColor(np.ascontiguousarray(colour, np.float32), cv2.COLOR_RGB2GRAY)
    known = brightness[valid] if valid.any() else brightness
    scaled = (colour - np.float32(known.mean())) / np.float32(np.hypot(known.std(), FAINTEST))
    return np.ascontiguousarray(np.clip(scaled, -4, 4).transpose(2, 0, 1), np.float32)


def sar_input(amplitude: Float32) -> Float32:
    """Return amplitude (H, W), median near 1 -> (3, H, W): 3 (a - 1) / (a + 1), a logarithm with soft ends, -3 to 3; and the same
    less its mean, by its standard deviation, in the box of each of BOXES_PX around.

    Products stretch contrast in ways that differ more than places do: the same fields may vary by half or by a twentieth. Nothing
    farther than SAR_REACH matters, so that tiles of a map agree.
    """
    whole = np.asarray(3 * (amplitude - 1) / (np.maximum(amplitude, 0) + 1), np.float32)
    return np.stack([whole, *(_by_its_box(whole, side) for side in BOXES_PX)])


def _by_its_box(image: Float32, side: int) -> Float32:
    box = (side, side)
    mean = cv2.blur(image, box, borderType=cv2.BORDER_REFLECT)
    variance = cv2.blur(image * image, box, borderType=cv2.BORDER_REFLECT) - mean * mean
    scaled = (image - mean) / np.sqrt(np.maximum(variance, 0) + np.float32(FAINTEST_SAR ** 2))
    return np.asarray(np.clip(scaled, -4, 4), np.float32)
