"""CFOG, plain: the reference that every descriptor is held against."""

from __future__ import annotations

import cv2
import numpy as np
import scipy.fft

from promptmid_core.arrays import Float32, UInt8
from promptmid_core.bench.matchers.matcher import Patch, Window, grey
from promptmid_core.bench.matchers.surface import SurfaceMatcher

ORIENTATIONS, SIGMA, REST = 9, 0.8, 1e-3


class Cfog(SurfaceMatcher):
    """Channel features of oriented gradients, sum of squared differences by FFT (Ye et al. 2019, IEEE TGRS 57(11))."""

    name = "cfog"

    def surface(self, patch: Patch, window: Window) -> Float32:
        seen = channels(grey(patch)) * patch.valid
        around = channels(window.image) * window.valid
        side = len(window.image) - len(patch.image) + 1
        n = scipy.fft.next_fast_len(len(window.image), real=True)
        spectrum = scipy.fft.rfft2(around, (n, n))
        product = np.einsum("cij,cij->ij", spectrum, scipy.fft.rfft2(seen, (n, n)).conj())
        energy = np.einsum("cij,cij->ij", around, around)
        under = scipy.fft.rfft2(energy, (n, n)) * scipy.fft.rfft2(patch.valid.astype(np.float32), (n, n)).conj()
        return np.asarray(scipy.fft.irfft2(2 * product - under, (n, n))[:side, :side], np.float32)


def channels(image: UInt8) -> Float32:
    """Return grey (H, W) -> (9, H, W), of norm 1 at every pixel that has a gradient."""
    across, down = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
    angles = np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS
    raw = np.stack([cv2.GaussianBlur(np.abs(np.float32(np.cos(a)) * across + np.float32(np.sin(a)) * down), (0, 0), SIGMA)
                    for a in angles])
    smooth = (np.roll(raw, 1, axis=0) + 2 * raw + np.roll(raw, -1, axis=0)) / 4
    return np.asarray(smooth / (np.sqrt(np.einsum("chw,chw->hw", smooth, smooth)) + np.float32(REST)), np.float32)
