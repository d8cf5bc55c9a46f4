"""What a camera above an orthophoto sees: rays to the ground, and the orthophoto's colours where they meet it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.geometry import Camera, Grid, Pose, Terrain

Array = NDArray[np.float64]

FLAT_STEP = 8  # pixels between the rays that are traced; those between are interpolated
RELIEF_STEP = 4
EDGE_PX = 4  # orthophoto pixels around the footprint that the interpolation needs


@dataclass(frozen=True)
class View:
    """Perspective images of an orthophoto draped over terrain.

    `image` (H, W) or (H, W, 3) uint8 and `valid` (H, W) lie on `grid`; invalid pixels are seen black.
    """

    image: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    grid: Grid
    terrain: Terrain
    camera: Camera

    def render(self, pose: Pose) -> tuple[NDArray[np.uint8], float]:
        """The image (h, w) or (h, w, 3) seen from a pose of `base_link`, and the share of it that shows valid ground."""
        col, row, hit = self._ground(pose)
        share = self._valid_share(col, row, hit)
        if not hit.any():
            return np.zeros((self.camera.height, self.camera.width, *self.image.shape[2:]), np.uint8), 0.0
        # rays above the horizon: anywhere outside the orthophoto
        col, row = np.where(hit, col, -1e4), np.where(hit, row, -1e4)
        left, top = max(0, int(col[hit].min()) - EDGE_PX), max(0, int(row[hit].min()) - EDGE_PX)
        right = min(self.grid.width, int(col[hit].max()) + EDGE_PX + 2)
        bottom = min(self.grid.height, int(row[hit].max()) + EDGE_PX + 2)
        if left >= right or top >= bottom:
            return np.zeros((self.camera.height, self.camera.width, *self.image.shape[2:]), np.uint8), 0.0
        window = self.image[top:bottom, left:right]
        seen = cv2.remap(window, self._dense(col - left), self._dense(row - top), cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
        return seen.astype(np.uint8, copy=False), share

    def valid_share(self, pose: Pose) -> float:
        """The share of the footprint that lies on valid pixels."""
        return self._valid_share(*self._ground(pose))

    def _valid_share(self, col: Array, row: Array, hit: NDArray[np.bool_]) -> float:
        c, r = np.where(hit, np.rint(col), -1).astype(int), np.where(hit, np.rint(row), -1).astype(int)
        inside = (c >= 0) & (r >= 0) & (c < self.grid.width) & (r < self.grid.height)
        return float((self.valid[np.where(inside, r, 0), np.where(inside, c, 0)] & inside)[self._in_frame].mean())

    @property
    def _step(self) -> int:
        return FLAT_STEP if self.terrain.heights is None else RELIEF_STEP

    @cached_property
    def _nodes(self) -> tuple[Array, Array]:
        """Pixel columns and rows of the traced rays: centres of blocks, with one block more on every side."""
        def axis(size: int) -> Array:
            return (np.arange(-1, -(-size // self._step) + 1) + 0.5) * self._step - 0.5

        return axis(self.camera.width), axis(self.camera.height)

    @cached_property
    def _in_frame(self) -> NDArray[np.bool_]:
        cols, rows = self._nodes
        across, down = (cols >= 0) & (cols <= self.camera.width - 1), (rows >= 0) & (rows <= self.camera.height - 1)
        return across[None] & down[:, None]

    @cached_property
    def _rays(self) -> Array:
        """Directions (N, 3) of the traced rays in `base_link`."""
        across, down = np.meshgrid(*self._nodes)
        return self.camera.rays(np.column_stack([across.ravel(), down.ravel()])) @ self.camera.mount.rotation.T

    def _ground(self, pose: Pose) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Orthophoto pixels (rows, cols) that the traced rays meet, and whether they meet the ground at all."""
        points, hit = self.terrain.intersect((pose @ self.camera.mount).position, self._rays @ pose.rotation.T)
        col, row = self.grid.to_pixel(points[:, 0], points[:, 1])
        shape = (len(self._nodes[1]), len(self._nodes[0]))
        return col.reshape(shape), row.reshape(shape), hit.reshape(shape)

    def _dense(self, nodes: Array) -> NDArray[np.float32]:
        """Bilinear from the traced rays to every pixel."""
        step = self._step
        rows, cols = nodes.shape
        dense = cv2.resize(nodes.astype(np.float32), (cols * step, rows * step), interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(dense[step:step + self.camera.height, step:step + self.camera.width])
