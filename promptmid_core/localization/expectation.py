"""Where a frame is expected, by all that is known before it is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.belief import Belief

LEAST_WEIGHT = 1e-12


@dataclass(frozen=True)
class Expectation:
    """`prior`: the odometry's, over the ground's height as it is known; `pose`: the likeliest one; `radius` metres, `yaw` radians
    and `height` metres: how far from it the frame is looked for; `reckoned` (2,): the position by dead reckoning alone, which the
    corrections of `belief` start from; `tracked`: whether it follows from a place that was known."""

    prior: Prior
    pose: Pose
    radius: float
    yaw: float
    height: float
    reckoned: Float64
    belief: Belief
    tracked: bool = False

    @property
    def correction(self) -> Float64:
        """That of the likeliest pose (2,): metres east and north."""
        return self.pose.position[:2] - self.reckoned

    def log_weight(self, move: Float64) -> float:
        """Return the natural logarithm of the belief in a place that lies a move (2,) from the likeliest one."""
        return float(np.log(max(self.belief.probability(*(self.correction + move)), LEAST_WEIGHT)))
