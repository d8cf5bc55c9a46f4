"""The whole ground that a frame shows, laid out by a pose whose place on the map need not be right."""

from __future__ import annotations

import numpy as np

from promptmid_core.geometry import Grid, Patch, Pose, boresight_point, orthorectify, visible
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.clouds import cleared
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.integrity import check_patch
from promptmid_core.localization.options import Options
from promptmid_core.matching.similarity import Similarity

MOST_PX = 1024  # a side: more of a view to the horizon is left out
STEP_PX = 16  # the side is an even multiple of it


def footprint(frame: Frame, pose: Pose, terrain: Terrain, gsd: float, options: Options) -> tuple[Patch, tuple[float, float]]:
    """Return all that a frame shows, in pixels of `gsd` metres and north up by the pose, and the boresight's place in `map`.

    Where the pose has no place on the map, `terrain` is to be flat at the height of its ground: what counts is how the pose is
    turned, and how high it is above that. Raises Refusal where the view does not look down, or shows too little.
    """
    x, y = (float(value) for value in boresight_point(frame.camera, pose, terrain)[:2])
    seen = visible(frame.camera, pose, terrain, _around(x, y, gsd * STEP_PX, MOST_PX // STEP_PX))
    rows, cols = np.nonzero(seen)
    middle = (len(seen) - 1) / 2
    steps = int(np.ceil(max(np.abs(rows - middle).max(initial=0.0), np.abs(cols - middle).max(initial=0.0)))) + 1
    side = min(2 * steps * STEP_PX, MOST_PX)
    patch = cleared(orthorectify(frame.image, frame.camera, pose, terrain, _around(x, y, gsd, side)), options.gates.least_valid)
    check_patch(patch, options)
    return patch, (x, y)


def moved(pose: Pose, by: Similarity, ground: float) -> Pose:
    """Return the pose that sees the ground, `ground` metres high, as `pose` saw it before that was moved."""
    east, north = by.apply(pose.position[None, :2])[0]
    height = ground + by.scale * (pose.position[2] - ground)
    return Pose(np.array([east, north, height]), rotation_rpy(0.0, 0.0, by.yaw) @ pose.rotation)


def _around(x: float, y: float, gsd: float, side: int) -> Grid:
    middle = (side - 1) / 2 * gsd
    return Grid(x - middle, y + middle, gsd, side, side)
