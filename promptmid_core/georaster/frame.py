"""The `map` frame: which projected CRS and which origin a raster is worked on in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError
from promptmid_core.geometry.grid import Bounds
from promptmid_core.georaster.proj import crs_of, of_the_earth, transformer
from promptmid_core.georaster.source import one_line, opened

if TYPE_CHECKING:
    import pyproj

LARGEST_SCALE_ERROR = 1e-3
LEAST_PIXEL_M, MOST_PIXEL_M = 1e-3, 1e5  # finer than any camera shows the ground, coarser than any raster tells places
ORIGIN_STEP_M = 1000
OF_FILES = re.compile("grids|init=|parameterfile", re.IGNORECASE)  # in the name of a CRS
GRID_BY_PATH = re.compile(r"""(grids=|PARAMETERFILE\[\s*"[^"]*"\s*,\s*")@?[^"\s,]*[/\\]""", re.IGNORECASE)  # in WKT
FURTHEST_DEG = 540.0  # no raster counts longitudes beyond one turn and a half


@dataclass(frozen=True)
class MapFrame:
    """What the `map` frame is: a projected CRS and the easting and northing (E0, N0) of x = y = 0."""

    crs: str
    origin: tuple[float, float]


def ground_resolution(path: Path) -> float:
    """Return the metres on the ground per pixel at the raster's centre; the geometric mean of the two sides where they differ.

    Raises InputError where a side is shorter than LEAST_PIXEL_M or longer than MOST_PIXEL_M.
    """
    import pyproj

    with opened(path) as source:
        col, row = source.width / 2, source.height / 2
        cols, rows = np.array([col - 0.5, col + 0.5, col, col]), np.array([row, row, row - 0.5, row + 0.5])
        own = own_crs(path, source.placement.crs)
        ends = source.placement.ground(cols, rows)
    lon, lat = transformer(own, "EPSG:4326").transform(*ends)
    # lengths on the ellipsoid, whatever the projection does to its own units
    _, _, length = pyproj.Geod(ellps="WGS84").inv(lon[0::2], lat[0::2], lon[1::2], lat[1::2])
    if not ((length >= LEAST_PIXEL_M) & (length <= MOST_PIXEL_M)).all():
        raise InputError(f"{path} has pixels of {length[0]:.3g} x {length[1]:.3g} m on the ground, where {LEAST_PIXEL_M:g} to "
                         f"{MOST_PIXEL_M:g} m can be; check its geotransform and CRS")
    return round(sqrt(float(length[0]) * float(length[1])), 6)


def map_frame(path: Path, crs: str | None = None, others: Sequence[Path] = ()) -> MapFrame:
    """Return the `map` frame for a raster, or for several that make one map: the UTM zone of their middle, or `crs`.

    The origin is the centre of the rasters' bounds, rounded to 1000 m. Raises InputError where the CRS is not projected in metres
    to the east and north, is a Mercator projection, or has a point scale off by more than 0.1 % somewhere on the rasters.
    """
    lon, lat = _places(path)
    middle = float(lon[len(lon) // 2]), float(lat[len(lat) // 2])
    if others:
        known = [(lon, lat), *map(_places, others)]
        # turned so that no step at the date line comes between rasters
        lon = np.concatenate([(east - middle[0] + 180) % 360 - 180 + middle[0] for east, _ in known])
        lat = np.concatenate([north for _, north in known])
        middle = float(lon.min() + lon.max()) / 2, float(lat.min() + lat.max()) / 2
    utm = _utm_zone(*middle)
    chosen = _projection(crs, utm) if crs else crs_of(utm)

    error = _scale_error(chosen, lon, lat)
    if not error <= LARGEST_SCALE_ERROR:
        advice = _advice(utm if crs else None, middle, lon, lat)
        if others:
            what = f"{path} and the {len(others)} other rasters together do"
            advice = (f"{advice}, or build the map of those that lie together and add the others with 'promptmid map append', "
                      "each region in its own zone")
        else:
            what = f"{path} does"
        raise InputError(f"{what} not fit {crs or utm}, whose scale is off by {error:.2%} there (0.1% is allowed); {advice}")

    ends = [_extent(file, chosen) for file in (path, *others)]
    origin = (_rounded((min(x[0] for x, _ in ends) + max(x[1] for x, _ in ends)) / 2),
              _rounded((min(y[0] for _, y in ends) + max(y[1] for _, y in ends)) / 2))
    authority = chosen.to_authority(min_confidence=100)
    return MapFrame(":".join(authority) if authority else str(crs), origin)


def _places(path: Path) -> tuple[Float64, Float64]:
    """Longitudes and latitudes (441,) of points spread over a raster; InputError where it has no place on the Earth."""
    own, x, y = _spread(path)
    lon, lat = transformer(own, "EPSG:4326").transform(x, y)
    if not (np.abs(lon) <= FURTHEST_DEG).all() or not (np.abs(lat) <= 90).all():
        raise InputError(f"{path} lies where its own CRS has no place on the Earth; check its geotransform and CRS")
    return lon, lat


def _extent(path: Path, crs: pyproj.CRS) -> tuple[tuple[float, float], tuple[float, float]]:
    """Least and greatest easting, and northing, of a raster."""
    own, x, y = _spread(path)
    east, north = transformer(own, crs).transform(x, y)
    return (float(east.min()), float(east.max())), (float(north.min()), float(north.max()))


def _spread(path: Path) -> tuple[pyproj.CRS, Float64, Float64]:
    """A raster's CRS, and in it 21 x 21 points from edge to edge."""
    with opened(path) as source:
        col, row = (a.ravel() for a in np.meshgrid(np.linspace(0, source.width, 21), np.linspace(0, source.height, 21)))
        own = own_crs(path, source.placement.crs)
        return own, *source.placement.ground(col, row)


def own_crs(path: Path, crs: Any) -> pyproj.CRS:
    """Return the CRS of a raster. Raises InputError where it has none, or none of a place on the Earth."""
    from pyproj.exceptions import CRSError

    if crs is None:
        raise InputError(f"{path} has no CRS; set the one it was made in, e.g. with gdal_edit.py -a_srs EPSG:N")
    if GRID_BY_PATH.search(crs.to_wkt()):
        raise InputError(f"{path} has a CRS that names a file by its path, which PROJ would read; set another with gdal_edit.py "
                         "-a_srs EPSG:N")
    try:
        own = crs_of(crs)
    except CRSError as error:
        raise InputError(f"{path} has a CRS that PROJ cannot read ({one_line(error)}); set another with gdal_edit.py -a_srs "
                         "EPSG:N") from error
    if not own.is_geographic and not own.is_projected:
        raise InputError(f"{path} has a CRS without a place on the Earth ({own.name}); give it a projected or geographic one")
    if not of_the_earth(own):
        radius = own.ellipsoid.semi_major_metre / 1e3 if own.ellipsoid else 0
        raise InputError(f"{path} does not lie on the Earth: its CRS, {own.name}, is that of a body with a radius of "
                         f"{radius:.0f} km; if that is a slip, set the right one with gdal_edit.py -a_srs EPSG:N")
    return own


def _rounded(metres: float) -> float:
    return float(round(metres / ORIGIN_STEP_M) * ORIGIN_STEP_M)


def _utm_zone(lon: float, lat: float) -> str:
    zone = int((lon + 180) % 360 // 6) + 1
    return f"EPSG:{32600 + zone if lat >= 0 else 32700 + zone}"


def _projection(name: str, utm: str) -> pyproj.CRS:
    """The CRS of that name; InputError where a map cannot be made in it whatever its place."""
    trouble = trouble_of(name)
    if trouble:
        raise InputError(f"{trouble}; use --crs {utm}, the UTM zone of the raster's centre")
    return crs_of(name)


@lru_cache(maxsize=32)
def trouble_of(name: str) -> str:
    """Return why no map can be laid out in the CRS of that name, whatever its place; empty where one can."""
    from pyproj.exceptions import CRSError

    named = f"'{name:.60}'"
    if OF_FILES.search(name):
        # what lies in one, or what takes its place, is no part of a name
        return f"{named} is a CRS that reads files"
    try:
        # PROJ takes a text up to its first NUL, and none that is no Unicode
        crs = crs_of(name) if "".join(name.split()).isprintable() else None
    except CRSError:
        crs = None
    if crs is None:
        return f"{named} is no CRS that PROJ knows"
    named = f"{name:.60} ({crs.name:.60})"
    if not of_the_earth(crs):
        return f"{named} is not a CRS of the Earth"
    if not crs.is_projected or crs.is_compound:
        return f"{named} is not a plain projected CRS"
    method = crs.coordinate_operation.method_name if crs.coordinate_operation else ""
    if "mercator" in method.lower() and not any(word in method.lower() for word in ("transverse", "oblique")):
        return f"{named} is a Mercator projection, whose metres are not metres on the ground"
    if any(axis.unit_name not in ("metre", "meter") for axis in crs.axis_info):
        return f"{named} is not in metres"
    if any(axis.direction in ("west", "down") for axis in crs.axis_info):
        return f"{named} does not count to the east and north"
    return ""


def lies_on_earth(frame: MapFrame, bounds: Bounds) -> bool:
    """Return whether the corners and the middle of what is within bounds in the `map` frame are places on the Earth."""
    west, south, east, north = bounds
    x = np.array([west, east, west, east, (west + east) / 2]) + frame.origin[0]
    y = np.array([south, south, north, north, (south + north) / 2]) + frame.origin[1]
    way = transformer(frame.crs, "EPSG:4326")
    lon, lat = way.transform(x, y)
    if not (np.isfinite(lon).all() and (np.abs(lat) <= 90).all()):
        return False
    # some projections go on round the Earth
    there = way.transform(lon, lat, direction="INVERSE")
    return bool(np.allclose(there, (x, y), rtol=0, atol=1.0))


def _scale_error(crs: pyproj.CRS, lon: Float64, lat: Float64) -> float:
    """The largest amount by which a metre of the CRS differs from a metre on the ground at these places; inf outside it."""
    import pyproj

    factors = pyproj.Proj(crs).get_factors(lon, lat)
    scales = np.concatenate([np.atleast_1d(factors.tissot_semimajor), np.atleast_1d(factors.tissot_semiminor)])
    return float(np.abs(scales - 1).max()) if np.isfinite(scales).all() else np.inf


def _advice(utm: str | None, middle: tuple[float, float], lon: Float64, lat: Float64) -> str:
    """What to do about a CRS that does not fit: the UTM zone where it fits, a projection of its own, or smaller maps."""
    if utm and _scale_error(crs_of(utm), lon, lat) <= LARGEST_SCALE_ERROR:
        return f"use --crs {utm}"
    local = f"+proj=tmerc +lon_0={middle[0]:.1f} +k=0.9996 +x_0=500000 +datum=WGS84 +units=m +type=crs"
    if _scale_error(crs_of(local), lon, lat) <= LARGEST_SCALE_ERROR:
        return f"use a projection of its own: --crs '{local}'"
    return "it is too wide for one map: cut it into regions of at most 500 km and build a map of each"
