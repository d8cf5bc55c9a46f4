"""How far the surface that heights count from lies above the ellipsoid, which orbits and rational polynomials count from."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid
from promptmid_core.georaster.datum import UNKNOWN_DATUM, vertical_datum
from promptmid_core.georaster.frame import MapFrame
from promptmid_core.georaster.positions import positions

if TYPE_CHECKING:
    import pyproj

WGS84_3D = "EPSG:4979"
# ellipsoids whose heights are those of WGS84 to a tenth of a millimetre
ELLIPSOIDAL = ("ellipsoid WGS 84", "ellipsoid GRS 1980")
GEOID_M = -120.0, 100.0  # the geoid of the Earth lies 107 m below the ellipsoid to 86 m above it
ANYWHERE_SIGMA_M = 30.0  # about its root mean square over the Earth: what there is to say where nobody knows it
LATTICE = 5


@dataclass(frozen=True)
class Undulation:
    """What turns heights above `datum`, on grids of a `frame`, into heights above the WGS84 ellipsoid.

    It is `metres` everywhere, or where that is None what PROJ's own grid of the geoid has at a place; `sigma_m` is its standard
    deviation, 0 where it is known; `given` says that it was told, and not found.
    """

    frame: MapFrame
    datum: str
    metres: float | None
    sigma_m: float = 0.0
    given: bool = False

    @staticmethod
    def of(dem: Path, frame: MapFrame, grid: Grid, given_m: float | None = None) -> Undulation:
        """Return that of a DEM under a grid: `given_m` where it is told, else by the DEM's datum.

        Raises InputError where what is told cannot be, or contradicts a DEM whose heights count from the ellipsoid.
        """
        datum = vertical_datum(dem)
        if given_m is not None:
            if not GEOID_M[0] <= given_m <= GEOID_M[1]:
                raise InputError(f"a geoid {given_m:g} m above the ellipsoid is none of the Earth; give --geoid-height-m "
                                 f"{GEOID_M[0]:g} to {GEOID_M[1]:g}")
            if datum in ELLIPSOIDAL:
                raise InputError(f"{dem} has heights above the {datum}, which no geoid lies under; leave --geoid-height-m out")
            return Undulation(frame, datum, given_m, given=True)
        if datum in ELLIPSOIDAL:
            return Undulation(frame, datum, 0.0)
        by_proj = Undulation(frame, datum, None)
        if to_ellipsoid(frame.crs, datum) is not None:
            cols, rows = np.meshgrid(np.linspace(0, grid.width - 1, LATTICE), np.linspace(0, grid.height - 1, LATTICE))
            if np.isfinite(by_proj._by_grid(grid, cols, rows)).all():
                return by_proj
        return Undulation(frame, datum, 0.0, ANYWHERE_SIGMA_M)

    def at(self, grid: Grid, col: int, row: int, width: int, height: int) -> Float64:
        """Return the metres that are added to heights in a window (height, width) of a grid of the frame."""
        if self.metres is not None:
            return np.full((height, width), self.metres)

        def mapping(cols: Float64, rows: Float64) -> tuple[Float64, Float64]:
            metres = self._by_grid(grid, cols, rows)
            # beyond the grid of a geoid, where the map is not
            return np.where(np.isfinite(metres), metres, 0.0), np.zeros_like(metres)

        return positions(mapping, col, row, width, height)[0]

    def middle(self, grid: Grid) -> float:
        """Return the metres in the middle of a grid."""
        return float(self.at(grid, grid.width // 2, grid.height // 2, 1, 1)[0, 0])

    @property
    def unknown(self) -> str:
        """Why it is not known, and what to do; empty where it is."""
        if not self.sigma_m:
            return ""
        cure = "give --geoid-height-m N, the metres that the geoid lies above the ellipsoid there"
        if self.datum == UNKNOWN_DATUM:
            return f"the DEM does not say what its heights count from; {cure}, or a DEM that names its vertical datum"
        return f"PROJ has no grid of {self.datum} here; {cure}, or get the grid with 'pyproj sync'"

    def _by_grid(self, grid: Grid, cols: Float64, rows: Float64) -> Float64:
        heights = _of_thread(self.frame.crs, self.datum, get_ident())
        assert heights is not None, "of() has seen to it"
        x, y = grid.to_map(cols, rows)
        east, north = self.frame.origin
        return np.asarray(heights.transform(x + east, y + north, np.zeros(np.shape(x)))[2], float)


def to_ellipsoid(crs: str, datum: str) -> pyproj.Transformer | None:
    """Return what takes x, y and a height above a vertical datum to longitude, latitude and the height above the WGS84 ellipsoid;
    None where PROJ does not know the datum or lacks its geoid. One thread at a time may use it."""
    import pyproj
    from pyproj.exceptions import CRSError, ProjError

    try:
        with warnings.catch_warnings():
            # about a missing grid, which is looked at below
            warnings.simplefilter("ignore", UserWarning)
            whole = pyproj.crs.CompoundCRS("map", [pyproj.CRS(crs), pyproj.CRS(datum)])
            group = pyproj.transformer.TransformerGroup(whole, WGS84_3D, always_xy=True)
    except (CRSError, ProjError):
        return None
    # without the geoid's grid PROJ would pass heights on unchanged
    return group.transformers[0] if group.transformers and group.best_available else None


@lru_cache(maxsize=64)
def _of_thread(crs: str, datum: str, _: int) -> pyproj.Transformer | None:
    return to_ellipsoid(crs, datum)
