"""Where a radar was, and when it saw a place broadside: the zero-Doppler geometry that Sentinel-1 products are laid out in."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, radians, sin

import numpy as np

from promptmid_core.arrays import Float64

A, F = 6378137.0, 1 / 298.257223563  # WGS84
E2 = F * (2 - F)
DEGREE = 6  # of the polynomials through state vectors ten seconds apart, which leave millimetres
NEWTON_STEPS = 8


@dataclass(frozen=True)
class Orbit:
    """State vectors: `times` (N,) in seconds, `positions` (N, 3) in metres, in the axes of the Earth."""

    times: Float64
    positions: Float64

    def seen(self, lon: Float64, lat: Float64, height: float) -> tuple[Float64, Float64]:
        """Return the times (N,) at which places in degrees are broadside, and how far off they are then in metres."""
        middle, half = (self.times[0] + self.times[-1]) / 2, (self.times[-1] - self.times[0]) / 2
        way = [np.polynomial.Polynomial.fit((self.times - middle) / half, axis, min(DEGREE, len(self.times) - 1), domain=[-1, 1],
                                            window=[-1, 1]) for axis in self.positions.T]
        speed = [axis.deriv() for axis in way]
        bend = [axis.deriv() for axis in speed]
        place = earth_fixed(lon, lat, height)
        t = np.zeros(place.shape[1:])
        for _ in range(NEWTON_STEPS):
            off = place - np.array([axis(t) for axis in way])
            velocity = np.array([axis(t) for axis in speed])
            along = (off * velocity).sum(axis=0)
            slope = (off * np.array([axis(t) for axis in bend])).sum(axis=0) - (velocity**2).sum(axis=0)
            # a place far from the scene has no such time, and the answer is nowhere near it
            t = np.clip(t - along / slope, -3.0, 3.0)
        off = place - np.array([axis(t) for axis in way])
        return middle + half * t, np.sqrt((off**2).sum(axis=0))


def earth_fixed(lon: Float64, lat: Float64, height: float) -> Float64:
    """Return x, y and z (3, ...) in metres of places in degrees, at a height above the ellipsoid."""
    east, north = np.radians(lon), np.radians(lat)
    across = A / np.sqrt(1 - E2 * np.sin(north)**2)
    level = (across + height) * np.cos(north)
    return np.array([level * np.cos(east), level * np.sin(east), (across * (1 - E2) + height) * np.sin(north)])


def geodetic(place: Float64) -> tuple[float, float, float]:
    """Return longitude and latitude in degrees and the height of x, y and z in metres."""
    x, y, z = map(float, place)
    level, lat = hypot(x, y), atan2(z, hypot(x, y) * (1 - E2))
    for _ in range(5):
        across = A / (1 - E2 * sin(lat)**2)**0.5
        lat = atan2(z + E2 * across * sin(lat), level)
    across = A / (1 - E2 * sin(lat)**2)**0.5
    return degrees(atan2(y, x)), degrees(lat), level * cos(lat) + z * sin(lat) - A * A / across


def direction_deg(to_radar: Float64, lon: float, lat: float) -> float:
    """Return where a radar looks, clockwise from north, that lies in this direction (3,) from a place in degrees."""
    x, y, z = map(float, to_radar)
    a, b = radians(lon), radians(lat)
    east, north = -sin(a) * x + cos(a) * y, -sin(b) * cos(a) * x - sin(b) * sin(a) * y + cos(b) * z
    return degrees(atan2(-east, -north)) % 360
