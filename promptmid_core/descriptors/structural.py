"""The structural descriptor: dense oriented gradients, kept as angular harmonics. Needs no weights."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.geometry import DescriptorMap, Patch
from promptmid_core.prompts import Modality, Prompt

Array = NDArray[np.float32]

VERSION = 1


@dataclass(frozen=True)
class Structural:
    """Oriented gradient energy around each pixel, as the first harmonics of its distribution over direction.

    CFOG (Ye et al. 2019, IEEE TGRS 57(11)) samples |gradient . direction| at K directions and blurs each. A distribution over
    undirected edges is a Fourier series in twice the angle; five of its coefficients (mean, and sine and cosine of two and four
    times the angle) hold what nine sampled channels hold, and their weights set the angular sharpness. The sign of the gradient
    is dropped, since a field that is bright to the camera may be dark to the radar.

    Optical gradients are Gaussian derivatives of the root of the intensity. SAR gradients are log-ratios of one-sided
    exponential means (ROEWA, Fjortoft et al. 1998, IEEE TGRS 36(3)), whose false-alarm rate under speckle does not depend on
    the brightness, weighted by a power of the local amplitude, since bright returns are built edges.
    """

    optical_sigma: float = 1.0
    ratio_decay: float = 2.0
    ratio_sigma: float = 1.5
    ratio_floor: float = 0.05  # of the median amplitude: keeps shadow and receiver noise from looking like strong edges
    amplitude_power: float = 0.5
    harmonics: tuple[float, float, float] = (0.375, 0.312, 0.1)
    blur_sigma: float = 2.0
    optical_rest: float = 1.0  # share of the mean strength that is added to the norm, so that flat ground stays weak
    sar_rest: float = 0.04
    stride: int = 2
    name: str = "structural"

    @property
    def channels(self) -> int:
        return 5

    @property
    def halo(self) -> int:
        return 20

    @property
    def fingerprint(self) -> str:
        text = f"{VERSION} {sorted(asdict(self).items())}"
        return f"structural-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        """Patch (H, W[, C]) -> descriptors (5, H // 2, W // 2), float32, of norm below 1."""
        grey = _filled(_grey(patch.image), patch.valid)
        if prompt.modality is Modality.SAR:
            across, down = self._ratio_gradient(grey)
            rest = self.sar_rest
        else:
            across, down = self._gradient(grey)
            rest = 0.0
        channels = self._harmonics(across, down)
        strength = np.sqrt(np.einsum("chw,chw->hw", channels, channels))
        if not rest:
            rest = self.optical_rest * float(strength[patch.valid].mean()) if patch.valid.any() else 1.0
        channels /= strength + np.float32(max(rest, 1e-6))
        valid = _eroded(patch.valid, self._reach())
        grid = patch.grid.every(self.stride)
        cells, whole = _cells(channels, grid.shape, self.stride), _whole_cells(valid, grid.shape, self.stride)
        return DescriptorMap(cells, whole, grid, self.stride)

    def _reach(self) -> int:
        """Pixels next to a hole whose gradient is that of the hole's rim."""
        return int(np.ceil(2 * self.blur_sigma + self.ratio_decay))

    def _gradient(self, grey: Array) -> tuple[Array, Array]:
        smooth = cv2.GaussianBlur(np.sqrt(grey), (0, 0), self.optical_sigma)
        return _f32(cv2.Scharr(smooth, cv2.CV_32F, 1, 0)), _f32(cv2.Scharr(smooth, cv2.CV_32F, 0, 1))

    def _ratio_gradient(self, amplitude: Array) -> tuple[Array, Array]:
        amplitude = np.maximum(amplitude, 0) + np.float32(self.ratio_floor)
        reach = int(np.ceil(3 * self.ratio_decay))
        offsets = np.arange(-reach, reach + 1)
        ahead = np.where(offsets > 0, np.exp(-np.abs(offsets) / self.ratio_decay), 0.0)
        ahead = (ahead / ahead.sum()).astype(np.float32)
        behind = ahead[::-1].copy()
        aside = _f32(cv2.getGaussianKernel(2 * int(np.ceil(3 * self.ratio_sigma)) + 1, self.ratio_sigma, cv2.CV_32F))

        def mean(kernel_x: Array, kernel_y: Array) -> Array:
            return _f32(cv2.sepFilter2D(amplitude, cv2.CV_32F, kernel_x, kernel_y, borderType=cv2.BORDER_REFLECT_101))

        weight = mean(aside, aside) ** np.float32(self.amplitude_power)
        across = np.log(mean(ahead, aside) / mean(behind, aside)) * weight
        down = np.log(mean(aside, ahead) / mean(aside, behind)) * weight
        return across, down

    def _harmonics(self, across: Array, down: Array) -> Array:
        """Blurred angular harmonics (5, H, W) of gradients (H, W)."""
        square_x, square_y = across * across, down * down
        strength = np.sqrt(square_x + square_y) + np.float32(1e-9)
        cosine2, sine2 = (square_x - square_y) / strength, 2 * across * down / strength  # strength times cos, sin of 2 angle
        unit_c, unit_s = cosine2 / strength, sine2 / strength
        cosine4, sine4 = cosine2 * unit_c - sine2 * unit_s, 2 * cosine2 * unit_s
        w0, w2, w4 = (np.float32(w) for w in self.harmonics)
        raw = (w0 * strength, w2 * cosine2, w2 * sine2, w4 * cosine4, w4 * sine4)
        return np.stack([_f32(cv2.GaussianBlur(c, (0, 0), self.blur_sigma)) for c in raw])


def _f32(array: object) -> Array:
    return np.asarray(array, np.float32)


def _grey(image: NDArray[np.generic]) -> Array:
    if image.ndim == 3:
        image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(image, np.float32)


def _filled(grey: Array, valid: NDArray[np.bool_]) -> Array:
    """Holes take the mean around them, so that their rim is no edge."""
    if valid.all():
        return grey
    mask = valid.astype(np.float32)
    known = cv2.blur(np.where(valid, grey, 0).astype(np.float32), (31, 31))
    share = cv2.blur(mask, (31, 31))
    around = np.divide(known, share, out=np.zeros_like(grey), where=share > 1e-3)
    return np.where(valid, grey, around).astype(np.float32)


def _eroded(valid: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    if valid.all():
        return valid
    size = 2 * reach + 1
    return np.asarray(cv2.erode(valid.astype(np.uint8), np.ones((size, size), np.uint8)), bool)


def _cells(channels: Array, shape: tuple[int, int], stride: int) -> Array:
    """Means over stride x stride pixels: (C, H, W) -> (C, H // stride, W // stride)."""
    height, width = shape
    cut = channels[:, :height * stride, :width * stride]
    return np.stack([_f32(cv2.resize(c, (width, height), interpolation=cv2.INTER_AREA)) for c in cut])


def _whole_cells(valid: NDArray[np.bool_], shape: tuple[int, int], stride: int) -> NDArray[np.bool_]:
    height, width = shape
    cut = valid[:height * stride, :width * stride]
    return np.asarray(cut.reshape(height, stride, width, stride).all(axis=(1, 3)), bool)
