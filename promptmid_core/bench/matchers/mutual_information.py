"""Mutual information of grey values: how much the one image tells about the other, whatever the tones mean."""

from __future__ import annotations

import cv2
import numpy as np
import scipy.fft

from promptmid_core.arrays import Float32, Mask, UInt8
from promptmid_core.bench.matchers.matcher import Patch, Window, grey
from promptmid_core.bench.matchers.surface import SurfaceMatcher

BINS, SIGMA = 8, 1.0


class MutualInformation(SurfaceMatcher):
    """Joint histograms at every shift (Viola and Wells 1997, IJCV 24(2)).

    With soft bins each entry of the joint histogram is a correlation of two bin images, so that all shifts come out of one FFT.
    """

    name = "mutual_information"

    def surface(self, patch: Patch, window: Window) -> Float32:
        side = len(window.image) - len(patch.image) + 1
        n = scipy.fft.next_fast_len(len(window.image), real=True)
        seen = scipy.fft.rfft2(_bins(grey(patch), patch.valid), (n, n)).conj()
        around = scipy.fft.rfft2(_bins(window.image, window.valid), (n, n))
        joint = scipy.fft.irfft2(seen[:, None] * around[None], (n, n))[..., :side, :side]
        joint = np.maximum(joint, 1e-3)
        joint /= joint.sum(axis=(0, 1))
        own, other = joint.sum(axis=1), joint.sum(axis=0)
        return np.asarray(_negative_entropy(joint).sum(axis=(0, 1)) - _negative_entropy(own).sum(axis=0)
                          - _negative_entropy(other).sum(axis=0), np.float32)


def _negative_entropy(shares: Float32) -> Float32:
    return np.asarray(shares * np.log(shares), np.float32)


def _bins(image: UInt8, valid: Mask) -> Float32:
    """Soft bins (BINS, H, W) of equal weight: each pixel's rank among all is shared between the two nearest bins."""
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), SIGMA)
    ordered = np.sort(smooth[valid]) if valid.any() else smooth.ravel()
    rank = np.searchsorted(ordered, smooth) / max(len(ordered), 1)
    at = np.clip(rank * BINS - 0.5, 0, BINS - 1).astype(np.float32)
    centres = np.arange(BINS, dtype=np.float32)[:, None, None]
    return np.asarray(np.maximum(1 - np.abs(at - centres), 0) * valid, np.float32)
