"""A raster on the map grid: resampled window by window, with an exact valid mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.arrays import Float32, Float64, Mask
from promptmid_core.geometry import Grid
from promptmid_core.georaster.covering import covered, own_grid, square_side
from promptmid_core.georaster.frame import MapFrame, ground_resolution
from promptmid_core.georaster.kind import PLAUSIBLE, Kind, needs_all_bands, within
from promptmid_core.georaster.lifting import lean, lifted
from promptmid_core.georaster.mapping import NOWHERE, columns_round, inside, mapping_to
from promptmid_core.georaster.pooling import commonest, finer, mean
from promptmid_core.georaster.positions import positions
from promptmid_core.georaster.sampling import cubic, nearest
from promptmid_core.georaster.source import data_bands, holds_integers, opened, read_pixels
from promptmid_core.georaster.undulation import Undulation
from promptmid_core.georaster.warping import warp_array, without_step

# above this many source pixels per map pixel interpolation would alias, so pixels are averaged
AVERAGED_FROM = 1.5
READ_BLOCK_PX = 1024


@dataclass(frozen=True)
class GeoImage:
    """Pixels on a grid of the `map` frame: `image` (H, W) or (H, W, C) float32, `valid` (H, W) bool.

    Pixels that are not valid are 0.
    """

    image: Float32
    valid: Mask
    grid: Grid
    frame: MapFrame


def resample(path: Path, frame: MapFrame, gsd: float | None = None, *, resampling: str = "cubic",
             bands: tuple[int, ...] | None = None, like: Grid | None = None, kind: Kind | None = None) -> GeoImage:
    """Return a whole raster on a north-up grid with square pixels of `gsd` metres in `frame`, or on the grid `like`.

    Without `gsd` pixels keep their size: in the CRS where the raster already lies in that of the frame, else on the ground. For
    `resampling`, `bands` (1-based), `kind` and the valid mask see RasterView.
    """
    view = RasterView.of(path, frame, gsd, resampling=resampling, bands=bands, like=like, kind=kind)
    return view.read(0, 0, view.grid.width, view.grid.height)


@dataclass(frozen=True)
class RasterView:
    """A raster seen on a grid of the `map` frame and read window by window; windows agree where they overlap (to 1e-4 px).

    `resampling` is a name of rasterio.enums.Resampling; above 1.5 source pixels per map pixel `average` (for `nearest`:
    `mode`) takes its place. A pixel is valid where the source pixel under its centre is (averaged: where at least half of
    its source pixels are): not nodata, not masked, not transparent, finite, within `limits`, and where `all_bands` are needed,
    as for SAR, so in each of them. Its value comes from valid source pixels only, scaled as the file declares, and is kept within
    `limits`, which cubic interpolation may overshoot. Where the raster already lies on the grid, `shift` pixels off, its pixels
    are taken as they are.
    """

    path: Path
    frame: MapFrame
    grid: Grid
    bands: tuple[int, ...]
    resampling: str
    ratio: float  # source pixels per map pixel
    limits: tuple[float, float]
    shift: tuple[int, int] | None = None  # column and row of the raster's pixel that is the grid's first
    all_bands: bool = False
    ground: RasterView | None = None  # heights above the ellipsoid, under the grid, where they move the raster's pixels
    undulation: Undulation | None = None  # of heights, what is added so that they count from the ellipsoid

    @staticmethod
    def of(path: Path, frame: MapFrame, gsd: float | None = None, *, resampling: str = "cubic",
           bands: tuple[int, ...] | None = None, like: Grid | None = None, kind: Kind | None = None,
           dem: Path | None = None, geoid_m: float | None = None) -> RasterView:
        """Return the view of a raster; arguments as for `resample`, and its `kind`, which knows what is plausible.

        `dem`: heights of the ground, by which the pixels of a raster are placed that heights move; `geoid_m`: how far what they
        count from lies above the ellipsoid, by default as the DEM's datum tells.
        """
        own = ground_resolution(path)
        with opened(path) as source:
            grid = like or own_grid(source, frame, gsd, own)
            bands = bands or data_bands(source)
            span = np.iinfo(source.dtypes[bands[0] - 1]) if holds_integers(source, bands) else None
            shift, moved = _shift(source, frame, grid), source.placement.lifted
        limits = (float(span.min), float(span.max)) if span else (-np.inf, np.inf)
        if kind in PLAUSIBLE:
            limits = max(limits[0], PLAUSIBLE[kind].least), min(limits[1], PLAUSIBLE[kind].most)
        ratio = grid.gsd / own
        if ratio > AVERAGED_FROM:
            resampling = "mode" if resampling in ("nearest", "mode") else "average"
        ground = above_ellipsoid(dem, frame, grid, geoid_m) if moved and dem else None
        return RasterView(path, frame, grid, bands, resampling, ratio, limits, shift, needs_all_bands(kind), ground)

    def read(self, col: int, row: int, width: int, height: int) -> GeoImage:
        """Return the window of whole grid pixels; it may reach beyond the grid and the raster, where pixels are not valid."""
        image = np.zeros((len(self.bands), height, width), np.float32)
        valid = np.zeros((height, width), bool)
        with opened(self.path) as source:
            # in blocks, so that memory beyond the answer itself stays that of about READ_BLOCK_PX squared source pixels
            step = max(32, int(READ_BLOCK_PX / max(self.ratio, 1.0)))
            for r in range(0, height, step):
                for c in range(0, width, step):
                    block = np.s_[..., r:r + step, c:c + step]
                    down, across = valid[block].shape
                    image[block], valid[block] = self._block(source, col + c, row + r, across, down)
        pixels = image[0] if len(self.bands) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
        if self.undulation:
            pixels = np.where(valid, pixels + self.undulation.at(self.grid, col, row, width, height).astype(np.float32), pixels)
        return GeoImage(pixels, valid, self.grid.cut(col, row, width, height), self.frame)

    def datum_error(self) -> float:
        """Return the standard deviation in metres of where pixels lie by what is not known of the surface that heights count
        from; 0 where that is known, or heights move no pixel."""
        if not self.ground or not self.ground.undulation:
            return 0.0
        col, row, width, height = self.part()
        with opened(self.path) as source:
            px = lean(lambda level: mapping_to(source, self.frame, self.grid, level), col + width / 2, row + height / 2,
                      source.placement.height_m)
        return px * self.grid.gsd * self.ground.undulation.sigma_m

    def overlaps(self) -> bool:
        """Return whether the raster's extent holds any of a lattice of points on the grid."""
        with opened(self.path) as source:
            return bool(inside(source, *self._spread(source, self.grid, 65)).any())

    def reaches(self, col: Float64, row: Float64) -> Mask:
        """Return which of these places, in columns and rows of the grid, lie within the raster's extent."""
        with opened(self.path) as source:
            return inside(source, *mapping_to(source, self.frame, self.grid)(col, row))

    def part(self) -> tuple[int, int, int, int]:
        """Return column, row, width and height of the part of the grid that the raster's extent reaches into; 0 by 0 where none
        is."""
        with opened(self.path) as source:
            left, top, right, bottom = covered(source, self.frame, self.grid)
        left, top = min(max(left, 0), self.grid.width), min(max(top, 0), self.grid.height)
        return left, top, max(min(right, self.grid.width) - left, 0), max(min(bottom, self.grid.height) - top, 0)

    def _block(self, source: Any, col: int, row: int, width: int, height: int) -> tuple[Float32, Mask]:
        """Pixels (B, H, W) and their validity (H, W) of a window."""
        if self.shift:
            pixels = self._cut(source, col + self.shift[0], row + self.shift[1], width, height)
            valid = np.isfinite(pixels[0])
        elif self.resampling in ("nearest", "cubic"):
            pixels, valid = self._interpolated(source, col, row, width, height)
        elif not source.placement.upright:
            pixels, valid = self._pooled(source, col, row, width, height)
        else:
            pixels, valid = self._warped(source, self.grid.cut(col, row, width, height))
        return np.where(valid, np.clip(pixels, *self.limits), 0).astype(np.float32), valid

    def _interpolated(self, source: Any, col: int, row: int, width: int, height: int) -> tuple[Float32, Mask]:
        u, v = self._positions(source, col, row, width, height)
        around, left, top = self._around(source, u, v)
        if around is None:
            return np.zeros((len(self.bands), height, width), np.float32), np.zeros((height, width), bool)
        read = nearest if self.resampling == "nearest" else cubic
        return read(around, np.isfinite(around[0]), u - left, v - top)

    def _positions(self, source: Any, col: int, row: int, width: int, height: int) -> tuple[Float64, Float64]:
        """Columns and rows (height, width) of the raster under a window's pixels."""
        if not self.ground:
            return positions(mapping_to(source, self.frame, self.grid), col, row, width, height)
        ground = self.ground.read(col, row, width, height)
        heights = np.where(ground.valid, ground.image, source.placement.height_m)
        return lifted(lambda level: mapping_to(source, self.frame, self.grid, level), heights, col, row)

    def _pooled(self, source: Any, col: int, row: int, width: int, height: int) -> tuple[Float32, Mask]:
        """As `_interpolated` on a finer grid, of about one raster pixel, of whose pixels means are taken, or the commonest."""
        n = max(1, ceil(self.ratio))
        ground = self.ground and replace(self.ground, grid=finer(self.ground.grid, n), shift=None)
        fine = replace(self, grid=finer(self.grid, n), ratio=self.ratio / n, ground=ground,
                       resampling="nearest" if self.resampling == "mode" else "cubic")
        pixels, valid = fine._interpolated(source, col * n, row * n, width * n, height * n)
        pool = commonest if self.resampling == "mode" else mean
        return pool(pixels, valid, n)

    def _warped(self, source: Any, grid: Grid) -> tuple[Float32, Mask]:
        from affine import Affine

        around, col, row = self._around(source, *self._spread(source, grid, 9))
        if around is None:
            return np.zeros((len(self.bands), *grid.shape), np.float32), np.zeros(grid.shape, bool)
        placed = source.placement
        corner, crs = without_step(placed.transform @ Affine.translation(col, row), around.shape[2], placed.crs)
        image = warp_array(around, corner, crs, grid, self.frame, self.resampling)
        valid = np.asarray(np.isfinite(image).all(axis=0))
        if self.ratio > AVERAGED_FROM:
            known = np.isfinite(around[:1]).astype(np.float32)
            share = warp_array(known, corner, crs, grid, self.frame, "average")[0]
            valid = valid & (share >= 0.5)
        return image, valid

    def _spread(self, source: Any, grid: Grid, count: int) -> tuple[Float64, Float64]:
        """Where `count` x `count` points spread over a grid fall in the raster, in its columns and rows; those that do."""
        left, top = self.grid.to_pixel(grid.x, grid.y)
        cols, rows = (start + np.linspace(-0.5, size - 0.5, count) for start, size in ((left, grid.width), (top, grid.height)))
        u, v = mapping_to(source, self.frame, self.grid)(*np.meshgrid(cols, rows))
        return u[u > NOWHERE], v[u > NOWHERE]

    def _around(self, source: Any, u: Float64, v: Float64) -> tuple[Float32 | None, int, int]:
        """The raster's pixels (B, H, W) that these positions need, NaN where not valid, and column and row of the first.

        They reach some pixels beyond the raster's edge where the positions do; None where all positions lie off the raster.
        """
        there = (u > NOWHERE) & (v > NOWHERE)
        u, v = u[there], v[there]
        if not u.size:
            return None, 0, 0
        margin, again = ceil(3 * max(self.ratio, 1.0)) + 2, columns_round(source)
        (left, right), (top, bottom) = _span(u, source.width, margin, again), _span(v, source.height, margin)
        copies = (0, -again, again) if again else (0,)
        if min(bottom, source.height) <= max(top, 0) or not any(
                min(right, source.width + begin) > max(left, begin) for begin in copies):
            return None, 0, 0
        around = self._cut(source, left, top, right - left, bottom - top)
        for begin in copies[1:]:
            if min(right, source.width + begin) > max(left, begin):
                other = self._cut(source, left - begin, top, right - left, bottom - top)
                around = np.where(np.isfinite(around), around, other)
        return around, left, top

    def _cut(self, source: Any, col: int, row: int, width: int, height: int) -> Float32:
        """A window of the raster (B, height, width), which may reach beyond it; NaN where not valid."""
        from rasterio.windows import Window

        pixels = np.full((len(self.bands), height, width), np.nan, np.float32)
        left, top = max(col, 0), max(row, 0)
        across, down = min(col + width, source.width) - left, min(row + height, source.height) - top
        if across > 0 and down > 0:
            values, valid = read_pixels(source, self.bands, Window(left, top, across, down), self.all_bands)
            if np.isfinite(self.limits).any():
                valid &= within(values, *self.limits)
            pixels[:, top - row:top - row + down, left - col:left - col + across] = np.where(valid, values, np.nan)
        return pixels


def above_ellipsoid(dem: Path, frame: MapFrame, grid: Grid, geoid_m: float | None = None) -> RasterView:
    """Return the view of a DEM whose heights count from the ellipsoid; `geoid_m` as for `RasterView.of`."""
    view = RasterView.of(dem, frame, like=grid, resampling="bilinear", kind="dem")
    return replace(view, undulation=Undulation.of(dem, frame, grid, geoid_m))


def _span(positions: Float64, size: int, margin: int, again: int | None = None) -> tuple[int, int]:
    """First and one-past-last pixel that these positions need, at most `margin` beyond an axis of `size` pixels.

    Beyond that they lie only where the axis has the same places `again`, so many pixels on.
    """
    # the outline was sampled: a hundredth of its length is more than its curvature can hide
    slack = margin + 0.01 * float(np.ptp(positions))
    first, last = floor(positions.min() - slack), ceil(positions.max() + slack)
    if again and (first < size - again or last > again):
        return first, last
    return max(first, -margin), min(last, size + margin)


def _shift(source: Any, frame: MapFrame, grid: Grid) -> tuple[int, int] | None:
    """Column and row of the raster's pixel that is the first of the grid; None where the two grids are not the same."""
    if square_side(source.placement, frame) != grid.gsd:
        return None
    t = source.placement.transform
    if (t.a, t.e) != (grid.gsd, -grid.gsd):
        return None
    col, row = ~t @ (grid.x + frame.origin[0], grid.y + frame.origin[1])
    whole = floor(col), floor(row)
    return whole if max(abs(col - 0.5 - whole[0]), abs(row - 0.5 - whole[1])) < 1e-6 else None
