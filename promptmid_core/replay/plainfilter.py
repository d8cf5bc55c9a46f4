"""What a plain filter makes of a flight's fixes: one that takes each for independent of all others, as filters do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose, Prior
from promptmid_core.replay.run import D2_95, ReplayedFrame, unbroken

# odometry is believed to be off by this share of each such stretch of the way, one standard deviation an axis, and of each anew
SHARE, STRETCH_PX = 0.01, 10.0


@dataclass(frozen=True)
class Estimate:
    """East and north in `map`, metres: `place` (2,) and its `covariance` (2, 2)."""

    place: Float64
    covariance: Float64

    def moved(self, before: Prior, after: Prior, gsd_m: float) -> Estimate:
        """Return the estimate moved by odometry.

        The way is that of the aircraft's motion alone, turned into `map` by the heading that the prior had before. Its noise is a
        random walk: a variance for each metre, so that it does not depend on how often odometry or images come.
        """
        first, last = before.way, after.way
        step = (before.map_from_motion.rotation @ (last.pose.position - first.pose.position))[:2]
        variance = SHARE ** 2 * STRETCH_PX * gsd_m * float(np.hypot(*step)) + last.unsure_since(first) ** 2
        return Estimate(self.place + step, self.covariance + variance * np.eye(2))

    def updated(self, place: Float64, covariance: Float64) -> Estimate:
        """Return the estimate with a fix (2,) and its covariance (2, 2) taken in."""
        gain = np.linalg.solve(self.covariance + covariance, self.covariance).T
        keep = np.eye(2) - gain
        # Joseph's form stays symmetric and positive
        return Estimate(self.place + gain @ (place - self.place), keep @ self.covariance @ keep.T + gain @ covariance @ gain.T)


def followed(frames: Sequence[ReplayedFrame], gsd_m: float) -> dict[str, Any]:
    """Return how good and how honest the estimate of a plain filter is, at each fix after the first of a flight.

    The filter has east and north alone. It begins at the first fix, moves by odometry and takes in every fix under its own
    covariance. `coverage95`: share of its errors inside its 95 % ellipse; `nees`: mean of their squared Mahalanobis distances,
    which is 2 where it is honest; `error_px`: their `median` and `p95`; `stated_px`: median of the root of its summed variances.
    None where no fix after a first has a truth.
    """
    judged = [each for flight in unbroken(frames) for each in _judged(flight, gsd_m)]
    if not judged:
        return {"coverage95": None, "nees": None, "error_px": {"median": None, "p95": None}, "stated_px": None}
    d2, error_px, stated_px = np.array(judged).T
    return {
        "coverage95": float((d2 <= D2_95).mean()),
        "nees": round(float(d2.mean()), 6),
        "error_px": {"median": round(float(np.median(error_px)), 6), "p95": round(float(np.percentile(error_px, 95)), 6)},
        "stated_px": round(float(np.median(stated_px)), 6),
    }


def _judged(flight: Sequence[ReplayedFrame], gsd_m: float) -> Iterator[tuple[float, float, float]]:
    """Squared Mahalanobis distance, error and stated sigma in px, at each fix after the first that has a truth."""
    estimate: Estimate | None = None
    last: Prior | None = None
    for frame in flight:
        fix, prior = frame.fix, frame.fix.candidate.prior
        if prior is not None and (last is None or prior.stamp_ns > last.stamp_ns):
            if estimate is not None and last is not None:
                estimate = estimate.moved(last, prior, gsd_m)
            last = prior
        if fix.pose is None or fix.covariance is None:
            continue
        place, covariance = fix.pose.position[:2], fix.covariance[:2, :2]
        if estimate is None:
            estimate = Estimate(place, covariance)
            continue
        estimate = estimate.updated(place, covariance)
        if frame.truth is not None:
            yield _against(estimate, frame.truth, gsd_m)


def _against(estimate: Estimate, truth: Pose, gsd_m: float) -> tuple[float, float, float]:
    error = estimate.place - truth.position[:2]
    return (float(error @ np.linalg.solve(estimate.covariance, error)), float(np.hypot(*error)) / gsd_m,
            float(np.sqrt(np.trace(estimate.covariance))) / gsd_m)
