"""A place that the prior, as sure as it states to be, speaks against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.reasons import Reason

OVERRULED = 4.0  # standard deviations of the prior from which a fix overrules it
LEAST_GROUND = 1.5  # footprints of ground that a first place which does so has to be known by
LEAST_M2 = 1e-6


@dataclass(frozen=True)
class Likeliest:
    """The likeliest place by a frame: its `pose` in `map`, `reckoned` in the frame of dead reckoning; in how many `frames` it has
    been that, and the square metres of `ground` that they have seen."""

    pose: Pose
    reckoned: Pose
    ground: float
    frames: int = 1

    def after(self, before: Likeliest | None, new: float, reach: float) -> Likeliest:
        """Return it after another frame's, of which this place is the same if dead reckoning leads from one to the other within
        `reach` metres; then so much of the ground in view as is `new` counts beside what was seen before."""
        if before is None:
            return self
        turn = Pose.from_rpy(np.zeros(3), 0.0, 0.0, before.pose.yaw - before.reckoned.yaw).rotation
        led = before.pose.position + turn @ (self.reckoned.position - before.reckoned.position)
        apart = float(np.hypot(*(led - self.pose.position)[:2]))
        if apart > reach:
            return self
        return replace(self, ground=before.ground + new * self.ground, frames=before.frames + 1)


def overruled(pose: Pose, covariance: Float64, prior: Prior) -> float:
    """Return by how many standard deviations of both a pose with its covariance (6, 6) lies from the prior; 0 where that may be
    chance."""
    delta = (pose.position - prior.pose.position)[:2]
    values, vectors = np.linalg.eigh((covariance + prior.covariance)[:2, :2])
    # a full correlation leaves rounding for the narrow axis
    distance = float(np.sqrt(((vectors.T @ delta) ** 2 / np.maximum(values, LEAST_M2)).sum()))
    return distance if distance > OVERRULED else 0.0


def check_ground(distance: float, footprints: float) -> None:
    """A first place that overrules the prior is known by more than one look: a map may have a piece of its ground elsewhere.

    `distance`: standard deviations, as `overruled` says; `footprints`: how much ground was seen while it was the likeliest place,
    for what was seen before spoke for others. Raises Refusal AMBIGUOUS.
    """
    if distance and footprints < LEAST_GROUND:
        raise Refusal(Reason.AMBIGUOUS, f"the place found overrules the prior by {distance:.0f} standard deviations, and "
                                        f"{footprints:.1f} footprints of ground are too little for that")
