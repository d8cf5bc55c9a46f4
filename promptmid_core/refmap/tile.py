"""One tile of the map: read, described, written. Tiles depend on nothing but their inputs and can be made in any order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptmid_core.descriptors import Descriptor
from promptmid_core.geometry import Patch
from promptmid_core.georaster import RasterView
from promptmid_core.prompts import Modality, Prompt
from promptmid_core.refmap.amplitude import AmplitudeScale
from promptmid_core.refmap.header import Header, Tile
from promptmid_core.refmap.manifest import TileRecord, sha256
from promptmid_core.refmap.pyramid import averaged, majority
from promptmid_core.refmap.quantisation import encoded
from promptmid_core.refmap.store import UNKNOWN_CLASS, UNKNOWN_HEIGHT, read_window, write_tile

Values = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class TileTask:
    """All that making any tile of a map needs; it can be sent to another process."""

    path: Path
    header: Header
    descriptor: Descriptor
    amplitude: AmplitudeScale
    sar: RasterView
    landcover: RasterView | None
    dem: RasterView | None

    def make(self, tile: Tile, only: frozenset[str] | None = None) -> TileRecord:
        """Make one tile and write its shards, or `only` some of those files.

        Above level 0 the level below must be there. ValueError where the descriptor does not keep to what it says of itself.
        """
        around = self._around(tile)
        values = self._coarser(tile, around) if tile.level else self._finest(tile, around)
        written = write_tile(self.path, self.header, tile, values, only)
        files = {file.as_posix(): sha256(self.path / file) or "" for file in written}
        classes: dict[str, int] = {}
        if "landuse" in values:
            codes, counts = np.unique(values["landuse"], return_counts=True)
            classes = {str(code): int(count) for code, count in zip(codes, counts, strict=True) if code != UNKNOWN_CLASS}
        heights = int((values["dem"] != np.float32(UNKNOWN_HEIGHT)).sum()) if "dem" in values else 0
        return TileRecord(tile, files, int(values["sar_valid"].sum()), int(values["descriptors_valid"].sum()), heights, classes)

    def _around(self, tile: Tile) -> Tile:
        """A tile with the pixels around it that its descriptors depend on, as far as there are any."""
        stride, whole = self.header.descriptor.stride, self.header.pixels(tile.level)
        reach = -(-self.descriptor.halo // stride) * stride
        left, top = max(tile.col - reach, 0), max(tile.row - reach, 0)
        right, bottom = min(tile.col + tile.width + reach, whole.width), min(tile.row + tile.height + reach, whole.height)
        return Tile(left, top, right - left, bottom - top, tile.level)

    def _finest(self, tile: Tile, around: Tile) -> Values:
        read = self.sar.read(around.col, around.row, around.width, around.height)
        image = np.where(read.valid, self.amplitude.amplitude(read.image), np.float32(0))
        place = _within(tile, around)
        values = self._describe(tile, around, image, read.valid)
        values |= {"sar": self._stored(read.image[place]), "sar_valid": read.valid[place]}
        if self.landcover:
            cover = self.landcover.read(tile.col, tile.row, tile.width, tile.height)
            values["landuse"] = np.where(cover.valid, cover.image, UNKNOWN_CLASS).astype(np.uint16)
        if self.dem:
            stride = self.header.dem_stride
            dem = self.dem.read(tile.col // stride, tile.row // stride, -(-tile.width // stride), -(-tile.height // stride))
            values["dem"] = np.where(dem.valid, dem.image, np.float32(UNKNOWN_HEIGHT))
        return values

    def _coarser(self, tile: Tile, around: Tile) -> Values:
        below = tile.level - 1
        stored, known = self._below("sar", around), np.asarray(self._below("sar_valid", around), bool)
        pixels = stored.astype(np.float32)
        image, valid = averaged(pixels if below else self.amplitude.amplitude(pixels), known)
        place = _within(tile, around)
        values = self._describe(tile, around, image, valid)
        values |= {"sar": np.minimum(image[place], np.finfo(np.float16).max).astype(np.float16), "sar_valid": valid[place]}
        if self.header.has_landuse:
            values["landuse"] = majority(self._below("landuse", tile).astype(np.uint16))
        return values

    def _below(self, name: str, window: Tile) -> NDArray[np.generic]:
        """The stored elements of the level below that a window of this level covers."""
        below = Tile(2 * window.col, 2 * window.row, 2 * window.width, 2 * window.height, window.level - 1)
        return read_window(self.path, name, below)

    def _describe(self, tile: Tile, around: Tile, image: NDArray[np.float32], valid: NDArray[np.bool_]) -> Values:
        """The stored descriptors and their validity of a tile, as if the level were described whole.

        `image` is the amplitude (H, W) around it, `valid` where it is known.
        """
        identity, stride = self.header.descriptor, self.header.descriptor.stride
        shape = tile.height // stride, tile.width // stride
        if not valid.any() or not all(shape):
            empty = np.zeros((identity.channels, *shape), self.header.store)
            return {"descriptors": empty, "descriptors_valid": np.zeros(shape, bool)}
        grid = self.header.pixels(tile.level).cut(around.col, around.row, around.width, around.height)
        described = self.descriptor.describe(Patch(image, valid, grid), Prompt(Modality.SAR))
        row, col = (tile.row - around.row) // stride, (tile.col - around.col) // stride
        cells = np.s_[..., row:row + shape[0], col:col + shape[1]]
        known = described.valid[cells]
        array = encoded(np.where(known, described.array[cells], np.float32(0)), self.header.store, identity.groups)
        if array.shape != (identity.channels, *shape) or not np.isfinite(array).all():
            raise ValueError(f"descriptor {identity.name} gave {array.shape} values, or some beyond the range of float16")
        return {"descriptors": array, "descriptors_valid": known}

    def _stored(self, image: NDArray[np.float32]) -> NDArray[np.generic]:
        dtype = np.dtype(self.header.sar_dtype)
        return (np.rint(image) if np.issubdtype(dtype, np.integer) else image).astype(dtype)


def _within(tile: Tile, around: Tile) -> tuple[slice, slice]:
    row, col = tile.row - around.row, tile.col - around.col
    return slice(row, row + tile.height), slice(col, col + tile.width)
