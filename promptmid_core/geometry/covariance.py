"""Whether 36 numbers are the covariance of a pose, and its inverse."""

from __future__ import annotations

import numpy as np

from promptmid_core.arrays import Float64

AXES = ("x", "y", "z", "roll", "pitch", "yaw")
# a billionth and a billion, squared, of metres and radians: no sensor is so sure, no filter so lost, and products stay finite
LEAST, MOST = 1e-18, 1e18
TOLERANCE = 1e-6


def fault_of(covariance: Float64) -> str:
    """Return what is wrong with a covariance (6, 6) in ROS order, as the rest of a sentence that begins with its name.

    Empty where nothing is: finite, variances from LEAST to MOST, symmetric, and nowhere negative within TOLERANCE.
    """
    if not np.isfinite(covariance).all():
        return f"has {int((~np.isfinite(covariance)).sum())} NaN or infinite values"
    variances = covariance.diagonal()
    if variances.min() <= 0:
        return f"has variance {variances.min():g} in {AXES[int(variances.argmin())]}, which has to be positive"
    for axis, variance in zip(AXES, variances, strict=True):
        if not LEAST <= variance <= MOST:
            return f"has variance {variance:g} in {axis}, which is none: state one from {LEAST:g} to {MOST:g}"
    # metres and radians differ by orders of magnitude: judged as correlations
    sigmas = np.sqrt(variances)
    with np.errstate(over="ignore"):
        most = float((np.abs(covariance) / sigmas / sigmas[:, None]).max())
    if most > 1 + TOLERANCE:
        return f"is not positive semidefinite (a correlation of {most:.3g})"
    correlation = covariance / np.outer(sigmas, sigmas)
    skewness = float(np.abs(correlation - correlation.T).max())
    if skewness > TOLERANCE:
        return f"is not symmetric (by {skewness:.3g} of the correlation)"
    smallest = float(np.linalg.eigvalsh((correlation + correlation.T) / 2)[0])
    if smallest < -TOLERANCE:
        return f"is not positive semidefinite (eigenvalue {smallest:.3g})"
    return ""


def information_of(covariance: Float64) -> Float64:
    """Return the inverse (N, N) of a covariance whose correlations may be full.

    A combination of its axes that it states as exact, or that misses a covariance by TOLERANCE, is taken to be known within
    that share of their variances.
    """
    sigmas = np.sqrt(covariance.diagonal())
    scale = np.outer(sigmas, sigmas)
    values, vectors = np.linalg.eigh(covariance / scale)
    information: Float64 = (vectors / np.maximum(values, TOLERANCE)) @ vectors.T / scale
    return information
