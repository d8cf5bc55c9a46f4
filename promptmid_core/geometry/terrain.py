"""The ground: flat, or a height raster; its height anywhere and where a ray meets it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Float64, Mask
from promptmid_core.geometry.grid import Grid
from promptmid_core.geometry.heights import Cells, HeightArray, Heights

MOST_STEPS = 1024
MOST_TRIES = 64
NEAR_M = 1e-6  # height above the ground from which a ray has met it


@dataclass(frozen=True)
class Terrain:
    """Ground heights in metres above the map's vertical datum.

    `heights` on `grid`; beyond its edge the nearest height holds. Without heights the ground is flat at `level`.
    """

    heights: Heights | None = None
    grid: Grid | None = None
    level: float = 0.0

    @staticmethod
    def flat(z: float = 0.0) -> Terrain:
        return Terrain(level=z)

    @staticmethod
    def of(heights: Float32, grid: Grid) -> Terrain:
        """Return the terrain of heights (H, W) in memory."""
        return Terrain(HeightArray(heights), grid)

    def height(self, x: Float64, y: Float64) -> Float64:
        """Return the height of the ground under each (x, y) in `map`, by bilinear interpolation; same shape as `x`."""
        x = np.asarray(x, float)
        if self.heights is None or self.grid is None:
            return np.full(x.shape, self.level)
        rows, cols = self.heights.shape
        col, row = self.grid.to_pixel(x.ravel(), np.ravel(y))
        # float arithmetic of our own: cv2.remap rounds positions to 1/32 pixel, a step of decimetres on a slope
        (c, u, right), (r, v, down) = _between(col, cols), _between(row, rows)
        z = self.heights.at(np.concatenate([r, r, down, down]), np.concatenate([c, right, c, right])).reshape(4, -1)
        upper = z[0] * (1 - u) + z[1] * u
        lower = z[2] * (1 - u) + z[3] * u
        heights: Float64 = (upper * (1 - v) + lower * v).reshape(x.shape)
        return heights

    def lattice(self, x: Float64, y: Float64) -> Float64:
        """Return the heights (H, W) where columns `x` (W,) and rows `y` (H,) cross, each as `height` has it, in less time."""
        if self.heights is None or self.grid is None:
            return np.full((len(y), len(x)), self.level)
        col, row = self.grid.to_pixel(x, y)
        (left, u, right), (top, v, bottom) = (_between(*each) for each in zip((col, row), self.heights.shape[::-1], strict=True))
        first, last = int(top.min()), int(bottom.max()) + 1
        rows = self.heights.window(slice(first, last), slice(0, self.heights.shape[1]))
        across = rows[:, left] * (1 - u) + rows[:, right] * u
        return np.asarray(across[top - first] * (1 - v)[:, None] + across[bottom - first] * v[:, None], np.float64)

    def on_grid(self, grid: Grid) -> Float64:
        """Return the heights (H, W) at the pixel centres of a grid."""
        if self.heights is None or self.grid is None:
            return np.full(grid.shape, self.level)
        x, y = grid.axes()
        col, row = self.grid.to_pixel(x, y)
        c0, r0 = int(np.floor(col[0])) - 1, int(np.floor(row[0])) - 1
        rows, cols = self.heights.shape
        take_r = np.clip(np.arange(r0, int(np.ceil(row[-1])) + 2), 0, rows - 1)
        take_c = np.clip(np.arange(c0, int(np.ceil(col[-1])) + 2), 0, cols - 1)
        window = self.heights.window(slice(take_r[0], take_r[-1] + 1), slice(take_c[0], take_c[-1] + 1))
        window = np.ascontiguousarray(window[np.ix_(take_r - take_r[0], take_c - take_c[0])])
        across, down = np.meshgrid((col - c0).astype(np.float32), (row - r0).astype(np.float32))
        return cv2.remap(window, across, down, cv2.INTER_LINEAR).astype(np.float64)

    def intersect(self, origin: Float64, directions: Float64) -> tuple[Float64, Mask]:
        """Return where rays from `origin` (3,) along `directions` (N, 3) first meet the ground.

        Returns points (N, 3) and whether each ray hits; rays that never come down are False and hold NaN.
        """
        origin, d = np.asarray(origin, float), np.atleast_2d(np.asarray(directions, float))
        down = d[:, 2] < -1e-3 * np.linalg.norm(d, axis=1)
        slope = np.where(down, d[:, 2], -1.0)
        if self.heights is None or self.grid is None:
            t = (self.level - origin[2]) / slope
            hit = down & (t > 0)
            return np.where(hit[:, None], origin + t[:, None] * d, np.nan), hit

        top, bottom = self.heights.highest + 1.0, self.heights.lowest - 1.0
        near = np.maximum((top - origin[2]) / slope, 0.0)
        far = (bottom - origin[2]) / slope

        # heights are asked for where rays go alone: elsewhere they may be none
        above, hit = np.full(len(d), -1.0), down & (far > 0)
        above[hit] = self._above(origin, d[hit], near[hit])
        hit &= above > 0
        # march from the highest ground down to the first step that is below it, half a cell at most at a time
        run = float(((far - near) * np.hypot(d[:, 0], d[:, 1]))[hit].max(initial=0.0))
        steps = int(np.clip(2 * run / self.grid.gsd, 4, MOST_STEPS))
        step = (far - near) / steps
        low, high, below = near.copy(), near + step, np.full(len(d), -1.0)
        going = np.flatnonzero(hit)
        for _ in range(steps):
            if not len(going):
                break
            value = self._above(origin, d[going], high[going])
            low[going] = np.where(value > 0, high[going], low[going])
            above[going], below[going] = np.where(value > 0, value, above[going]), np.where(value > 0, -1.0, value)
            going = going[value > 0]
            high[going] = low[going] + step[going]
        t = self._crossing(origin, d, hit, (low, np.where(hit, above, 1.0)), (high, below))
        points = origin + t[:, None] * d
        return np.where(hit[:, None], points, np.nan), hit

    def _crossing(self, origin: Float64, directions: Float64, hit: Mask, low: tuple[Float64, Float64],
                  high: tuple[Float64, Float64]) -> Float64:
        """The parameter (N,) at which rays that `hit` cross the ground, between one above (parameter, height above ground) and
        one below: false position with the Illinois weights (Dowell and Jarratt 1971)."""
        (a, above), (b, below) = low, high
        t = (a + b) / 2
        side = np.zeros(len(t))
        open_ = hit.copy()
        for _ in range(MOST_TRIES):
            if not open_.any():
                break
            t = np.where(open_, (a * below - b * above) / (below - above), t)
            value = np.zeros(len(t))
            value[open_] = self._above(origin, directions[open_], t[open_])
            over = open_ & (value > 0)
            under = open_ & ~over
            a, above = np.where(over, t, a), np.where(over, value, np.where(under & (side < 0), above / 2, above))
            b, below = np.where(under, t, b), np.where(under, value, np.where(over & (side > 0), below / 2, below))
            side = np.where(over, 1.0, -1.0)
            open_ &= np.abs(value) > NEAR_M
        return t

    def _above(self, origin: Float64, directions: Float64, t: Float64) -> Float64:
        """How far (N,) each ray is above the ground at parameter `t` (N,)."""
        p = origin + t[:, None] * directions
        return np.asarray(p[:, 2] - self.height(p[:, 0], p[:, 1]))


def _between(place: Float64, size: int) -> tuple[Cells, Float64, Cells]:
    """The cells (N,) of an axis before and after places (N,), and how far each lies between; beyond the edge the last cell."""
    place = np.minimum(np.maximum(place, 0), size - 1)
    before = np.minimum(place.astype(int), max(size - 2, 0))
    return before, place - before, before + int(size > 1)
