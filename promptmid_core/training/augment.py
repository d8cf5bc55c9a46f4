"""What may happen to the two images of a place without making it another place: light, bands, speckle, resolution."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.arrays import Float32

Rng = np.random.Generator


def optical_augmented(image: Float32, rng: Rng) -> Float32:
    """Return RGB (H, W, 3) from 0 to 255 as another camera, band set, hour or weather might give it; 0 to 255, whole numbers."""
    x = np.asarray(image / np.float32(255), np.float32)
    kind = rng.random()
    if kind < 0.25:
        x = np.asarray(np.repeat(x @ _shares(rng, 3)[:, None], 3, axis=2), np.float32)
    elif kind < 0.45:
        x = x[..., rng.permutation(3)]
    elif kind < 0.65:
        mix = np.eye(3, dtype=np.float32) + rng.normal(0, 0.15, (3, 3)).astype(np.float32)
        x = x @ (mix / mix.sum(axis=0))
    x = np.asarray(np.clip(x, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.35))), np.float32)
    if rng.random() < 0.07:
        x = 1 - x
    if rng.random() < 0.3:
        x = np.asarray(x * np.exp(0.35 * _slow(x.shape[:2], rng))[..., None], np.float32)
    middle = x.mean()
    x = np.asarray((x - middle) * np.exp(rng.normal(0, 0.3)) + middle * np.exp(rng.normal(0, 0.2)), np.float32)
    if rng.random() < 0.35:
        x = _blurred(x, rng.uniform(0.3, 1.3))
    if rng.random() < 0.4:
        x = x + rng.normal(0, rng.uniform(0.005, 0.05), x.shape).astype(np.float32)
    if rng.random() < 0.12:
        x = _clouded(x, rng)
    return np.asarray(np.rint(np.clip(x, 0, 1) * 255), np.float32)


def sar_augmented(amplitude: Float32, rng: Rng) -> Float32:
    """Return SAR amplitude (H, W), median near 1, as another pass, processor or band might give it."""
    x = np.maximum(amplitude, 0) ** np.float32(np.exp(rng.normal(0, 0.25)))
    if rng.random() < 0.3:
        x = x * np.exp(0.25 * _slow(x.shape, rng))
    if rng.random() < 0.35:
        x = _blurred(x, rng.uniform(0.3, 1.5))
    if rng.random() < 0.5:
        looks = np.exp(rng.uniform(np.log(2), np.log(40)))
        x = x * np.sqrt(rng.gamma(looks, 1 / looks, x.shape)).astype(np.float32)
    if rng.random() < 0.3:
        x = x + np.abs(rng.normal(0, rng.uniform(0.02, 0.2), x.shape)).astype(np.float32)
    if rng.random() < 0.04:
        x = np.asarray(1 / (x + np.float32(0.1)), np.float32)
    if rng.random() < 0.25:
        x = x ** np.float32(np.exp(rng.uniform(np.log(0.15), 0)))  # as products vary that keep decibels in 8 bits
    return np.asarray(x * np.exp(rng.normal(0, 0.2)), np.float32)


def _shares(rng: Rng, count: int) -> Float32:
    weights = rng.random(count) + 0.05
    return np.asarray(weights / weights.sum(), np.float32)


def _blurred(x: Float32, sigma: float) -> Float32:
    return np.asarray(cv2.GaussianBlur(x, (0, 0), sigma), np.float32)


def _slow(shape: tuple[int, ...], rng: Rng) -> Float32:
    """A field (H, W) that changes slowly, standard deviation 1 at its few nodes."""
    nodes = rng.normal(0, 1, (rng.integers(2, 5), rng.integers(2, 5))).astype(np.float32)
    return np.asarray(cv2.resize(nodes, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def _clouded(x: Float32, rng: Rng) -> Float32:
    """With soft white or dark spots: clouds and their shadows."""
    height, width = x.shape[:2]
    cover = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(1, 4)):
        middle = int(rng.integers(width)), int(rng.integers(height))
        axes = int(rng.integers(4, width // 4)), int(rng.integers(4, height // 4))
        cv2.ellipse(cover, middle, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    cover = _blurred(cover, rng.uniform(1, 6))[..., None] * np.float32(rng.uniform(0.5, 1))
    return np.asarray(x * (1 - cover) + cover * np.float32(rng.choice([0.1, 0.9, 1.0])), np.float32)
