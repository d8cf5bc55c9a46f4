"""Where on the map a frame may be, from its prior: the level that it is matched on, and how far around to look there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Grid, Prior, boresight_point, ground_resolution
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.options import Options
from promptmid_core.matching.search import Extent
from promptmid_core.matching.window import COARSE_FACTOR
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap

LEAST_YAW, LEAST_SCALE, MOST_SCALE = np.deg2rad(1.0), 0.01, 0.10


@dataclass(frozen=True)
class Scope:
    """The map at the level that a frame is matched on, and how far to search there."""

    level: ReferenceMap
    extent: Extent


def scope_of(frame: Frame, prior: Prior, reference: ReferenceMap, terrain: Terrain, options: Options) -> Scope:
    """Return where a frame is looked for.

    Raises Refusal: FRAME_TOO_COARSE, VIEW_NOT_DOWN, or PRIOR_TOO_UNCERTAIN, which names the part of the prior that is to blame.
    """
    level = _level(frame, prior, reference, terrain)
    return Scope(level, _extent(frame, prior, level, reference.gsd, terrain, options))


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


def _level(frame: Frame, prior: Prior, reference: ReferenceMap, terrain: Terrain) -> ReferenceMap:
    """The map at the finest level that is not finer than half the frame's own ground resolution."""
    resolution = ground_resolution(frame.camera, prior.pose, terrain)
    for level in range(reference.levels):
        if resolution <= 2 * reference.gsd * 2 ** level:
            return reference.at(level)
    coarsest = reference.gsd * 2 ** (reference.levels - 1)
    raise Refusal(Reason.FRAME_TOO_COARSE, f"the frame shows {resolution:.2f} m per pixel, more than twice the "
                                           f"{coarsest:.2f} m of the map's coarsest level")


def _extent(frame: Frame, prior: Prior, level: ReferenceMap, px: float, terrain: Terrain, options: Options) -> Extent:
    """How far to search, from the prior's covariance; the tilt's share grows with height. `px`: metres a pixel of level 0."""
    target = boresight_point(frame.camera, prior.pose, terrain)
    height = float(prior.pose.position[2] - target[2])
    place = float(np.linalg.eigvalsh(prior.covariance[:2, :2])[-1])
    tilt = float(prior.covariance[[3, 4], [3, 4]].max())
    radius = options.search.sigmas * np.sqrt(place + height ** 2 * tilt)
    if radius > options.search.most_radius_px * level.gsd:
        most_px = options.search.most_radius_px * level.gsd / px
        part = (f"position, whose sigma is {np.sqrt(place):.0f} m" if place > height ** 2 * tilt
                else f"tilt, whose sigma is {np.rad2deg(np.sqrt(tilt)):.1f} degrees at {height:.0f} m above the ground")
        raise Refusal(Reason.PRIOR_TOO_UNCERTAIN, f"{options.search.sigmas:g} sigma of the prior are {radius / px:.0f} px, "
                                                  f"mostly by its {part}; at most {most_px:.0f} px are searched")
    yaw = options.search.sigmas * float(np.sqrt(prior.covariance[5, 5]))
    scale = options.search.sigmas * float(np.sqrt(prior.covariance[2, 2])) / max(height, 1.0)
    return Extent(float(max(radius, options.search.least_radius_px * level.gsd)), float(np.clip(yaw, LEAST_YAW, np.pi)),
                  float(np.clip(scale, LEAST_SCALE, MOST_SCALE)))
