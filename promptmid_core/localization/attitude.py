"""What an error of the attitude does to a position: the ground that is seen stays, and the aircraft seems to be elsewhere."""

from __future__ import annotations

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose
from promptmid_core.geometry.pose import skew
from promptmid_core.localization.fix import GroundPoint

TENTH = float(np.deg2rad(0.1))
LEVEL = -1e-3  # a sight's downward part, at least


def offset(rotation: Float64, sight: Float64, above: float) -> Float64:
    """Return how far east and north (2,) of an aircraft the ground is that it sees along `sight` (3,), in its own axes, from
    `above` metres; `rotation` (3, 3) from its axes to `map`."""
    ray = rotation @ sight
    aside: Float64 = ray[:2] * (-above / min(float(ray[2]), LEVEL))
    return aside


def swing(rotation: Float64, sight: Float64, above: float) -> Float64:
    """Return how `offset` changes with small turns of the sight about the aircraft's axes of roll and pitch (2, 2), in metres per
    radian."""
    ray = rotation @ sight
    down = min(float(ray[2]), LEVEL)
    turned = -rotation @ skew(sight)[:, :2]
    change: Float64 = -above / down * (turned[:2] - np.outer(ray[:2], turned[2]) / down)
    return change


def metres_per_tenth(above: float) -> float:
    """Return by how many metres a tenth of a degree of roll or of pitch moves a fix from `above` metres over the ground, of a
    camera that looks straight down."""
    return above * float(np.tan(TENTH))


def metres_per_tenth_at(pose: Pose, ground: GroundPoint) -> float:
    """Return by how many metres at most a tenth of a degree of attitude moves a fix of this pose, which sees this ground."""
    above = float(pose.position[2] - ground.point[2])
    return metres_per_tenth(float(np.linalg.norm(swing(pose.rotation, ground.sight, above), 2)))
