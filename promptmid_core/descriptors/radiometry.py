"""What a surface looks like: colour to the camera, brightness and roughness to the radar.

Neither says what the other must be, so the two sides are not compared channel by channel: `matching/dependence.py` asks how well
one foretells the other. Both sides are taken less their own surroundings, since a slow change says little about a place.
"""

from __future__ import annotations

from functools import reduce
from itertools import pairwise

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Mask
from promptmid_core.descriptors.cells import cells, f32

COLOUR_NODES = 4  # on each of three axes: one node fewer than this many channels, as memberships sum to one
GREY_NODES = 10
SURROUNDINGS = 19  # cells along the side of a mean, taken twice
SAR_CHANNELS = 4
BOUND = 2.0  # both ends of a clipped brightness; the broad one and the roughness go beyond on lone reflectors only


def optical_channels() -> int:
    return GREY_NODES - 1


def optical_radiometry(image: Float32, valid: Mask, stride: int) -> Float32:
    """Colour or grey (H, W[, 3]) -> soft memberships (9, h, w) in classes of equal frequency among valid cells (h, w).

    Colour is brightness, red less green, and green less blue, whatever bands stand in the three places.
    """
    if image.ndim == 2:
        axes, nodes = [cells(image, stride)], GREY_NODES
    else:
        red, green, blue = (cells(np.ascontiguousarray(image[..., i]), stride) for i in range(3))
        axes, nodes = [f32((red + green + blue) / 3), f32(red - green), f32(green - blue)], COLOUR_NODES
    return _less_surroundings([member for axis in axes for member in _memberships(axis, valid, nodes)])


def sar_radiometry(amplitude: Float32, stride: int, floor: float, span: float) -> Float32:
    """Return SAR amplitude (H, W), median near 1 -> brightness, its distance from the middle, broad brightness, roughness (4, h,
    w).

    Brightness is the logarithm with a `floor` added, relative to that of the median amplitude, in units of `span`, clipped.
    """
    level = cells(np.log(np.maximum(amplitude, 0) + np.float32(floor)), stride) - np.float32(np.log(1 + floor))
    bright = np.clip(_blurred(level, 0.7) / np.float32(span), -1, 1)
    mean = _blurred(level, 1.0)
    rough = np.sqrt(np.maximum(_blurred(level * level, 1.0) - mean * mean, 0))
    return _less_surroundings([bright, np.abs(bright), _blurred(level, 2.0), rough])


def reach(stride: int) -> int:
    """Return pixels on each side that a cell depends on."""
    return stride * (2 * (SURROUNDINGS // 2) + 8)


def _memberships(axis: Float32, valid: Mask, nodes: int) -> list[Float32]:
    """All but the last of the memberships (h, w) in `nodes` classes, each a triangle between its neighbours' middles."""
    sample = np.sort(axis[valid] if valid.any() else axis.ravel())
    places = np.linspace(0, len(sample) - 1, nodes)
    below = np.minimum(places.astype(int), max(len(sample) - 2, 0))
    least, most = sample[below].astype(np.float64), sample[np.minimum(below + 1, len(sample) - 1)]
    middles = least + (most - least) * (places - below)
    if middles[-1] - middles[0] < 1e-3:
        return [np.zeros_like(axis)] * (nodes - 1)
    middles = np.maximum.accumulate(middles + np.arange(nodes) * 1e-4)
    # the sum of the shares of each span that lie below
    spans = pairwise(middles.tolist())
    place = reduce(np.add, (np.clip((axis - np.float32(low)) * np.float32(1 / (high - low)), 0, 1) for low, high in spans))
    return [f32(np.maximum(0, 1 - np.abs(place - np.float32(i)))) for i in range(nodes - 1)]


def _less_surroundings(channels: list[Float32]) -> Float32:
    box = (SURROUNDINGS, SURROUNDINGS)
    return np.stack([channel - f32(cv2.blur(cv2.blur(channel, box), box)) for channel in channels])


def _blurred(image: Float32, sigma: float) -> Float32:
    return f32(cv2.GaussianBlur(image, (0, 0), sigma))
