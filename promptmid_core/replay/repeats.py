"""How far the errors of fixes repeat: from place to place, and from one fix to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.replay.run import ReplayedFrame, unbroken

# edges of the distances that pairs of fixes are sorted by, px
EDGES_PX = (0.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
LEAST_PAIRS = 20
MOST_PAIRS = 1_000_000
# an error counts as no longer than so many times the median one, or sigmas: one wrong place would outweigh all others
LONGEST_MEDIANS, LONGEST_SIGMAS = 3.0, 3.0


def autocorrelation(frames: Sequence[ReplayedFrame], gsd_m: float) -> list[dict[str, float | None]]:
    """Return how alike the ground errors of two fixes of a flight are, by the distance between their true ground points.

    One row for each step of EDGES_PX: `px` and `s`, the median distance and time between the two fixes of a pair, None where
    there is no pair; `value`, the mean of e_i . e_j over that of (|e_i|^2 + |e_j|^2) / 2, None where there are fewer than
    LEAST_PAIRS pairs or none is off. The error vectors are cut to LONGEST_MEDIANS, and no mean is taken off: an error that is
    always the same gives 1, one that nothing repeats 0. Of long flights not every fix is paired with all others: about
    MOST_PAIRS are looked at.
    """
    flights = [[frame for frame in flight if frame.ground_error is not None] for flight in unbroken(frames)]
    flights = [fixes for fixes in flights if len(fixes) > 1]
    found = [_pairs(fixes, gsd_m, MOST_PAIRS // len(flights)) for fixes in flights]
    px, seconds, product, square = np.concatenate([np.empty((4, 0)), *found], axis=1)
    rows: list[dict[str, float | None]] = []
    for low, high in pairwise(EDGES_PX):
        those = (low <= px) & (px < high)
        count, whole = int(those.sum()), float(square[those].sum())
        value = round(float(product[those].sum()) / whole, 6) if count >= LEAST_PAIRS and whole > 0 else None
        rows.append({"px": _median(px[those]), "s": _median(seconds[those]), "value": value})
    return rows


def independent_samples(frames: Sequence[ReplayedFrame], error: Callable[[ReplayedFrame], Float64 | None]) -> float | None:
    """Return how many independent samples tell as much of a share, such as that of errors inside their ellipses, as the fixes do.

    `error` gives that of a frame (2,) in its own standard deviations, None where it has none; None where no frame has one.

    n^2 / (n + 2 sum N_k r_k), with N_k pairs of fixes k apart (Bayley and Hammersley, J. R. Stat. Soc. Suppl. 8, 1946): at
    least 1, at most n. r_k = rho_k^2, as an ellipse about 0 holds an error and its opposite alike: of normal errors that
    correlate by rho_k in either axis, what it holds correlates by rho_k^2 at most. rho_k is the mean of z_i . z_(i+k) over that
    of |z|^2, of errors cut to LONGEST_SIGMAS, their mean not taken off; the sum ends where rho_2m + rho_(2m+1) is positive no
    more (the initial positive sequence of Geyer, Statistical Science 7, 1992).
    """
    flights = [[z for frame in flight if (z := error(frame)) is not None] for flight in unbroken(frames)]
    cut = [_cut(np.array(errors), LONGEST_SIGMAS) for errors in flights if errors]
    if not cut:
        return None
    products, pairs = np.zeros((2, max(len(errors) for errors in cut)))
    for errors in cut:
        # of all lags at once: the transform of the power spectrum
        spectrum = np.fft.rfft(errors, 2 * len(errors), axis=0)
        products[:len(errors)] += np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:len(errors)].sum(axis=1)
        pairs[:len(errors)] += np.arange(len(errors), 0, -1)
    if not products[0]:
        return 1.0
    rho = np.clip(products / pairs / (products[0] / pairs[0]), -1.0, 1.0)
    even = len(rho) // 2 * 2
    ended = np.flatnonzero(rho[0:even:2] + rho[1:even:2] <= 0)
    end = 2 * int(ended[0]) if len(ended) else len(rho)
    count = float(pairs[0])
    samples = count ** 2 / (2 * float(pairs[:end] @ rho[:end] ** 2) - count) if end else count
    return round(float(np.clip(samples, 1.0, count)), 3)


def whitened(frame: ReplayedFrame) -> Float64 | None:
    """Return the error (2,) of a fix's position in its own standard deviations, None where it is not known."""
    return None if frame.error is None or frame.fix.covariance is None else _white(frame.error, frame.fix.covariance[:2, :2])


def whitened_ground(frame: ReplayedFrame) -> Float64 | None:
    """Return the error (2,) of a fix's ground point in its own standard deviations, None where it is not known."""
    ground = frame.fix.ground
    if ground is None or frame.true_ground is None:
        return None
    return _white(ground.point[:2] - frame.true_ground, ground.covariance)


def _white(error: Float64, covariance: Float64) -> Float64:
    return np.asarray(np.linalg.solve(np.linalg.cholesky(covariance), error), np.float64)


def _pairs(fixes: Sequence[ReplayedFrame], gsd_m: float, most: int) -> Float64:
    """Of pairs of fixes nearer than the last edge, at most about `most`: distance in px, seconds between, product and mean square
    of their errors (4, pairs)."""
    place = np.array([frame.true_ground for frame in fixes]) / gsd_m
    errors = np.array([frame.ground_error for frame in fixes]) / gsd_m
    errors = _cut(errors, LONGEST_MEDIANS * float(np.median(np.hypot(*errors.T))))
    seconds = np.array([frame.fix.stamp_ns - fixes[0].fix.stamp_ns for frame in fixes]) * 1e-9
    square = (errors ** 2).sum(axis=1)
    found = [np.empty((4, 0))]
    for i in range(0, len(fixes) - 1, ceil(len(fixes) ** 2 / 2 / most)):
        px = np.hypot(*(place[i + 1:] - place[i]).T)
        near = i + 1 + np.flatnonzero(px < EDGES_PX[-1])
        found.append(np.stack([px[near - i - 1], seconds[near] - seconds[i], errors[near] @ errors[i],
                               (square[near] + square[i]) / 2]))
    return np.concatenate(found, axis=1)


def _cut(errors: Float64, longest: float) -> Float64:
    """Errors (n, 2), none of them longer than that."""
    length = np.hypot(*errors.T)
    share: Float64 = np.divide(longest, length, out=np.ones_like(length), where=length > longest)
    return np.asarray(errors * share[:, None], np.float64)


def _median(values: Float64) -> float | None:
    return round(float(np.median(values)), 6) if len(values) else None
