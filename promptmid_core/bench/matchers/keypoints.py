"""From matched key points to an answer: a similarity, or a shift where nothing else is unknown."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.bench.matchers.matcher import Answer, Patch, Reach, Window

INLIER_PX = 3.0
LEAST_INLIERS = 6
TWO = 2  # matches that a similarity takes


def by_similarity(seen: Float64, around: Float64, patch: Patch, window: Window, reach: Reach) -> Answer | None:
    """Return the answer of matches (N, 2) each, pixels (x, y) of patch and window: the similarity that RANSAC finds.

    None where it finds none, or one out of reach.
    """
    if len(seen) < TWO:
        return None
    cv2.setRNGSeed(0)  # RANSAC draws at random; the same trial must give the same answer
    found: tuple[Any, Any] = cv2.estimateAffinePartial2D(  # OpenCV's own types forget that it may find none
        seen, around, method=cv2.RANSAC, ransacReprojThreshold=INLIER_PX)
    similarity, inliers = found
    if similarity is None:
        return None
    place = similarity @ [*np.full(2, (len(patch.image) - 1) / 2), 1.0] - (len(window.image) - 1) / 2
    if np.abs(place).max() > reach.radius + 0.5:
        return None
    return Answer(float(place[0]), float(place[1]), int(inliers.sum()) >= LEAST_INLIERS,
                  float(np.arctan2(similarity[1, 0], similarity[0, 0])), float(np.hypot(*similarity[:, 0])))


def by_shift(seen: Float64, around: Float64, patch: Patch, window: Window, reach: Reach) -> Answer | None:
    """Return the answer of matches (N, 2) each: of the shifts in reach that they say, the mean of most that agree.

    None where none is in reach.
    """
    shifts = around - seen - (len(window.image) - len(patch.image)) / 2
    shifts = shifts[np.abs(shifts).max(axis=1, initial=0) <= reach.radius + 0.5]
    if not len(shifts):
        return None
    agree = np.hypot(*(shifts[:, None] - shifts).transpose(2, 0, 1)) <= INLIER_PX
    chosen = agree[agree.sum(axis=1).argmax()]
    x, y = shifts[chosen].mean(axis=0)
    return Answer(float(x), float(y), int(chosen.sum()) >= LEAST_INLIERS)
