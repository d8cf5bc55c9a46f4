"""A shift, turn and scale on the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64

LEAST_SIZE = 1e-6  # m2, the sum of squared distances from the middle: points nearer together are one place

@dataclass(frozen=True)
class Similarity:
    """p -> centre + (east, north) + scale * R(yaw) (p - centre), in metres and radians, counter-clockwise from above."""

    centre: tuple[float, float]
    east: float = 0.0
    north: float = 0.0
    yaw: float = 0.0
    scale: float = 1.0

    def apply(self, points: Float64) -> Float64:
        """Return ground points (N, 2) of the frame, as the prior sees them -> where they lie on the map."""
        return np.column_stack(self.moved(*points.T))

    def moved(self, x: Float64, y: Float64) -> tuple[Float64, Float64]:
        """Do what `apply` does, by coordinates that broadcast against each other."""
        c, s = self.scale * np.cos(self.yaw), self.scale * np.sin(self.yaw)
        across, down = x - self.centre[0], y - self.centre[1]
        return c * across - s * down + (self.centre[0] + self.east), s * across + c * down + (self.centre[1] + self.north)

    def undone(self, points: Float64) -> Float64:
        """Return the points (N, 2) of the frame that lie at these on the map."""
        c, s = np.cos(self.yaw) / self.scale, np.sin(self.yaw) / self.scale
        across, up = (points - self.centre - [self.east, self.north]).T
        return np.column_stack([c * across + s * up, c * up - s * across]) + self.centre

    @staticmethod
    def between(points: Float64, moved: Float64) -> Similarity:
        """Return the similarity that takes points (N, 2) to `moved` with the least squared distance (Umeyama 1991).

        Points that are all at one place tell a shift alone.
        """
        middle = points.mean(axis=0)
        a, b = points - middle, moved - moved.mean(axis=0)
        size = float((a ** 2).sum())
        (x, y), (east, north) = middle.tolist(), (moved.mean(axis=0) - middle).tolist()
        if size < LEAST_SIZE:
            return Similarity((x, y), east, north)
        along, across = float((a * b).sum()) / size, float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / size
        return Similarity((x, y), east, north, float(np.arctan2(across, along)), float(np.hypot(along, across)))
