"""Randomness of a landscape: fractal fields for what varies smoothly, hashed keys for what belongs to one parcel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from promptmid_core.arrays import Float32

Keys = NDArray[np.uint32]


def fractal(rng: np.random.Generator, size: int, longest_px: float, shortest_px: float, decay: float) -> Float32:
    """Return a random field (size, size) of mean 0 and deviation 1 with wavelengths between the two given, in pixels.

    The amplitude falls with frequency as f^-decay: 1 is cloud-like texture, 2 is terrain. Made in the frequency domain, on a
    canvas wider than the field by the longest wavelength, so that it shows neither a lattice nor a repetition.
    """
    from scipy import fft

    # what has no fine detail is made coarse and interpolated
    step = int(np.clip(shortest_px // 4, 1, 16))
    need = -(-size // step) + 3
    canvas = fft.next_fast_len(int(need + longest_px / step), real=True)
    f = np.hypot(fft.fftfreq(canvas)[:, None], fft.rfftfreq(canvas)[None]).astype(np.float32) / step
    amplitude = (f * f + np.float32(longest_px**-2)) ** np.float32(-decay / 2)
    amplitude[f > 1 / shortest_px] = 0
    amplitude[0, 0] = 0
    spectrum = rng.standard_normal((canvas, f.shape[1], 2), dtype=np.float32).view(np.complex64)[..., 0]
    spectrum *= amplitude
    field = fft.irfft2(spectrum, (canvas, canvas))[:need, :need].astype(np.float32)
    if step > 1:
        field = np.asarray(cv2.resize(field, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC), np.float32)
    field = np.ascontiguousarray(field[:size, :size])
    field -= field.mean()
    field /= field.std()
    return field


def mixed(key: Keys | int, *more: ArrayLike) -> Keys:
    """Return one key of several, element by element: a key that differs in any part is unrelated to the others.

    The finaliser of MurmurHash3 (Appleby, public domain) after each part.
    """
    h = np.atleast_1d(np.asarray(key, np.uint32))
    for part in more:
        h = (h ^ np.asarray(part).astype(np.uint32)) * np.uint32(0x9E3779B1) + np.uint32(0x7F4A7C15)
        h = h ^ (h >> np.uint32(16))
        h = h * np.uint32(0x85EBCA6B)
        h = h ^ (h >> np.uint32(13))
        h = h * np.uint32(0xC2B2AE35)
        h = h ^ (h >> np.uint32(16))
    return h


def uniform(key: Keys, salt: int) -> Float32:
    """Return a number in [0, 1) that belongs to each key; another salt gives an independent one."""
    return (mixed(key, salt) >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def normal(key: Keys, salt: int) -> Float32:
    """Return a standard normal number that belongs to each key (sum of four uniforms: bounded, which suits materials)."""
    total = uniform(key, salt) + uniform(key, salt + 7919) + uniform(key, salt + 15881) + uniform(key, salt + 23917)
    return (total - np.float32(2)) * np.float32(3**0.5)


def ramp(x: Float32, low: float, high: float) -> Float32:
    """Return the smooth step from 0 at `low` to 1 at `high` (or falling, where high < low)."""
    t = np.clip((x - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def enlarged(field: Float32, size: int) -> Float32:
    """Return a coarse square field brought to (size, size)."""
    return np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def shrunk(field: Float32, size: int) -> Float32:
    """Return a square field averaged into (size, size) cells."""
    return np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_AREA), np.float32)


def blurred(field: Float32, sigma_px: float) -> Float32:
    """Return a field under a Gaussian of deviation `sigma_px`."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma_px), np.float32)
