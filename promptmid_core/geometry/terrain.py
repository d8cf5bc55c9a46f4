"""The ground: flat, or a height raster; its height anywhere and where a ray meets it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.geometry.grid import Grid

Array = NDArray[np.float64]

MOST_STEPS = 1024
BISECTIONS = 24


@dataclass(frozen=True)
class Terrain:
    """Ground heights in metres above the map's vertical datum.

    `heights` (H, W) float32 on `grid`, NaN nowhere; beyond its edge the nearest height holds. Without heights the ground is
    flat at `level`.
    """

    heights: NDArray[np.float32] | None = None
    grid: Grid | None = None
    level: float = 0.0

    @staticmethod
    def flat(z: float = 0.0) -> Terrain:
        return Terrain(level=z)

    def height(self, x: Array, y: Array) -> Array:
        """Height of the ground under each (x, y) in `map`, by bilinear interpolation; same shape as `x`."""
        x = np.asarray(x, float)
        if self.heights is None or self.grid is None:
            return np.full(x.shape, self.level)
        rows, cols = self.heights.shape
        col, row = self.grid.to_pixel(x, y)
        col, row = np.clip(col, 0, cols - 1).ravel(), np.clip(row, 0, rows - 1).ravel()
        # float arithmetic of our own: cv2.remap rounds positions to 1/32 pixel, a step of decimetres on a slope
        c, r = np.minimum(col.astype(int), max(cols - 2, 0)), np.minimum(row.astype(int), max(rows - 2, 0))
        u, v = col - c, row - r
        c1, r1 = np.minimum(c + 1, cols - 1), np.minimum(r + 1, rows - 1)
        z = self.heights
        upper = z[r, c] * (1 - u) + z[r, c1] * u
        lower = z[r1, c] * (1 - u) + z[r1, c1] * u
        heights: Array = (upper * (1 - v) + lower * v).reshape(x.shape)
        return heights

    def on_grid(self, grid: Grid) -> Array:
        """Heights (H, W) at the pixel centres of a grid."""
        if self.heights is None or self.grid is None:
            return np.full(grid.shape, self.level)
        x, y = grid.axes()
        col, row = self.grid.to_pixel(x, y)
        c0, r0 = int(np.floor(col[0])) - 1, int(np.floor(row[0])) - 1
        rows, cols = self.heights.shape
        take_r = np.clip(np.arange(r0, int(np.ceil(row[-1])) + 2), 0, rows - 1)
        take_c = np.clip(np.arange(c0, int(np.ceil(col[-1])) + 2), 0, cols - 1)
        window = self.heights[take_r[0]:take_r[-1] + 1, take_c[0]:take_c[-1] + 1]
        window = np.ascontiguousarray(window[np.ix_(take_r - take_r[0], take_c - take_c[0])])
        across, down = np.meshgrid((col - c0).astype(np.float32), (row - r0).astype(np.float32))
        return cv2.remap(window, across, down, cv2.INTER_LINEAR).astype(np.float64)

    def intersect(self, origin: Array, directions: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Where rays from `origin` (3,) along `directions` (N, 3) first meet the ground.

        Returns points (N, 3) and whether each ray hits; rays that never come down are False and hold NaN.
        """
        origin, d = np.asarray(origin, float), np.atleast_2d(np.asarray(directions, float))
        down = d[:, 2] < -1e-3 * np.linalg.norm(d, axis=1)
        slope = np.where(down, d[:, 2], -1.0)
        if self.heights is None or self.grid is None:
            t = (self.level - origin[2]) / slope
            hit = down & (t > 0)
            return np.where(hit[:, None], origin + t[:, None] * d, np.nan), hit

        top, bottom = float(self.heights.max()) + 1.0, float(self.heights.min()) - 1.0
        near = np.maximum((top - origin[2]) / slope, 0.0)
        far = (bottom - origin[2]) / slope

        hit = down & (far > 0) & self._below(origin, d, near)
        # march from the highest ground down to the first step that is below it, half a cell at most at a time, then bisect
        run = float(((far - near) * np.hypot(d[:, 0], d[:, 1]))[hit].max(initial=0.0))
        steps = int(np.clip(2 * run / self.grid.gsd, 4, MOST_STEPS))
        step = (far - near) / steps
        low, open_ = near.copy(), hit.copy()
        for _ in range(steps):
            if not open_.any():
                break
            going = np.flatnonzero(open_)
            still = self._below(origin, d[going], low[going] + step[going])
            low[going[still]] += step[going[still]]
            open_[going[~still]] = False
        high = low + step
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            over = self._below(origin, d, middle)
            low, high = np.where(over, middle, low), np.where(over, high, middle)
        points = origin + ((low + high) / 2)[:, None] * d
        return np.where(hit[:, None], points, np.nan), hit

    def _below(self, origin: Array, directions: Array, t: Array) -> NDArray[np.bool_]:
        """Whether the ground lies below each ray at parameter `t` (N,)."""
        p = origin + t[:, None] * directions
        return p[:, 2] > self.height(p[:, 0], p[:, 1])
