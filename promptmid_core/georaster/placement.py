"""How the pixels of a raster lie on the ground: by a geotransform, by control points, or by rational polynomials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError

GEOTRANSFORM, CONTROL_POINTS, RATIONAL, ORBIT = "geotransform", "control points", "rational polynomials", "orbit"
MOST_ROTATION_PX = 0.01  # off an upright rectangle, which rounding makes
LEAST_POINTS, MOST_POINTS = 3, 5000
# a thin plate spline of n points costs n^3 to fit
MOST_SPLINE_POINTS = 1000


class Placement(Protocol):
    """How pixels lie in `crs`. Columns and rows count from the outer corner of the first pixel, whose middle is 0.5.

    `kind` is one of the words above; `upright` says that columns run along x alone and rows along y; `lifted` that a height moves
    a pixel, `height_m` being the one that is taken where none is told, above the ellipsoid.
    """

    @property
    def kind(self) -> str: ...
    @property
    def crs(self) -> Any: ...
    @property
    def upright(self) -> bool: ...
    @property
    def lifted(self) -> bool: ...
    @property
    def height_m(self) -> float: ...

    def ground(self, col: Float64, row: Float64) -> tuple[Float64, Float64]:
        """Return x and y (N,) of columns and rows (N,)."""

    def pixel(self, x: Float64, y: Float64, height: float | None = None) -> tuple[Float64, Float64]:
        """Return columns and rows (N,) of x and y (N,) at a height; NaN or far off the raster where there are none."""


@dataclass(frozen=True)
class Geotransform:
    """A raster of parallelograms: upright, rotated, sheared or mirrored."""

    crs: Any
    transform: Any
    upright: bool
    kind: str = GEOTRANSFORM
    lifted: bool = False
    height_m: float = 0.0

    def ground(self, col: Float64, row: Float64) -> tuple[Float64, Float64]:
        """Return x and y."""
        x, y = self.transform @ (col, row)
        return x, y

    def pixel(self, x: Float64, y: Float64, height: float | None = None) -> tuple[Float64, Float64]:
        """Return columns and rows."""
        col, row = ~self.transform @ (x, y)
        return col, row


@dataclass(frozen=True)
class ControlPoints:
    """A raster that is tied to the ground at points, by GDAL's transformers.

    Points that lie on a lattice were reckoned by who made the raster, and a thin plate spline goes through each; others were
    picked, with errors, and a polynomial goes between them.
    """

    crs: Any
    points: tuple[Any, ...]
    kind: str = CONTROL_POINTS
    upright: bool = False
    lifted: bool = False

    @property
    def spline(self) -> bool:
        """Whether the points lie on a lattice of columns and rows."""
        cols, rows = ({round(getattr(point, axis), 3) for point in self.points} for axis in ("col", "row"))
        whole = len(cols) * len(rows) == len(self.points)
        return whole and 9 <= len(self.points) <= MOST_SPLINE_POINTS and min(len(cols), len(rows)) > 2

    @property
    def height_m(self) -> float:
        """The mean height of the points; 0 where they have none."""
        return float(np.mean([point.z or 0.0 for point in self.points]))

    def ground(self, col: Float64, row: Float64) -> tuple[Float64, Float64]:
        """Return x and y."""
        with self._transformer() as transformer:
            return _xy(transformer, col, row, None)

    def pixel(self, x: Float64, y: Float64, height: float | None = None) -> tuple[Float64, Float64]:
        """Return columns and rows."""
        with self._transformer() as transformer:
            return _rowcol(transformer, x, y, None)

    def _transformer(self) -> Any:
        from rasterio.transform import GCPTransformer

        return GCPTransformer(list(self.points), tps=self.spline)


@dataclass(frozen=True)
class Rational:
    """A raster with the rational polynomials of its camera, by GDAL's transformer; heights are those above the ellipsoid."""

    coefficients: Any
    kind: str = RATIONAL
    upright: bool = False
    lifted: bool = True

    @property
    def crs(self) -> Any:
        """WGS84, which the polynomials are made in."""
        from rasterio.crs import CRS

        return CRS.from_epsg(4326)

    @property
    def height_m(self) -> float:
        """The height that the polynomials are centred on."""
        return float(self.coefficients.height_off)

    def ground(self, col: Float64, row: Float64) -> tuple[Float64, Float64]:
        """Return x and y at `height_m`."""
        with self._transformer() as transformer:
            return _xy(transformer, col, row, self.height_m)

    def pixel(self, x: Float64, y: Float64, height: float | None = None) -> tuple[Float64, Float64]:
        """Return columns and rows."""
        with self._transformer() as transformer:
            return _rowcol(transformer, x, y, self.height_m if height is None else height)

    def _transformer(self) -> Any:
        from rasterio.transform import RPCTransformer

        return RPCTransformer(self.coefficients)


def placement_of(path: Path, source: Any) -> Placement:
    """Return how the pixels of a rasterio dataset lie: by its geotransform, else its control points, else its polynomials.

    Raises InputError where it has none of them, or one that places nothing.
    """
    transform = source.transform
    points, crs = source.gcps
    if transform.is_identity and points:
        return ControlPoints(crs, _checked(path, points, crs))
    if transform.is_identity and source.rpcs:
        return Rational(source.rpcs)
    if transform.is_identity:
        if source.crs is None:
            raise InputError(f"{path} has no CRS, no geotransform, no control points and no rational polynomials, so its pixels "
                             "have no place on the ground; georeference it first")
        raise InputError(f"{path} has no geotransform, so its pixels have no place on the ground; georeference it first")
    across, down = abs(transform.b) * source.height, abs(transform.d) * source.width
    if not np.isfinite(tuple(transform)).all() or abs(transform.determinant) <= 1e-9 * max(
            transform.a**2 + transform.d**2, transform.b**2 + transform.e**2):
        raise InputError(f"{path} has a geotransform by which all pixels lie on one line; georeference it again")
    turned = max(across / (abs(transform.a) or np.inf), down / (abs(transform.e) or np.inf))
    upright = transform.a > 0 and transform.e != 0 and turned < MOST_ROTATION_PX
    return Geotransform(source.crs, transform, bool(upright))


def _checked(path: Path, points: Any, crs: Any) -> tuple[Any, ...]:
    if crs is None:
        raise InputError(f"{path} has control points without a CRS; tell the one that they are in, e.g. with gdal_translate "
                         "-a_gcp_srs or -a_srs EPSG:N")
    if not LEAST_POINTS <= len(points) <= MOST_POINTS:
        raise InputError(f"{path} has {len(points)} control points where {LEAST_POINTS} to {MOST_POINTS} place a raster; "
                         "georeference it again")
    x, y, col, row = np.array([(point.x, point.y, point.col, point.row) for point in points], float).T
    for across, down in ((x, y), (col, row)):
        spread = np.linalg.svd(np.column_stack([across - across.mean(), down - down.mean()]), compute_uv=False)
        if not np.isfinite(spread).all() or spread[1] <= 1e-6 * spread[0]:
            raise InputError(f"{path} has control points that all lie on one line; georeference it again")
    return tuple(points)


def _xy(transformer: Any, col: Float64, row: Float64, height: float | None) -> tuple[Float64, Float64]:
    col, row = np.broadcast_arrays(np.asarray(col, float), np.asarray(row, float))
    zs = None if height is None else np.full(col.size, height)
    x, y = transformer.xy(row.ravel(), col.ravel(), zs=zs, offset="ul")
    return np.asarray(x, float).reshape(col.shape), np.asarray(y, float).reshape(col.shape)


def _rowcol(transformer: Any, x: Float64, y: Float64, height: float | None) -> tuple[Float64, Float64]:
    x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    zs = None if height is None else np.full(x.size, height)
    row, col = transformer.rowcol(x.ravel(), y.ravel(), zs=zs, op=np.positive)
    return np.asarray(col, float).reshape(x.shape), np.asarray(row, float).reshape(x.shape)
