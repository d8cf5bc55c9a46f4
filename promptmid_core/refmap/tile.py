"""One tile of the map: read, described, written. Tiles depend on nothing but their inputs and can be made in any order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptmid_core.descriptors import Descriptor
from promptmid_core.geometry import Patch
from promptmid_core.georaster import GeoImage, RasterView
from promptmid_core.prompts import NEUTRAL, Modality, Prompt
from promptmid_core.refmap.header import Header, Tile
from promptmid_core.refmap.landuse import LandCover
from promptmid_core.refmap.manifest import TileRecord, sha256
from promptmid_core.refmap.sar import SarView
from promptmid_core.refmap.store import UNKNOWN_HEIGHT, write_tile
from promptmid_core.refmap.vocabulary import Vocabulary


@dataclass(frozen=True)
class TileTask:
    """All that making any tile of a map needs; it can be sent to another process."""

    path: Path
    header: Header
    descriptor: Descriptor
    sar: SarView
    landcover: LandCover | None
    vocabulary: Vocabulary
    dem: RasterView | None

    def make(self, tile: Tile) -> TileRecord:
        """Make one tile and write its shards; ValueError where the descriptor does not keep to what it says of itself."""
        landuse = self.landcover.told_by(self.landcover.codes(tile), self.header.block_px) if self.landcover else None
        prompt = self.vocabulary.prompt(Modality.SAR, landuse.prompt_id if landuse else NEUTRAL)
        descriptors, described, sar = self._describe(tile, prompt)
        values: dict[str, NDArray[np.generic]] = {
            "descriptors": descriptors, "descriptors_valid": described, "sar": self._stored(sar.image), "sar_valid": sar.valid,
        }
        if landuse:
            values |= landuse.arrays
        heights = 0
        if self.dem:
            stride = self.header.dem_stride
            dem = self.dem.read(tile.col // stride, tile.row // stride, -(-tile.width // stride), -(-tile.height // stride))
            values["dem"] = np.where(dem.valid, dem.image, np.float32(UNKNOWN_HEIGHT))
            heights = int(dem.valid.sum())
        files = {file.as_posix(): sha256(self.path / file) or "" for file in write_tile(self.path, self.header, tile, values)}
        return TileRecord(tile, files, int(sar.valid.sum()), int(described.sum()), heights, landuse.classes if landuse else {})

    def _describe(self, tile: Tile, prompt: Prompt) -> tuple[NDArray[np.float16], NDArray[np.bool_], GeoImage]:
        """Descriptors (C, h, w) and their validity (h, w) of a tile, as if the map were described whole; its SAR."""
        stride, whole = self.header.descriptor.stride, self.header.grid
        reach = -(-self.descriptor.halo // stride) * stride
        left, top = max(tile.col - reach, 0), max(tile.row - reach, 0)
        right, bottom = min(tile.col + tile.width + reach, whole.width), min(tile.row + tile.height + reach, whole.height)
        around, image = self.sar.read(left, top, right - left, bottom - top)
        place = np.s_[tile.row - top:tile.row - top + tile.height, tile.col - left:tile.col - left + tile.width]
        grid = whole.cut(tile.col, tile.row, tile.width, tile.height)
        sar = GeoImage(around.image[place], around.valid[place], grid, around.frame)

        height, width = tile.height // stride, tile.width // stride
        array = np.zeros((self.header.descriptor.channels, height, width), np.float16)
        if not around.valid.any() or not height or not width:
            return array, np.zeros((height, width), bool), sar
        described = self.descriptor.describe(Patch(image, around.valid, around.grid), prompt)
        cells = np.s_[..., (tile.row - top) // stride:(tile.row - top) // stride + height,
                      (tile.col - left) // stride:(tile.col - left) // stride + width]
        valid = described.valid[cells]
        array = np.where(valid, described.array[cells], 0).astype(np.float16)
        if array.shape != (self.header.descriptor.channels, height, width) or not np.isfinite(array).all():
            raise ValueError(f"descriptor {self.descriptor.name} gave {array.shape} values, or some beyond the range of float16")
        return array, valid, sar

    def _stored(self, image: NDArray[np.float32]) -> NDArray[np.generic]:
        dtype = np.dtype(self.header.sar_dtype)
        return (np.rint(image) if np.issubdtype(dtype, np.integer) else image).astype(dtype)
