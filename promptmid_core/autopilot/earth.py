"""Places and directions on the ellipsoid WGS84, and north-east-down axes."""

from __future__ import annotations

from functools import lru_cache
from math import atan2, cos, degrees, hypot, radians, sin
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose
from promptmid_core.georaster.proj import check_pyproj

NED_FROM_ENU = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
FLU_FROM_FRD = np.diag([1.0, -1.0, -1.0])


def true_from_map(convergence: float) -> Float64:
    """Return the matrix (3, 3) that turns vectors in `map` to true east, north and up; `convergence`: azimuth of grid north."""
    c, s = cos(convergence), sin(convergence)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def advanced(latitude: float, longitude: float, east: float, north: float) -> tuple[float, float]:
    """Return latitude and longitude of a place that lies so many metres on the ellipsoid from one in degrees."""
    azimuth, metres = degrees(atan2(east, north)), hypot(east, north)
    its_longitude, its_latitude, _ = _geod().fwd(longitude, latitude, azimuth, metres)
    return float(its_latitude), float(its_longitude)


def north_east(origin: tuple[float, float], latitude: float, longitude: float) -> tuple[float, float]:
    """Return the metres north and east of an origin (latitude, longitude): along the geodesic, by its azimuth there."""
    azimuth, _, metres = _geod().inv(origin[1], origin[0], longitude, latitude)
    return float(metres) * cos(radians(azimuth)), float(metres) * sin(radians(azimuth))


def attitude_ned(rotation: Float64, convergence: float) -> tuple[float, float, float]:
    """Return roll, pitch and yaw in radians of forward-right-down axes in true north-east-down ones; `rotation` (3, 3):
    `base_link` -> `map`."""
    turned = NED_FROM_ENU @ true_from_map(convergence) @ rotation @ FLU_FROM_FRD
    return Pose(np.zeros(3), turned).rpy()


@lru_cache(maxsize=1)
def _geod() -> Any:
    check_pyproj()
    import pyproj

    return pyproj.Geod(ellps="WGS84")
