"""What a camera above an orthophoto sees: rays to the ground, and the orthophoto's colours where they meet it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Float64, Mask, UInt8
from promptmid_core.geometry import NADIR, Camera, Grid, Pose, Terrain
from promptmid_core.simulation.flight.sight import FLATTEST

NODE_STEP = 8  # pixels between the rays that are computed; those between are interpolated, good to a hundredth of a pixel
SAMPLE = 64, 48  # rays that tell how much of a footprint is valid
EDGE_PX = 4  # orthophoto pixels around the footprint that cubic interpolation needs
MOST_STEPS = 8
MOST_LEVELS = 8
SKY = 214  # grey level of the haze at the horizon
TOLERANCE_PX = 0.02  # of a height, in orthophoto pixels


@dataclass(frozen=True)
class View:
    """Perspective images of an orthophoto draped over terrain, from a camera that looks down.

    `image` (H, W) or (H, W, 3) uint8 and `valid` (H, W) lie on `grid`; invalid pixels are seen black.
    """

    image: UInt8
    valid: Mask
    grid: Grid
    terrain: Terrain
    camera: Camera

    def render(self, pose: Pose) -> tuple[UInt8, float]:
        """Return the image (h, w) or (h, w, 3) seen from a pose of `base_link`, and the share of it that shows valid ground."""
        col, row = self.ground_pixels(pose)
        sky = self._sky(pose)
        if sky is not None:
            col[sky] = -2 * EDGE_PX
        left, top = max(0, int(col.min()) - EDGE_PX), max(0, int(row.min()) - EDGE_PX)
        right, bottom = min(self.grid.width, int(col.max()) + EDGE_PX + 2), min(self.grid.height, int(row.max()) + EDGE_PX + 2)
        if left >= right or top >= bottom:
            return np.zeros((*col.shape, *self.image.shape[2:]), np.uint8), 0.0
        col, row = col - np.float32(left), row - np.float32(top)
        window = np.s_[top:bottom, left:right]
        seen: Any = (self._averaged(col + np.float32(left), row + np.float32(top)) if self._is_oblique else
                     cv2.remap(self.image[window], col, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT))
        known = cv2.remap(self.valid[window].astype(np.uint8), col, row, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
        if sky is not None:
            seen[sky] = SKY
        return seen.astype(np.uint8, copy=False), float(known.mean())

    def crossing(self, pose: Pose, z: float) -> tuple[Float32, Float32]:
        """Return x and y (h, w) in `map` where the ray of every camera pixel is at height `z`."""
        eye = pose @ self.camera.mount
        directions = self._falling(self._rays @ eye.rotation.T)
        reach = (z - eye.position[2]) / directions[:, 2]
        return self._dense(eye.position[0] + directions[:, 0] * reach), self._dense(eye.position[1] + directions[:, 1] * reach)

    def ground_pixels(self, pose: Pose) -> tuple[Float32, Float32]:
        """Return column and row (h, w) of the place in the orthophoto that every camera pixel sees."""
        eye = pose @ self.camera.mount
        (x, y, above), directions = eye.position, self._falling(self._rays @ eye.rotation.T)
        level = float(self.terrain.height(x, y))
        # a ray at height `level + z` is at `at + slope * z`, in orthophoto pixels
        east, north = directions[:, 0] / directions[:, 2], directions[:, 1] / directions[:, 2]
        col, row = self.grid.to_pixel(x + east * (level - above), y + north * (level - above))
        at_col, at_row = self._dense(col), self._dense(row)
        if self.terrain.heights is None:
            return at_col, at_row
        slope_col, slope_row = self._dense(east / self.grid.gsd), self._dense(-north / self.grid.gsd)

        heights, cells = self._relief
        scale = np.float32(self.grid.gsd / cells.gsd)
        shift_col, shift_row = (np.float32(shift) for shift in cells.to_pixel(*self.grid.to_map(0, 0)))
        # where no slope is steeper than the view, the height under the ray at height z converges to the ground it meets
        coarse = np.zeros(len(east))
        for _ in range(MOST_STEPS):
            reach = level - above + coarse
            coarse = self.terrain.height(x + east * reach, y + north * reach) - level
        z = self._dense(coarse)
        for _ in range(MOST_STEPS):
            col, row = at_col + slope_col * z, at_row + slope_row * z
            col, row = col * scale + shift_col, row * scale + shift_row
            below = _plane(cv2.remap(heights, col, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) - np.float32(level))
            moved = np.abs(below - z) > np.float32(TOLERANCE_PX * self.grid.gsd)
            z = below
            if not moved.any():
                break
        if moved.any():
            up = np.full(int(moved.sum()), 1 / self.grid.gsd)
            down = -np.column_stack([slope_col[moved], -slope_row[moved], up]).astype(np.float64)
            z[moved] = self._near.intersect(eye.position, down)[0][:, 2] - level
        return at_col + slope_col * z, at_row + slope_row * z

    def _averaged(self, col: Float32, row: Float32) -> UInt8:
        """The orthophoto at places (h, w), averaged as far as neighbouring places are apart: the ground far ahead lies dense."""
        apart = np.hypot(*np.gradient(col)) * np.hypot(*np.gradient(row))
        level = np.clip(np.rint(np.log2(np.maximum(apart, 1.0)) / 2), 0, len(self._pyramid) - 1).astype(int)
        seen = np.zeros((*col.shape, *self.image.shape[2:]), np.uint8)
        for i in range(int(level.min()), int(level.max()) + 1):
            here = level == i
            part = np.s_[np.flatnonzero(here.any(axis=1)).min(initial=0):np.flatnonzero(here.any(axis=1)).max(initial=-1) + 1]
            scale = np.float32(0.5**i)
            cut, left, top = _around(self._pyramid[i], col[part] * scale, row[part] * scale)
            there = cv2.remap(cut, col[part] * scale - left, row[part] * scale - top, cv2.INTER_CUBIC,
                              borderMode=cv2.BORDER_CONSTANT)
            seen[part][here[part]] = there[here[part]]
        return seen

    @cached_property
    def _pyramid(self) -> list[UInt8]:
        """The orthophoto, and averages of it at half the resolution, each of the one before."""
        levels = [self.image]
        while min(levels[-1].shape[:2]) > 32 and len(levels) < MOST_LEVELS:
            levels.append(np.asarray(cv2.pyrDown(levels[-1]), np.uint8))
        return levels

    @cached_property
    def _is_oblique(self) -> bool:
        return not np.array_equal(self.camera.mount.rotation, NADIR.rotation)

    def _falling(self, directions: Float64) -> Float64:
        """Directions (N, 3) that come down no flatter than what still sees ground."""
        if not self._is_oblique:
            return directions
        least = np.hypot(directions[:, 0], directions[:, 1]) / np.tan(FLATTEST)
        return np.column_stack([directions[:, :2], np.minimum(directions[:, 2], -least)])

    def _sky(self, pose: Pose) -> Mask | None:
        """Which pixels (h, w) see no ground; None where all do."""
        if not self._is_oblique:
            return None
        directions = self._rays @ (pose @ self.camera.mount).rotation.T
        return np.asarray(self._dense(directions[:, 2] / np.linalg.norm(directions, axis=1)) > -np.cos(FLATTEST))

    def valid_share(self, pose: Pose) -> float:
        """About the share of the image that shows valid ground, from a fraction of its rays."""
        eye = pose @ self.camera.mount
        points, hit = self._near.intersect(eye.position, self._sample @ eye.rotation.T)
        col, row = (np.rint(np.where(hit, a, -1.0)).astype(int) for a in self.grid.to_pixel(points[:, 0], points[:, 1]))
        inside = (col >= 0) & (row >= 0) & (col < self.grid.width) & (row < self.grid.height)
        return float((self.valid[np.where(inside, row, 0), np.where(inside, col, 0)] & inside).mean())

    @cached_property
    def _nodes(self) -> tuple[Float64, Float64]:
        """Pixel columns and rows of the computed rays: centres of blocks, with one block more on every side."""
        def axis(size: int) -> Float64:
            centres: Float64 = (np.arange(-1, -(-size // NODE_STEP) + 1, dtype=np.float64) + 0.5) * NODE_STEP - 0.5
            return centres

        return axis(self.camera.width), axis(self.camera.height)

    @cached_property
    def _rays(self) -> Float64:
        """Directions (N, 3) of the computed rays in the optical frame."""
        across, down = np.meshgrid(*self._nodes)
        return self.camera.rays(np.column_stack([across.ravel(), down.ravel()]))

    @cached_property
    def _sample(self) -> Float64:
        """Directions (N, 3) in the optical frame of rays spread over the image."""
        cols, rows = np.linspace(0, self.camera.width - 1, SAMPLE[0]), np.linspace(0, self.camera.height - 1, SAMPLE[1])
        across, down = np.meshgrid(cols, rows)
        return self.camera.rays(np.column_stack([across.ravel(), down.ravel()]))

    def _dense(self, nodes: Float64) -> Float32:
        """Bilinear from the computed rays (N,) to every pixel (h, w)."""
        cols, rows = (len(axis) for axis in self._nodes)
        size = cols * NODE_STEP, rows * NODE_STEP
        dense = cv2.resize(nodes.reshape(rows, cols).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        return _plane(dense[NODE_STEP:NODE_STEP + self.camera.height, NODE_STEP:NODE_STEP + self.camera.width])

    @cached_property
    def _near(self) -> Terrain:
        """The terrain under the orthophoto: rays are traced through its range of heights only."""
        if self.terrain.heights is None or self.terrain.grid is None:
            return self.terrain
        dem, (west, south, east, north) = self.terrain.grid, self.grid.bounds
        (left, right), (top, bottom) = dem.to_pixel([west, east], [north, south])
        c0, r0 = int(np.clip(left - 2, 0, dem.width - 1)), int(np.clip(top - 2, 0, dem.height - 1))
        c1, r1 = int(np.clip(right + 3, c0 + 1, dem.width)), int(np.clip(bottom + 3, r0 + 1, dem.height))
        return Terrain.of(self.terrain.heights.window(slice(r0, r1), slice(c0, c1)), dem.cut(c0, r0, c1 - c0, r1 - r0))

    @cached_property
    def _relief(self) -> tuple[Float32, Grid]:
        """The same surface in cells no larger than the orthophoto's pixels.

        A whole number of cells stands for each cell of the DEM, so that nothing changes; cv2.remap rounds positions to 1/32 cell.
        """
        dem = self._near.grid
        assert dem is not None
        parts = max(1, int(np.ceil(dem.gsd / self.grid.gsd)))
        cells = Grid(dem.x, dem.y, dem.gsd / parts, (dem.width - 1) * parts + 1, (dem.height - 1) * parts + 1)
        return self._near.lattice(*cells.axes()).astype(np.float32), cells


def _around(image: UInt8, col: Float32, row: Float32) -> tuple[UInt8, np.float32, np.float32]:
    """The part of an image that places need: cv2.remap takes no image of more than 32767 pixels a side; its column and row."""
    left, top = max(0, int(col.min()) - EDGE_PX), max(0, int(row.min()) - EDGE_PX)
    part = image[top:max(top + 1, int(row.max()) + EDGE_PX), left:max(left + 1, int(col.max()) + EDGE_PX)]
    return (part if part.size else image[:1, :1]), np.float32(left), np.float32(top)


def _plane(values: NDArray[Any]) -> Float32:
    return np.ascontiguousarray(values, np.float32)
