"""Oriented gradients of both modalities, kept as angular harmonics."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.descriptors.cells import cells, f32

Gradient = tuple[Float32, Float32]

GROUP = "gradient"  # the channel group that holds sets of harmonics, one set behind the other
ORDERS = (0, 2, 2, 4, 4)  # of a set: the mean, then cosine and sine of so many times the angle


def optical_gradient(grey: Float32, sigma: float) -> Gradient:
    """Return across and down (H, W) each: Gaussian derivatives of the root of the intensity (H, W)."""
    return plain_gradient(f32(cv2.GaussianBlur(np.sqrt(grey), (0, 0), sigma)))


def plain_gradient(image: Float32) -> Gradient:
    """Return across and down (H, W) each of an image (H, W)."""
    return f32(cv2.Scharr(image, cv2.CV_32F, 1, 0)), f32(cv2.Scharr(image, cv2.CV_32F, 0, 1))


def ratio_gradient(amplitude: Float32, decay: float, sigma: float, floor: float, power: float) -> Gradient:
    """Return across and down (H, W) each: log-ratios of one-sided exponential means of SAR amplitude (H, W) with median near 1.

    ROEWA (Fjortoft et al. 1998, IEEE TGRS 36(3)): its false-alarm rate under speckle does not depend on the brightness. `decay`
    in px ahead, `sigma` in px aside; `floor` is added to the amplitude. Weighted by the local amplitude to the given `power`,
    since bright returns are built edges.
    """
    amplitude = np.maximum(amplitude, 0) + np.float32(floor)
    reach = int(np.ceil(3 * decay))
    offsets = np.arange(-reach, reach + 1)
    ahead = np.where(offsets > 0, np.exp(-np.abs(offsets) / decay), 0.0)
    ahead = (ahead / ahead.sum()).astype(np.float32)
    behind = ahead[::-1].copy()
    aside = f32(cv2.getGaussianKernel(2 * int(np.ceil(3 * sigma)) + 1, sigma, cv2.CV_32F))

    def mean(kernel_x: Float32, kernel_y: Float32) -> Float32:
        return f32(cv2.sepFilter2D(amplitude, cv2.CV_32F, kernel_x, kernel_y, borderType=cv2.BORDER_REFLECT_101))

    weight = mean(aside, aside) ** np.float32(power)
    across = np.log(mean(ahead, aside) / mean(behind, aside)) * weight
    down = np.log(mean(aside, ahead) / mean(aside, behind)) * weight
    return across, down


def harmonics(gradient: Gradient, weights: tuple[float, float, float], stride: int, sigma: float) -> Float32:
    """Angular harmonics (5, H // stride, W // stride) of a gradient (H, W), averaged over cells and blurred by `sigma` cells.

    CFOG (Ye et al. 2019, IEEE TGRS 57(11)) samples |gradient . direction| at K directions and blurs each. A distribution over
    undirected edges is a Fourier series in twice the angle; five of its coefficients (mean, and sine and cosine of two and four
    times the angle) hold what nine sampled channels hold, and their weights set the angular sharpness. The sign of the gradient
    is dropped, since a field that is bright to the camera may be dark to the radar.
    """
    across, down = gradient
    square_x, square_y = across * across, down * down
    strength = np.sqrt(square_x + square_y) + np.float32(1e-9)
    cosine2, sine2 = (square_x - square_y) / strength, 2 * across * down / strength  # strength times cos, sin of 2 angle
    unit_c, unit_s = cosine2 / strength, sine2 / strength
    cosine4, sine4 = cosine2 * unit_c - sine2 * unit_s, 2 * cosine2 * unit_s
    w0, w2, w4 = (np.float32(w) for w in weights)
    raw = (w0 * strength, w2 * cosine2, w2 * sine2, w4 * cosine4, w4 * sine4)
    return np.stack([f32(cv2.GaussianBlur(cells(f32(c), stride), (0, 0), sigma)) for c in raw])


def turned(channels: Float32, orders: tuple[int, ...], turn: float) -> Float32:
    """Harmonics (C, H, W) of edges that are each turned by `turn` radians, counter-clockwise seen from above, where they stand.

    `orders` (C,): that of each channel; those above 0 come in pairs, cosine and sine.
    """
    found = np.array(channels, np.float32)
    for i, order in enumerate(orders):
        if order and orders[:i].count(order) % 2 == 0:
            # rows run south, so the angle falls
            c, s = np.float32(np.cos(order * turn)), np.float32(np.sin(order * turn))
            found[i], found[i + 1] = c * channels[i] + s * channels[i + 1], c * channels[i + 1] - s * channels[i]
    return found


def length(channels: Float32) -> Float32:
    """Length (H, W) of each pixel's vector of channels (C, H, W)."""
    return f32(np.sqrt(np.einsum("chw,chw->hw", channels, channels)))
