"""What the error of a fix is made of, by how it comes back in the fixes after."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float64


@dataclass(frozen=True)
class Parts:
    """Covariances (2, 2) in m2, of east and north, that add up to that of a place.

    `matching`: new with each image; `ground`: of what the ground looks like on both sides, of what has changed there since the
    map was taken, and of the map, which another fix shares as far as it shows the same ground; `attitude`: of the prior's roll,
    pitch and height, which stay alike for a time; `camera`: of the mount, the principal point and the stamps' delay, which are
    always the same.
    """

    matching: Float64
    ground: Float64
    attitude: Float64
    camera: Float64

    @property
    def total(self) -> Float64:
        """The covariance (2, 2) of one fix by itself."""
        total = self.matching + self.ground + self.attitude + self.camera
        return np.asarray((total + total.T) / 2, np.float64)

    def wider(self, covariance: Float64) -> Parts:
        """Return the parts with so much more (2, 2) in that of the ground."""
        return replace(self, ground=self.ground + covariance)

    def doubted(self, move: Float64) -> Parts:
        """Return the parts where the ground may as well lie a move (2,) aside."""
        return self.wider(np.outer(move, move))


@dataclass(frozen=True)
class ErrorBudget:
    """What a solution may be wrong by beside what its tie points show.

    `correlation`: factor on the covariance of tie points that share ground; `floor`: metres an axis, of the map's own place and
    of what has changed there; `refined`: share of the variance of a place by tie points that is left when all of the patch has
    refined it; `tilt`, `turn`: radians, of how the camera is mounted, about a level axis and about the vertical; `delay`:
    seconds, of when an image was taken. All but the first and third are standard deviations.
    """

    correlation: float
    floor: float
    refined: float = 1.0
    tilt: float = 0.0
    turn: float = 0.0
    delay: float = 0.0
