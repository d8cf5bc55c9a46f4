"""The pixel convention, in one place: integers at pixel centres, and the half pixel of a GeoTransform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from promptmid_core.arrays import Float64

Bounds = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max in metres, outer pixel edges
GeoTransform = tuple[float, float, float, float, float, float]  # a b c d e f of (col, row) corner -> (E, N)


@dataclass(frozen=True)
class Grid:
    """A north-up raster in the `map` frame.

    `x`, `y`: metres of the centre of pixel (0, 0) in `map` (grid ENU at the declared origin); `gsd`: metres per pixel;
    columns run east, rows run south.
    """

    x: float
    y: float
    gsd: float
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def bounds(self) -> Bounds:
        half = self.gsd / 2
        return (self.x - half, self.y + half - self.height * self.gsd, self.x - half + self.width * self.gsd, self.y + half)

    def to_map(self, col: ArrayLike, row: ArrayLike) -> tuple[Float64, Float64]:
        """Pixel coordinates -> metres in `map`."""
        across: Float64 = self.x + np.asarray(col, np.float64) * self.gsd
        down: Float64 = self.y - np.asarray(row, np.float64) * self.gsd
        return across, down

    def to_pixel(self, x: ArrayLike, y: ArrayLike) -> tuple[Float64, Float64]:
        """Turn metres in `map` into pixel coordinates (col, row)."""
        col: Float64 = (np.asarray(x, np.float64) - self.x) / self.gsd
        row: Float64 = (self.y - np.asarray(y, np.float64)) / self.gsd
        return col, row

    def axes(self) -> tuple[Float64, Float64]:
        """x of every column (W,) and y of every row (H,), in metres."""
        return self.to_map(np.arange(self.width), 0)[0], self.to_map(0, np.arange(self.height))[1]

    def cut(self, col: int, row: int, width: int, height: int) -> Grid:
        """Return the grid of a window, in whole pixels; it may reach beyond this one."""
        return Grid(self.x + col * self.gsd, self.y - row * self.gsd, self.gsd, width, height)

    def every(self, stride: int) -> Grid:
        """Return the grid of the cells of `stride` x `stride` pixels; a rest of less than a cell is left out."""
        shift = (stride - 1) / 2 * self.gsd
        return Grid(self.x + shift, self.y - shift, self.gsd * stride, self.width // stride, self.height // stride)

    def to_transform(self, origin: tuple[float, float]) -> GeoTransform:
        """Return the GeoTransform in the map CRS; `origin` is (E0, N0) of the `map` frame."""
        half = self.gsd / 2
        return (self.gsd, 0.0, origin[0] + self.x - half, 0.0, -self.gsd, origin[1] + self.y + half)

    @staticmethod
    def from_transform(transform: GeoTransform, width: int, height: int, origin: tuple[float, float]) -> Grid:
        """Return the grid of a north-up raster with square pixels; the caller has refused any other."""
        gsd, _, east, _, _, north = transform[:6]
        return Grid(east + gsd / 2 - origin[0], north - gsd / 2 - origin[1], gsd, width, height)
