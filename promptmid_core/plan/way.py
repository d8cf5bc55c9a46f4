"""A route over a map: a line on its ground, how high the aircraft is over it, and whether all of it lies on the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError
from promptmid_core.geometry import Terrain
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.plan.route import Waypoint
from promptmid_core.refmap import ReferenceMap

STEPS = 4000  # points at most that a way is looked at
LEAST_STEP_M = 1.0


@dataclass(frozen=True)
class Way:
    """Points (N, 2) in `map`, evenly along a route: metres `along` it (N,), the `ground` (N,) and the `altitude` (N,) above the
    vertical datum."""

    points: Float64
    along: Float64
    ground: Float64
    altitude: Float64

    @property
    def height(self) -> Float64:
        """Metres above ground (N,)."""
        return self.altitude - self.ground

    @property
    def length(self) -> float:
        return float(self.along[-1])


def way_over(reference: ReferenceMap, route: Sequence[Waypoint], step: float, height: float | None, usual: float,
             path: Path) -> Way:
    """Return the way of a route, a point every `step` metres.

    It is flown level, `height` metres above the median of the ground below; without a height at the route's own altitudes, and
    where it has none at the `usual` height. Raises InputError where a part of it lies off the map.
    """
    terrain = reference.terrain() if reference.has_dem else Terrain.flat()
    earth = Geodetic(reference.frame, reference.vertical_datum)
    corners = np.array([earth.position(point.latitude, point.longitude, 0.0)[:2] for point in route])
    legs = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1)))
    if legs[-1] < LEAST_STEP_M:
        raise InputError(f"{path} has all its places at one; give a route that leads somewhere")
    along = np.linspace(0.0, legs[-1], int(np.clip(np.ceil(legs[-1] / step), 2, STEPS)) + 1)
    points = np.column_stack([np.interp(along, legs, corners[:, i]) for i in (0, 1)])
    _check_inside(reference, points, along, path)
    ground = np.asarray(terrain.height(points[:, 0], points[:, 1]), np.float64)
    told = np.array([point.altitude for point in route])
    if height is None and np.isfinite(told).all():
        under = np.asarray(terrain.height(corners[:, 0], corners[:, 1]), np.float64)
        base = np.array([under[0] if point.over == "home" else 0.0 for point in route])
        over = np.array([point.over == "ground" for point in route])
        level = np.interp(along, legs, told + np.where(over, under, base))
        # between places over ground it is the height that is held
        altitude = ground + np.interp(along, legs, told) if over.all() else level
    else:
        altitude = np.full(len(along), float(np.median(ground)) + (usual if height is None else height))
    return Way(points, along, ground, altitude)


def _check_inside(reference: ReferenceMap, points: Float64, along: Float64, path: Path) -> None:
    west, south, east, north = reference.grid.bounds
    off = ~((points[:, 0] >= west) & (points[:, 0] <= east) & (points[:, 1] >= south) & (points[:, 1] <= north))
    if not np.isfinite(points).all() or off.any():
        first = int(np.flatnonzero(off)[0])
        raise InputError(f"{path} leaves the map {reference.path} after {along[first] / 1000:.1f} km, {off.mean():.0%} of the "
                         "route lies off it; fly inside the map, or build it of a larger raster ('promptmid map info' tells its "
                         "corners)")
