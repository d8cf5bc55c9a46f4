"""A route as it comes: the line of a GeoJSON, the mission of a QGroundControl plan, or a table of places."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from math import isfinite, nan
from pathlib import Path
from typing import Any

from promptmid_core.documents import read_json
from promptmid_core.errors import InputError
from promptmid_core.files import read_regular

KINDS = {".geojson": "GeoJSON", ".json": "GeoJSON", ".plan": "QGroundControl", ".csv": "CSV"}
CURE = "name a .geojson with a line, a .plan of QGroundControl, or a .csv with columns lat and lon"
MOST_BYTES, MOST_POINTS = 64 * 2**20, 100_000
LATITUDES, LONGITUDES = ("lat", "latitude", "lat_deg", "y"), ("lon", "lng", "long", "longitude", "lon_deg", "x")
ALTITUDES = ("alt", "altitude", "altitude_m", "alt_m", "z", "ele", "elevation")
# of MAVLink: heights above the sea, above home, and above the ground below
ABSOLUTE, RELATIVE, OVER_GROUND = {0, 5}, {3, 6}, {10, 11}


@dataclass(frozen=True)
class Waypoint:
    """A place in degrees; `altitude` in metres above the vertical datum, NaN where nothing is said, or `over` "home" or
    "ground"."""

    latitude: float
    longitude: float
    altitude: float = nan
    over: str = "datum"


def read_route(path: Path) -> list[Waypoint]:
    """Return the waypoints of a route, two at least. Raises InputError where the file holds none."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path} is of no kind of route that is known; {CURE}")
    read = {"GeoJSON": _geojson, "QGroundControl": _mission, "CSV": _table}[kind]
    try:
        points = [point for point in read(path)]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as a route ({kind}: {error}); {CURE}") from error
    for point in points:
        if not (abs(point.latitude) <= 90 and abs(point.longitude) <= 360):
            raise InputError(f"{path} has a place at latitude {point.latitude:g}, longitude {point.longitude:g}, which is none; "
                             "give degrees, in GeoJSON the longitude first")
    if not 2 <= len(points) <= MOST_POINTS:
        raise InputError(f"{path} has {len(points)} places of a route, where 2 to {MOST_POINTS} make one; {CURE}")
    return points


def _geojson(path: Path) -> Iterable[Waypoint]:
    """Of the first line of a GeoJSON, or else of its points in their order."""
    shapes = list(_shapes(read_json(path, MOST_BYTES, CURE)))
    lines = [shape["coordinates"] for shape in shapes if shape["type"] == "LineString"]
    lines += [line for shape in shapes if shape["type"] == "MultiLineString" for line in shape["coordinates"]]
    places = lines[0] if lines else [shape["coordinates"] for shape in shapes if shape["type"] == "Point"]
    return [Waypoint(float(place[1]), float(place[0]), _metres(place[2]) if len(place) > 2 else nan) for place in places]


def _shapes(value: Any) -> Iterable[dict[str, Any]]:
    if value["type"] == "FeatureCollection":
        for feature in value["features"]:
            yield from _shapes(feature)
    elif value["type"] == "Feature":
        if value["geometry"] is not None:
            yield from _shapes(value["geometry"])
    elif value["type"] == "GeometryCollection":
        for shape in value["geometries"]:
            yield from _shapes(shape)
    else:
        yield value


def _mission(path: Path) -> Iterable[Waypoint]:
    """Of the items of a mission that are places."""
    for item in _items(read_json(path, MOST_BYTES, CURE)["mission"]["items"]):
        latitude, longitude, altitude = item["params"][4:7]
        # what has no place is a command such as one of speed
        if latitude and longitude:
            frame = item["frame"]
            over = "home" if frame in RELATIVE else "ground" if frame in OVER_GROUND else "datum"
            if frame not in ABSOLUTE | RELATIVE | OVER_GROUND:
                continue
            yield Waypoint(float(latitude), float(longitude), _metres(altitude), over)


def _items(items: Any) -> Iterable[dict[str, Any]]:
    for item in items:
        if item["type"] == "SimpleItem":
            yield item
        else:
            yield from _items(item.get("TransectStyleComplexItem", item).get("Items", []))


def _table(path: Path) -> Iterable[Waypoint]:
    rows = list(csv.reader(StringIO(read_regular(path, MOST_BYTES, CURE).decode("utf-8-sig"))))
    names = [name.strip().lower() for name in rows[0]] if rows else []
    lat, lon, alt = (next((names.index(name) for name in known if name in names), None)
                     for known in (LATITUDES, LONGITUDES, ALTITUDES))
    if lat is None or lon is None:
        raise InputError(f"{path} has no columns lat and lon in its first line, but {', '.join(names[:12]) or 'nothing'}; {CURE}")
    return [Waypoint(float(row[lat]), float(row[lon]), _metres(row[alt]) if alt is not None else nan)
            for row in rows[1:] if any(cell.strip() for cell in row)]


def _metres(value: Any) -> float:
    if value is None or value == "":
        return nan
    metres = float(value)
    return metres if isfinite(metres) else nan
