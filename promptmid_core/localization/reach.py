"""Where on the map a frame may be: the level that it is matched on, and how far around the expected place to look there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Grid, Pose, Prior, boresight_point, ground_resolution
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.options import Options
from promptmid_core.matching.search import Extent
from promptmid_core.matching.sought import COARSE_FACTOR
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap

MOST_SCALE = 0.7  # share of the height by which it may be wrong to both sides


@dataclass(frozen=True)
class Scope:
    """The map at the level that a frame is matched on, how far to search there, and the `height` above ground in metres."""

    level: ReferenceMap
    extent: Extent
    height: float


def scope_of(frame: Frame, expected: Expectation, reference: ReferenceMap, terrain: Terrain, options: Options) -> Scope:
    """Return where a frame is looked for.

    Raises Refusal: FRAME_TOO_COARSE, VIEW_NOT_DOWN, or PRIOR_TOO_UNCERTAIN, where the tilt alone may take it anywhere.
    """
    level = level_of(frame, expected.pose, reference, terrain)
    height = float(expected.pose.position[2] - boresight_point(frame.camera, expected.pose, terrain)[2])
    most = options.search.most_radius_px * level.gsd
    swing = swing_of(expected.prior, height, level, reference, options)
    radius = np.clip(np.hypot(expected.radius, swing), options.search.least_radius_px * level.gsd, most)
    return Scope(level, Extent(float(radius), expected.yaw, min(expected.height / max(height, 1.0), MOST_SCALE)), height)


def swing_of(prior: Prior, height: float, level: ReferenceMap, reference: ReferenceMap, options: Options) -> float:
    """Return by how many metres the prior's tilt may move the view from a height.

    Raises Refusal PRIOR_TOO_UNCERTAIN where that is more than is searched.
    """
    most = options.search.most_radius_px * level.gsd
    tilt = np.sqrt(float(prior.covariance[[3, 4], [3, 4]].max()))
    swing = float(options.search.sigmas * height * tilt)
    if swing > most:
        raise Refusal(Reason.PRIOR_TOO_UNCERTAIN, f"{options.search.sigmas:g} sigma of the prior's tilt, which is "
                                                  f"{np.rad2deg(tilt):.1f} degrees, are {swing / reference.gsd:.0f} px at "
                                                  f"{height:.0f} m above the ground; at most {most / reference.gsd:.0f} px are "
                                                  "searched")
    return swing


def patch_grid(target: Float64, level: ReferenceMap, finest: Grid, stride: int, side: int) -> Grid:
    """Return the grid of a patch of `side` pixels around a ground point, on whole coarse cells of a level of the map.

    Raises Refusal PRIOR_OUTSIDE_MAP where the point lies beyond the map, whose grid at level 0 is `finest`.
    """
    col, row = finest.to_pixel(target[0], target[1])
    if not (0 <= col < finest.width and 0 <= row < finest.height):
        raise Refusal(Reason.PRIOR_OUTSIDE_MAP, f"the prior looks at map pixel ({col:.0f}, {row:.0f}), "
                                                f"outside the map of {finest.width}x{finest.height} px")
    col, row = level.grid.to_pixel(target[0], target[1])
    cell = stride * COARSE_FACTOR
    return level.grid.cut(snap(float(col) - side / 2, cell), snap(float(row) - side / 2, cell), side, side)


def margin_px(grid: Grid, extent: Extent, stride: int) -> int:
    """Return by how many pixels a search reaches beyond a patch, in whole coarse cells."""
    cell = stride * COARSE_FACTOR
    swing = (extent.yaw + extent.scale) * grid.width * grid.gsd / 2
    return snap((extent.radius + swing) / grid.gsd + 6 * cell, cell)


def snap(value: float, cell: int) -> int:
    """Return the multiple of `cell` that is nearest to a value."""
    return round(value / cell) * cell


def level_of(frame: Frame, pose: Pose, reference: ReferenceMap, terrain: Terrain) -> ReferenceMap:
    """Return the map at the finest level that is not finer than half the frame's own ground resolution."""
    resolution = ground_resolution(frame.camera, pose, terrain)
    for level in range(reference.levels):
        if resolution <= 2 * reference.gsd * 2 ** level:
            return reference.at(level)
    coarsest = reference.gsd * 2 ** (reference.levels - 1)
    raise Refusal(Reason.FRAME_TOO_COARSE, f"the frame shows {resolution:.2f} m per pixel, more than twice the "
                                           f"{coarsest:.2f} m of the map's coarsest level")

