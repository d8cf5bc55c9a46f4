"""A shift, turn and scale on the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Similarity:
    """p -> centre + (east, north) + scale * R(yaw) (p - centre), in metres and radians, counter-clockwise from above."""

    centre: tuple[float, float]
    east: float = 0.0
    north: float = 0.0
    yaw: float = 0.0
    scale: float = 1.0

    def apply(self, points: Array) -> Array:
        """Ground points (N, 2) of the frame, as the prior sees them -> where they lie on the map."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        turn = self.scale * np.array([[c, -s], [s, c]])
        middle = np.array(self.centre)
        moved: Array = (points - middle) @ turn.T + middle + (self.east, self.north)
        return moved

    @staticmethod
    def between(points: Array, moved: Array) -> Similarity:
        """The similarity that takes points (N, 2), N >= 2, to `moved` with the least squared distance (Umeyama 1991)."""
        middle = points.mean(axis=0)
        a, b = points - middle, moved - moved.mean(axis=0)
        size = float((a ** 2).sum())
        along, across = float((a * b).sum()) / size, float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / size
        (x, y), (east, north) = middle.tolist(), (moved.mean(axis=0) - middle).tolist()
        return Similarity((x, y), east, north, float(np.arctan2(across, along)), float(np.hypot(along, across)))
