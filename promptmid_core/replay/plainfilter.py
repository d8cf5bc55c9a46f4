"""What a plain filter makes of a flight's fixes: one that takes each for independent of all others, as filters do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.localization.independent import SHARE, STRETCH_PX
from promptmid_core.replay.run import D2_95, ReplayedFrame, unbroken

# a filter each, alike but for the noise of its odometry, whose seed is fixed: one alone would be judged by that noise too
FILTERS, SEED = 100, 0


@dataclass(frozen=True)
class Filtered:
    """East and north in `map` as filters have them, metres: `places` (FILTERS, 2), and the `covariance` (2, 2) of each."""

    places: Float64
    covariance: Float64

    def moved(self, step: Float64, variance: float, rng: np.random.Generator) -> Filtered:
        """Return the estimate moved by odometry: a `step` (2,) and noise of that variance an axis."""
        noise = rng.normal(0.0, np.sqrt(variance), self.places.shape)
        return Filtered(self.places + step + noise, self.covariance + variance * np.eye(2))

    def updated(self, place: Float64, covariance: Float64) -> Filtered:
        """Return the estimate with a fix (2,) and its covariance (2, 2) taken in."""
        gain = np.linalg.solve(self.covariance + covariance, self.covariance).T
        keep = np.eye(2) - gain
        # Joseph's form stays symmetric and positive
        return Filtered(self.places + (place - self.places) @ gain.T,
                        keep @ self.covariance @ keep.T + gain @ covariance @ gain.T)


def followed(frames: Sequence[ReplayedFrame], gsd_m: float) -> dict[str, Any]:
    """Return how good and how honest the estimate of a plain filter is, at each fix after the first of a flight.

    The filter has east and north alone. It begins at the first fix, moves by odometry and takes in every fix under the
    covariance that is published. The odometry is made from the truth, and as good as the filter believes, so that what is wrong
    comes from the fixes: a random walk with a variance for each metre, which does not depend on how often images come.

    `coverage95`: share of its errors inside its 95 % ellipse; `nees`: mean of their squared Mahalanobis distances, which is 2
    where it is honest; `error_px`: their `median` and `p95`; `stated_px`: median of the root of its summed variances. None where
    no two fixes of a flight have a truth.
    """
    judged = [each for flight in unbroken(frames) for each in _judged(flight, gsd_m)]
    if not judged:
        return {"coverage95": None, "nees": None, "error_px": {"median": None, "p95": None}, "stated_px": None}
    d2, error_px, stated_px = np.concatenate(judged, axis=1)
    return {
        "coverage95": float((d2 <= D2_95).mean()),
        "nees": round(float(d2.mean()), 6),
        "error_px": {"median": round(float(np.median(error_px)), 6), "p95": round(float(np.percentile(error_px, 95)), 6)},
        "stated_px": round(float(np.median(stated_px)), 6),
    }


def _judged(flight: Sequence[ReplayedFrame], gsd_m: float) -> Iterator[Float64]:
    """Squared Mahalanobis distance, error and stated sigma in px of each filter (3, FILTERS), at each fix after the first."""
    rng = np.random.default_rng(SEED)
    estimate: Filtered | None = None
    last = np.zeros(2)
    for frame in flight:
        fix = frame.fix
        if frame.truth is None or fix.pose is None or fix.published is None:
            continue
        truth, place, covariance = frame.truth.position[:2], fix.pose.position[:2], fix.published[:2, :2]
        if estimate is None:
            estimate = Filtered(np.tile(place, (FILTERS, 1)), covariance)
        else:
            step = truth - last
            variance = SHARE ** 2 * STRETCH_PX * gsd_m * float(np.hypot(*step))
            estimate = estimate.moved(step, variance, rng).updated(place, covariance)
            yield _against(estimate, truth, gsd_m)
        last = truth


def _against(estimate: Filtered, truth: Float64, gsd_m: float) -> Float64:
    errors = estimate.places - truth
    d2 = (errors * np.linalg.solve(estimate.covariance, errors.T).T).sum(axis=1)
    stated = np.sqrt(np.trace(estimate.covariance))
    return np.stack([d2, np.hypot(*errors.T) / gsd_m, np.full(FILTERS, stated / gsd_m)])
