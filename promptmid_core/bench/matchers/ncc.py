"""Normalised cross-correlation, of the grey values and of their gradients."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.arrays import Float32, UInt8
from promptmid_core.bench.matchers.matcher import Patch, Window, grey
from promptmid_core.bench.matchers.surface import SurfaceMatcher


class Ncc(SurfaceMatcher):
    """Grey against SAR, zero-mean and normalised (Lewis 1995)."""

    name = "ncc"

    def surface(self, patch: Patch, window: Window) -> Float32:
        return _correlation(window.image, grey(patch))


class GradientNcc(SurfaceMatcher):
    """The same of the gradients' magnitudes: edges are found whatever side of them is the brighter one."""

    name = "gradient_ncc"

    def surface(self, patch: Patch, window: Window) -> Float32:
        return _correlation(_magnitude(window.image), _magnitude(grey(patch)))


def _correlation(image: UInt8 | Float32, template: UInt8 | Float32) -> Float32:
    # where the template or the image is flat there is no correlation
    return np.nan_to_num(np.asarray(cv2.matchTemplate(image, template, cv2.TM_CCOEFF_NORMED), np.float32), posinf=0, neginf=0)


def _magnitude(image: UInt8) -> Float32:
    across, down = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.magnitude(across, down), np.float32)
