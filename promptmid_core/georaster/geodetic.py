"""Places in the `map` frame as WGS84 latitude and longitude, the way to true north there, and ellipsoidal heights."""

from __future__ import annotations

from math import cos, isfinite, nan, radians, sin
from typing import NamedTuple

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError
from promptmid_core.georaster.frame import MapFrame
from promptmid_core.georaster.proj import check_pyproj, transformer
from promptmid_core.georaster.undulation import ELLIPSOIDAL, to_ellipsoid

WGS84 = "EPSG:4326"
NORTHWARD_M = 100.0


class Place(NamedTuple):
    """Degrees; `altitude` in metres above the WGS84 ellipsoid, NaN where the vertical datum does not tell it."""

    latitude: float
    longitude: float
    altitude: float


class North(NamedTuple):
    """Grid north at a place: its `azimuth` in radians, clockwise from true north, and the metres of the map for a metre on the
    ellipsoid along it, `scale`."""

    azimuth: float
    scale: float


class Geodetic:
    """The `map` frame on the Earth; `vertical_datum` is the name that the map's metadata give.

    Raises InputError where PROJ does not know the CRS, or any for want of its data.
    """

    def __init__(self, frame: MapFrame, vertical_datum: str) -> None:
        check_pyproj()
        import pyproj
        from pyproj.exceptions import CRSError

        self._frame = frame
        try:
            self._to_wgs84 = transformer(frame.crs, WGS84)
        except CRSError as error:
            raise InputError(f"the map's CRS '{frame.crs}' is none that PROJ knows ({error}); build the map again") from error
        self._geod = pyproj.Geod(ellps="WGS84")
        self._ellipsoidal = vertical_datum in ELLIPSOIDAL
        self._heights = None if self._ellipsoidal else to_ellipsoid(frame.crs, vertical_datum)

    def place(self, x: float, y: float, z: float) -> Place:
        """Turn metres in `map` into WGS84."""
        east, north = self._frame.origin[0] + x, self._frame.origin[1] + y
        longitude, latitude = self._to_wgs84.transform(east, north)
        altitude = z if self._ellipsoidal else nan
        if self._heights is not None:
            altitude = float(self._heights.transform(east, north, z)[2])
        return Place(float(latitude), float(longitude), altitude)

    def position(self, latitude: float, longitude: float, altitude: float) -> tuple[float, float, float]:
        """WGS84, as `place` gives it -> metres in `map`; z is NaN where the vertical datum does not tell it."""
        east, north = self._to_wgs84.transform(longitude, latitude, direction="INVERSE")
        z = altitude if self._ellipsoidal else nan
        if self._heights is not None:
            z = float(self._heights.transform(longitude, latitude, altitude, direction="INVERSE")[2])
        return float(east) - self._frame.origin[0], float(north) - self._frame.origin[1], z if isfinite(z) else nan

    def convergence(self, x: float, y: float) -> float:
        """Return the azimuth of grid north in radians: clockwise from true north."""
        return self.north(x, y).azimuth

    def north(self, x: float, y: float) -> North:
        """Return what grid north is at a place in `map`, metres."""
        east, north = self._frame.origin[0] + x, self._frame.origin[1] + y
        longitude, latitude = self._to_wgs84.transform([east, east], [north, north + NORTHWARD_M])
        azimuth, _, metres = self._geod.inv(longitude[0], latitude[0], longitude[1], latitude[1])
        return North(radians(float(azimuth)), NORTHWARD_M / (float(metres) or nan))

    def turned(self, x: float, y: float, covariance: Float64) -> Float64:
        """Return a covariance (3, 3) in m2 by the axes of `map` at a place -> by east, north and up there."""
        azimuth = self.convergence(x, y)
        # a grid axis of azimuth a points to sin(a) east and cos(a) north
        turn = np.array([[cos(azimuth), sin(azimuth), 0.0], [-sin(azimuth), cos(azimuth), 0.0], [0.0, 0.0, 1.0]])
        return np.asarray(turn @ covariance @ turn.T, np.float64)
