"""A place that the prior, as sure as it states to be, speaks against."""

from __future__ import annotations

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.reasons import Reason

OVERRULED = 4.0  # standard deviations of the prior from which a fix overrules it
LEAST_GROUND = 1.5  # footprints of ground that a first place which does so has to be known by
LEAST_M2 = 1e-6


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
