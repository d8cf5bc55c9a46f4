"""A scene of a mosaic: one raster on the map grid, at any level as a map of it alone would have it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float32, Mask
from promptmid_core.refmap.pyramid import averaged
from promptmid_core.refmap.sar.view import SarView
from promptmid_core.refmap.tile import Tile

BLOCK_PX = 1024  # level-0 pixels along a side that are in memory at once


@dataclass(frozen=True)
class Scene:
    """`name` is that of the raster in the map's header; `gain_db` is added to its values, so that they fit those of the first.

    `part`: column, row, width and height of the level-0 pixels that the raster reaches into.
    """

    name: str
    sar: SarView
    gain_db: float
    part: tuple[int, int, int, int]

    def touches(self, window: Tile) -> bool:
        """Return whether the raster reaches into a window of any level."""
        col, row, width, height = (value << window.level for value in (window.col, window.row, window.width, window.height))
        left, top, across, down = self.part
        return left < col + width and col < left + across and top < row + height and row < top + down

    def read(self, window: Tile) -> tuple[Float32, Float32, Mask]:
        """Return a window (H, W): what the map holds of the scene there, its amplitude, where it is valid.

        At level 0 that is the product's values with the gain, above it the amplitude: the mean of the level below by 2 x 2.
        """
        if not window.level:
            read, amplitude = self.sar.read(window.col, window.row, window.width, window.height)
            values = self.sar.scale.moved(read.image, self.gain_db)
            return np.where(read.valid, values, np.float32(0)), amplitude, read.valid
        amplitude, valid = np.zeros((window.height, window.width), np.float32), np.zeros((window.height, window.width), bool)
        step = max(1, BLOCK_PX >> window.level)
        for row in range(0, window.height, step):
            for col in range(0, window.width, step):
                block = np.s_[row:row + step, col:col + step]
                down, across = valid[block].shape
                piece = Tile(window.col + col, window.row + row, across, down, window.level)
                if self.touches(piece):
                    amplitude[block], valid[block] = self._coarse(piece)
        return np.minimum(amplitude, np.finfo(np.float16).max), amplitude, valid

    def _coarse(self, window: Tile) -> tuple[Float32, Mask]:
        left, top, across, down = (side << window.level for side in (window.col, window.row, window.width, window.height))
        read, amplitude = self.sar.read(left, top, across, down)
        valid = read.valid
        for _ in range(window.level):
            amplitude, valid = averaged(amplitude, valid)
        return amplitude, valid
