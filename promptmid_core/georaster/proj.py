"""PROJ: coordinate reference systems and the ways between them, and whether it has its own data at all."""

from __future__ import annotations

import logging
import os
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from promptmid_core.errors import InputError

if TYPE_CHECKING:
    import pyproj

VARIABLES = ("PROJ_DATA", "PROJ_LIB")
ANY_CRS = 32601
# semi-major axes in metres: every ellipsoid and sphere that was ever fitted to the Earth, and no other planet or moon
EARTH_M = 6.35e6, 6.40e6


def crs_of(value: object) -> pyproj.CRS:
    """Return the CRS of that name, WKT or rasterio object.

    Raises pyproj's CRSError where PROJ does not know it, and InputError where PROJ knows none for want of its data.
    """
    check_pyproj()
    import pyproj

    return pyproj.CRS.from_user_input(value)


def transformer(source: object, target: object) -> pyproj.Transformer:
    """Return what takes x and y, or longitude and latitude, of one CRS to those of another; it raises as `crs_of` does."""
    check_pyproj()
    import pyproj

    return pyproj.Transformer.from_crs(crs_of(source), crs_of(target), always_xy=True)


def of_the_earth(crs: pyproj.CRS) -> bool:
    """Return whether a CRS is that of places on the Earth and not on another planet or a moon."""
    least, most = EARTH_M
    return crs.ellipsoid is None or least <= crs.ellipsoid.semi_major_metre <= most


def check_pyproj() -> None:
    """Raise InputError where pyproj finds no data of the PROJ that it was built with."""
    _raise(_pyproj_trouble(*_environment()))


def check_rasterio() -> None:
    """Raise InputError where rasterio finds no data of the PROJ that it was built with."""
    _raise(_rasterio_trouble(*_environment()))


def _environment() -> tuple[str | None, ...]:
    return tuple(os.environ.get(name) for name in VARIABLES)


@lru_cache(maxsize=4)
def _pyproj_trouble(*_: str | None) -> str:
    """What hinders pyproj with these values of the variables; empty where nothing does."""
    with warnings.catch_warnings():
        # it warns of what it will raise
        warnings.simplefilter("ignore", UserWarning)
        import pyproj
        from pyproj.exceptions import DataDirError, ProjError

        try:
            pyproj.CRS.from_epsg(ANY_CRS)
        except (ProjError, DataDirError) as error:
            return f"pyproj: {error}"
    return ""


@lru_cache(maxsize=4)
def _rasterio_trouble(*_: str | None) -> str:
    """As `_pyproj_trouble`, of rasterio."""
    import rasterio
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    # outside of an Env GDAL prints what it is about to raise, and the log would tell it a second time
    for name in ("rasterio._env", "rasterio._err"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with rasterio.Env():
            CRS.from_epsg(ANY_CRS).to_wkt()
    except CRSError as error:
        return f"rasterio: {error}"
    return ""


def _raise(trouble: str) -> None:
    if not trouble:
        return
    reason = " ".join(trouble.split()).rstrip(".")
    named = [name for name in VARIABLES if os.environ.get(name)]
    if named:
        values = " and ".join(f"{name}={os.environ[name]}" for name in named)
        raise InputError(f"the environment variable {values} names no data of the PROJ that is used here ({reason}); unset it "
                         f"(unset {' '.join(named)}): pyproj and rasterio bring their own")
    raise InputError(f"PROJ finds none of its data ({reason}); install pyproj and rasterio again")
