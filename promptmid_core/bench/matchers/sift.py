"""SIFT: key points, the method that most people would try first."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.bench.matchers.keypoints import INLIER_PX, LEAST_INLIERS, by_similarity
from promptmid_core.bench.matchers.matcher import Answer, Patch, Reach, Window, grey

RATIO = 0.8  # of the distances to the nearest and the second nearest descriptor (Lowe 2004)


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
        return by_similarity(np.array([seen[match.queryIdx].pt for match in matches]),
                             np.array([around[match.trainIdx].pt for match in matches]), patch, window, reach)
