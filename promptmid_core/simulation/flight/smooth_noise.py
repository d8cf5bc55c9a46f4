"""Smooth random signals: how a mount sways, a light changes, an estimate drifts."""

from __future__ import annotations

import numpy as np

from promptmid_core.arrays import Float64


def smooth_noise(rng: np.random.Generator, count: int, step_s: float, correlation_s: float) -> Float64:
    """Return a stationary Gaussian signal (count,) of mean 0 and variance 1, sampled every `step_s` and smooth over
    `correlation_s`."""
    from scipy.ndimage import gaussian_filter1d

    sigma = correlation_s / step_s
    pad = int(np.ceil(4 * sigma)) + 1
    white = rng.standard_normal(count + 2 * pad)
    if sigma <= 0.5:
        return white[pad:pad + count]
    # white noise under a Gaussian of width sigma keeps 1 / (2 sqrt(pi) sigma) of its variance
    smooth: Float64 = gaussian_filter1d(white, sigma)[pad:pad + count] * np.sqrt(2 * np.sqrt(np.pi) * sigma)
    return smooth


def limited(signal: Float64, limit: float) -> Float64:
    """Return the signal bent smoothly so that it never exceeds `limit` in size; small values are left nearly as they are."""
    bent: Float64 = limit * np.tanh(signal / limit)
    return bent


def smooth_walk(rng: np.random.Generator, count: int, step_s: float, correlation_s: float, before_s: float) -> Float64:
    """Return the end (count,) of a smooth random walk that began `before_s` earlier and is zero at a random instant.

    It is the integral of smooth noise; its scale is left to the caller.
    """
    whole = count + round(before_s / step_s)
    walk = np.cumsum(smooth_noise(rng, whole, step_s, correlation_s))
    end: Float64 = (walk - walk[int(rng.integers(whole))])[-count:]
    return end
