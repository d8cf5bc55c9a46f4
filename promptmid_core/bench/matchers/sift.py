"""SIFT: key points, the method that most people would try first."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from promptmid_core.bench.matchers.matcher import Answer, Patch, Reach, Window, grey

RATIO = 0.8  # of the distances to the nearest and the second nearest descriptor (Lowe 2004)
INLIER_PX = 3.0
LEAST_INLIERS = 6
TWO = 2  # matches that a similarity takes


class Sift:
    """SIFT (Lowe 2004, IJCV 60(2)), ratio test, and a similarity by RANSAC; it knows turn and scale without trying them."""

    name = "sift"
    gate = f"at least {LEAST_INLIERS} matches within {INLIER_PX:g} px of one similarity"

    def locate(self, patch: Patch, window: Window, reach: Reach) -> Answer | None:
        sift = cv2.SIFT_create(contrastThreshold=0.02)  # type: ignore[attr-defined]
        seen, seen_descriptors = sift.detectAndCompute(grey(patch), patch.valid.astype(np.uint8))
        around, around_descriptors = sift.detectAndCompute(window.image, window.valid.astype(np.uint8))
        if seen_descriptors is None or around_descriptors is None:
            return None
        nearest = cv2.BFMatcher().knnMatch(seen_descriptors, around_descriptors, k=2)
        matches = [pair[0] for pair in nearest if len(pair) == 2 and pair[0].distance < RATIO * pair[1].distance]
        if len(matches) < TWO:
            return None
        cv2.setRNGSeed(0)  # RANSAC draws at random; the same trial must give the same answer
        found: tuple[Any, Any] = cv2.estimateAffinePartial2D(  # OpenCV's own types forget that it may find none
            np.array([seen[match.queryIdx].pt for match in matches]), np.array([around[match.trainIdx].pt for match in matches]),
            method=cv2.RANSAC, ransacReprojThreshold=INLIER_PX)
        similarity, inliers = found
        if similarity is None:
            return None
        place = similarity @ [*np.full(2, (len(patch.image) - 1) / 2), 1.0] - (len(window.image) - 1) / 2
        if np.abs(place).max() > reach.radius + 0.5:
            return None
        return Answer(float(place[0]), float(place[1]), int(inliers.sum()) >= LEAST_INLIERS,
                      float(np.arctan2(similarity[1, 0], similarity[0, 0])), float(np.hypot(*similarity[:, 0])))
