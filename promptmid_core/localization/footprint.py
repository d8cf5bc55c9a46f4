"""The whole ground that a frame shows, laid out by a pose whose place on the map need not be right."""

from __future__ import annotations

import numpy as np

from promptmid_core.geometry import Grid, Patch, Pose, boresight_point, orthorectify
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.integrity import check_patch
from promptmid_core.localization.options import Options
from promptmid_core.localization.reach import snap

MOST_PX = 1024  # a side; of a view to the horizon so much around the boresight
CELL_PX = 16  # the side is a multiple of it
SIDE_RAYS = 9


def footprint(frame: Frame, pose: Pose, terrain: Terrain, gsd: float, options: Options) -> tuple[Patch, tuple[float, float]]:
    """Return all that a frame shows in pixels of `gsd` metres, north up by the pose, and the boresight's place in `map`.

    Where the pose has no place on the map, `terrain` is to be flat at the height of its ground: what counts is how the pose is
    turned, and how high above the ground. At another heading: the pose turned to it. Raises Refusal where the view does not look
    down, or shows too little.
    """
    x, y = (float(value) for value in boresight_point(frame.camera, pose, terrain)[:2])
    reach = _reach(frame, pose, terrain, x, y) / gsd
    side = min(max(snap(2 * reach + CELL_PX / 2, CELL_PX), CELL_PX), MOST_PX)
    middle = (side - 1) / 2 * gsd
    patch = orthorectify(frame.image, frame.camera, pose, terrain, Grid(x - middle, y + middle, gsd, side, side))
    check_patch(patch, options)
    return patch, (x, y)


def _reach(frame: Frame, pose: Pose, terrain: Terrain, x: float, y: float) -> float:
    """Metres east, west, north or south from the boresight's place to the farthest ground on the image's rim."""
    camera, eye = frame.camera, pose @ frame.camera.mount
    right, bottom = camera.width - 1.0, camera.height - 1.0
    across, down = np.linspace(0, right, SIDE_RAYS), np.linspace(0, bottom, SIDE_RAYS)
    rim = [np.column_stack(np.broadcast_arrays(*side)) for side in ((across, 0.0), (across, bottom), (0.0, down), (right, down))]
    points, hit = terrain.intersect(eye.position, camera.rays(np.concatenate(rim)) @ eye.rotation.T)
    if not hit.all():
        return np.inf
    return float(np.abs(points[:, :2] - [x, y]).max())
