"""A raster on the map grid: resampled window by window, with an exact valid mask."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.geometry import Grid
from promptmid_core.georaster.frame import MapFrame, ground_resolution
from promptmid_core.georaster.source import data_bands, holds_integers, opened, read_pixels

# above this many source pixels per map pixel interpolation would alias, so pixels are averaged
AVERAGED_FROM = 1.5
# GDAL's default of 1/8 source pixel would leave that much registration error; nearer to exact costs time only
WARP_TOLERANCE_PX = 1e-4
READ_BLOCK_PX = 1024


@dataclass(frozen=True)
class GeoImage:
    """Pixels on a grid of the `map` frame: `image` (H, W) or (H, W, C) float32, `valid` (H, W) bool.

    Pixels that are not valid are 0.
    """

    image: NDArray[np.float32]
    valid: NDArray[np.bool_]
    grid: Grid
    frame: MapFrame


def resample(path: Path, frame: MapFrame, gsd: float | None = None, *, resampling: str = "cubic",
             bands: tuple[int, ...] | None = None, like: Grid | None = None) -> GeoImage:
    """A whole raster on a north-up grid with square pixels of `gsd` metres in `frame`, or on the grid `like`.

    Without `gsd` pixels keep their size: in the CRS where the raster already lies in that of the frame, else on the ground.
    For `resampling`, `bands` (1-based) and the valid mask see RasterView.
    """
    view = RasterView.of(path, frame, gsd, resampling=resampling, bands=bands, like=like)
    return view.read(0, 0, view.grid.width, view.grid.height)


@dataclass(frozen=True)
class RasterView:
    """A raster seen on a grid of the `map` frame and read window by window; windows agree where they overlap (to 1e-4 pixel).

    `resampling` is a name of rasterio.enums.Resampling; above 1.5 source pixels per map pixel `average` (for `nearest`:
    `mode`) takes its place. A pixel is valid where the source pixel under its centre is (averaged: where at least half of
    its source pixels are): not nodata, not masked, not transparent, finite. Its value comes from valid source pixels only,
    scaled as the file declares, and is kept within `limits`, which cubic interpolation may overshoot.
    """

    path: Path
    frame: MapFrame
    grid: Grid
    bands: tuple[int, ...]
    resampling: str
    ratio: float  # source pixels per map pixel
    limits: tuple[float, float]

    @staticmethod
    def of(path: Path, frame: MapFrame, gsd: float | None = None, *, resampling: str = "cubic",
           bands: tuple[int, ...] | None = None, like: Grid | None = None) -> RasterView:
        """The view of a raster; arguments as for `resample`."""
        own = ground_resolution(path)
        with opened(path) as source:
            grid = like or _covering_grid(source, frame, gsd, own)
            bands = bands or data_bands(source)
            span = np.iinfo(source.dtypes[bands[0] - 1]) if holds_integers(source, bands) else None
        limits = (float(span.min), float(span.max)) if span else (-np.inf, np.inf)
        ratio = grid.gsd / own
        if ratio > AVERAGED_FROM:
            resampling = "mode" if resampling in ("nearest", "mode") else "average"
        return RasterView(path, frame, grid, bands, resampling, ratio, limits)

    def read(self, col: int, row: int, width: int, height: int) -> GeoImage:
        """The window of whole grid pixels; it may reach beyond the grid and the raster, where pixels are not valid."""
        image = np.zeros((len(self.bands), height, width), np.float32)
        valid = np.zeros((height, width), bool)
        with opened(self.path) as source:
            # in blocks, so that memory beyond the answer itself stays that of about READ_BLOCK_PX squared source pixels
            step = max(32, int(READ_BLOCK_PX / max(self.ratio, 1.0)))
            for r in range(0, height, step):
                for c in range(0, width, step):
                    block = np.s_[..., r:r + step, c:c + step]
                    down, across = valid[block].shape
                    image[block], valid[block] = self._warp(source, self.grid.cut(col + c, row + r, across, down))
        pixels = image[0] if len(self.bands) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
        return GeoImage(pixels, valid, self.grid.cut(col, row, width, height), self.frame)

    def overlaps(self) -> bool:
        """Whether the raster's extent holds any of a lattice of points on the grid."""
        with opened(self.path) as source:
            u, v = self._source_pixels(source, self.grid, 65)
            return bool(((u >= 0) & (u <= source.width) & (v >= 0) & (v <= source.height)).any())

    def _source_pixels(self, source: Any, grid: Grid, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where `count` x `count` points spread over a grid fall in the raster, in pixels from its corner; those that do."""
        import pyproj

        across, down = np.linspace(-0.5, grid.width - 0.5, count), np.linspace(-0.5, grid.height - 0.5, count)
        x, y = (a.ravel() for a in np.meshgrid(*grid.to_map(across, down)))
        to_source = pyproj.Transformer.from_crs(self.frame.crs, source.crs.to_wkt(), always_xy=True)
        u, v = ~source.transform @ to_source.transform(x + self.frame.origin[0], y + self.frame.origin[1])
        known = np.isfinite(u) & np.isfinite(v)
        return u[known], v[known]

    def _warp(self, source: Any, grid: Grid) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Pixels (B, H, W) and their validity (H, W) on a grid."""
        from affine import Affine

        around, col, row = self._around(source, grid)
        if around is None:
            return np.zeros((len(self.bands), *grid.shape), np.float32), np.zeros(grid.shape, bool)
        corner = source.transform @ Affine.translation(col, row)
        image = _warp_array(around, corner, source.crs, grid, self.frame, self.resampling)
        valid = np.asarray(np.isfinite(image).all(axis=0))
        if self.ratio > AVERAGED_FROM:
            known = np.isfinite(around[:1]).astype(np.float32)
            share = _warp_array(known, corner, source.crs, grid, self.frame, "average")[0]
            valid = valid & (share >= 0.5)
        return np.where(valid, np.clip(image, *self.limits), 0).astype(np.float32), valid

    def _around(self, source: Any, grid: Grid) -> tuple[NDArray[np.float32] | None, int, int]:
        """The source pixels (B, H, W) that a grid needs, NaN where not valid, and column and row of the first.

        They reach some pixels beyond the raster's edge where the grid does; None where the grid lies off the raster.
        """
        from rasterio.windows import Window

        u, v = self._source_pixels(source, grid, 9)
        if not u.size:
            return None, 0, 0
        margin = ceil(3 * max(self.ratio, 1.0)) + 2
        (left, right), (top, bottom) = _span(u, source.width, margin), _span(v, source.height, margin)
        first_col, first_row = max(left, 0), max(top, 0)
        width, height = min(right, source.width) - first_col, min(bottom, source.height) - first_row
        if width <= 0 or height <= 0:
            return None, 0, 0
        window = Window(first_col, first_row, width, height)
        pixels, valid = read_pixels(source, self.bands, window)
        around = np.full((len(self.bands), bottom - top, right - left), np.nan, np.float32)
        place = np.s_[:, first_row - top:first_row - top + height, first_col - left:first_col - left + width]
        around[place] = np.where(valid, pixels, np.nan)
        return around, left, top


def _span(positions: NDArray[np.float64], size: int, margin: int) -> tuple[int, int]:
    """First and one-past-last pixel that these positions need, at most `margin` beyond an axis of `size` pixels."""
    # the outline was sampled: a hundredth of its length is more than its curvature can hide
    slack = margin + 0.01 * float(np.ptp(positions))
    return max(floor(positions.min() - slack), -margin), min(ceil(positions.max() + slack), size + margin)


def _covering_grid(source: Any, frame: MapFrame, gsd: float | None, ground: float) -> Grid:
    """The grid that covers a raster.

    It is the raster's own grid where that already is one of the frame; else its pixel edges lie at multiples of the GSD from
    the origin, so that the grids of several rasters fall together.
    """
    import pyproj

    t = source.transform
    u, v = (a.ravel() for a in np.meshgrid(np.linspace(0, source.width, 41), np.linspace(0, source.height, 41)))
    crs, own = pyproj.CRS(frame.crs), pyproj.CRS.from_user_input(source.crs)
    x, y = pyproj.Transformer.from_crs(own, crs, always_xy=True).transform(*(t @ (u, v)))
    x, y = x - frame.origin[0], y - frame.origin[1]
    fits = own.equals(crs, ignore_axis_order=True) and abs(t.a - abs(t.e)) < 1e-9 * t.a and (gsd is None or gsd == t.a)
    gsd = t.a if fits else (gsd or ground)
    phase_x, phase_y = (x.min() % gsd, y.max() % gsd) if fits else (0.0, 0.0)
    # a millionth of a pixel of rounding must not add a row
    left, right = floor((x.min() - phase_x) / gsd + 1e-6), ceil((x.max() - phase_x) / gsd - 1e-6)
    bottom, top = floor((y.min() - phase_y) / gsd + 1e-6), ceil((y.max() - phase_y) / gsd - 1e-6)
    edge = (gsd, 0.0, frame.origin[0] + phase_x + left * gsd, 0.0, -gsd, frame.origin[1] + phase_y + top * gsd)
    return Grid.from_transform(edge, right - left, top - bottom, frame.origin)


def _warp_array(array: NDArray[np.float32], transform: Any, crs: Any, grid: Grid, frame: MapFrame,
                resampling: str) -> NDArray[np.float32]:
    """An array (B, H, W), NaN where unknown, on another grid; NaN where that has no value."""
    from affine import Affine
    from rasterio.enums import Resampling
    from rasterio.io import MemoryFile
    from rasterio.vrt import WarpedVRT

    with MemoryFile() as memory:
        with memory.open(driver="GTiff", count=array.shape[0], height=array.shape[1], width=array.shape[2], dtype="float32",
                         crs=crs, transform=transform, nodata=np.nan) as target:
            target.write(array)
        # without XSCALE and YSCALE GDAL derives the kernel's size from each window's shape, and windows no longer agree
        with memory.open() as source, WarpedVRT(
            source, crs=frame.crs, transform=Affine(*grid.to_transform(frame.origin)), width=grid.width, height=grid.height,
            resampling=Resampling[resampling], tolerance=WARP_TOLERANCE_PX, nodata=np.nan, dtype="float32", XSCALE=1, YSCALE=1,
        ) as warped:
            return np.asarray(warped.read(), np.float32)
