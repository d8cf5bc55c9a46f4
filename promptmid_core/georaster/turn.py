"""Once round the Earth: longitudes of any count, and CRSs whose x begins again where a turn is full."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.georaster.proj import crs_of, transformer

if TYPE_CHECKING:
    import pyproj

ORIGIN = "Longitude of natural origin"
# PROJ turns no Web Mercator away from Greenwich; the Mercator of its sphere is the same, where nothing is done to the latitudes
WEB_MERCATOR = "Popular Visualisation Pseudo Mercator"
SPHERICAL = "+proj=merc +a=6378137 +b=6378137 +lon_0={} +x_0=0 +y_0=0 +units=m +nadgrids=@null +type=crs"
CYLINDRICAL = ("mercator", "cylindrical", "plate carree", "miller")
NOT_CYLINDRICAL = ("transverse", "oblique")


@dataclass(frozen=True)
class Turn:
    """`length`: by how much the x of a CRS grows once round the Earth; PROJ gives it within half of that from `middle`."""

    length: float
    middle: float

    def unbroken(self, x: Float64, near: float) -> Float64:
        """Take away full turns, so that places close together have x (N,) close together, the middle one's nearest to `near`."""
        if not x.size:
            return x
        first = x[x.size // 2]
        turns = np.round((x - first) / self.length) + np.round((first - near) / self.length)
        return np.asarray(x - self.length * turns, np.float64)

    def shift(self, left: float, right: float) -> float | None:
        """Return what to add to a span of x so that PROJ gives all of it without a step; None where a step lies within."""
        full = -self.length * round(((left + right) / 2 - self.middle) / self.length)
        inside = max(abs(left + full - self.middle), abs(right + full - self.middle)) <= self.length / 2
        return full if inside else None


@lru_cache(maxsize=64)
def turn_of(wkt: str) -> Turn | None:
    """Return the turn of a CRS; None where its x does not come back to where it began, as in a UTM zone."""
    crs = _plain(crs_of(wkt))
    if crs.is_geographic:
        return Turn(360.0, 0.0) if crs.axis_info[0].unit_name == "degree" else None
    operation = crs.coordinate_operation
    method = operation.method_name.lower() if operation else ""
    if operation is None or not any(word in method for word in CYLINDRICAL) or any(word in method for word in NOT_CYLINDRICAL):
        return None
    origin = next((float(parameter.value) for parameter in operation.params if parameter.name == ORIGIN), 0.0)
    to_x = transformer(crs.geodetic_crs, crs)
    (middle, quarter), _ = to_x.transform([origin, origin + 90.0], [0.0, 0.0])
    return Turn(4 * (quarter - middle), middle)


def turned_to(wkt: str, x: float) -> tuple[str, float]:
    """Return a CRS of the same datum whose x runs without a step for half a turn to both sides of `x`, and what to add to x for
    it."""
    import pyproj

    crs, turn = crs_of(wkt), turn_of(wkt)
    assert turn
    degrees = 360.0 * (x - turn.middle) / turn.length
    turned = pyproj.CRS.from_json_dict(_turned(crs.to_json_dict(), degrees))
    return turned.to_wkt(), -x if _plain(crs).is_geographic else turn.middle - x


def _plain(crs: pyproj.CRS) -> pyproj.CRS:
    """The horizontal part of a CRS, without the shift to another datum that may be bound to it."""
    if crs.is_compound:
        return _plain(crs.sub_crs_list[0])
    return _plain(crs.source_crs) if crs.is_bound and crs.source_crs else crs


def _turned(crs: dict[str, Any], degrees: float) -> dict[str, Any]:
    """The JSON of a CRS, turned so far to the east."""
    import pyproj
    from pyproj.crs import DerivedGeographicCRS
    from pyproj.crs.coordinate_operation import RotatedLatitudeLongitudeConversion

    if crs["type"] == "BoundCRS":
        return crs | {"source_crs": _turned(crs["source_crs"], degrees)}
    if crs["type"] == "CompoundCRS":
        return _turned(crs["components"][0], degrees)
    if crs["type"] == "ProjectedCRS" and crs["conversion"]["method"]["name"] == WEB_MERCATOR:
        return dict(pyproj.CRS(SPHERICAL.format(degrees)).to_json_dict())
    if crs["type"] == "ProjectedCRS":
        step = {"conversion": crs["conversion"] | {"parameters": [
            parameter | {"value": parameter["value"] + degrees} if parameter["name"] == ORIGIN else parameter
            for parameter in crs["conversion"]["parameters"]]}}
        return {key: value for key, value in (crs | step).items() if key != "id"}
    # the pole stays where it is
    rotation = RotatedLatitudeLongitudeConversion(90, 0, degrees)
    return dict(DerivedGeographicCRS(pyproj.CRS.from_json_dict(crs).to_2d(), rotation).to_json_dict())
