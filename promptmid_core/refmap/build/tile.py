"""One tile of the map: read, described, written. A level's tiles need its inputs or the level below, and no other tile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Mask
from promptmid_core.descriptors import Descriptor, fault_of
from promptmid_core.errors import InputError
from promptmid_core.files import sha256
from promptmid_core.geometry import Patch
from promptmid_core.georaster import RasterView
from promptmid_core.prompts.prompt import NEUTRAL, Modality, Prompt
from promptmid_core.prompts.vocabulary import Vocabulary
from promptmid_core.refmap.build.landuse import LandCover
from promptmid_core.refmap.format.arrays import UNKNOWN_HEIGHT, plan, read_window, write_tile
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.format.manifest import TileRecord
from promptmid_core.refmap.format.quantisation import encoded
from promptmid_core.refmap.pyramid import averaged, majority
from promptmid_core.refmap.sar.scene import Scene
from promptmid_core.refmap.tile import Tile

Values = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class TileTask:
    """All that making any tile of a map needs; it can be sent to another process."""

    path: Path
    header: Header
    descriptor: Descriptor
    scenes: tuple[Scene, ...]
    landcover: LandCover | None
    vocabulary: Vocabulary
    dem: RasterView | None

    def make(self, tile: Tile, only: frozenset[str] | None = None) -> TileRecord:
        """Make one tile and write its shards, or `only` some of those files.

        Above level 0 the level below must be there. With several scenes each is described alone, with its own valid mask, at
        every level, and pixels and descriptors come from the first that is valid there, so that no scene's edge is described.
        Raises InputError where the descriptor gives NaN, ValueError where it does not keep to what it says of itself.
        """
        around = self._with_rim(tile, self.descriptor.halo, self.header.descriptor.stride)
        landuse = self.landcover.told_by(self._codes(tile, self.landcover), self.header.block_px) if self.landcover else None
        prompt = self.vocabulary.prompt(Modality.SAR, landuse.prompt_id if landuse else NEUTRAL)
        values = self._mosaic(tile, around, prompt) if len(self.scenes) > 1 else self._alone(tile, around, prompt)
        if landuse:
            values |= landuse.arrays
        heights = 0
        if self.dem and not tile.level:
            stride = self.header.dem_stride
            dem = self.dem.read(tile.col // stride, tile.row // stride, -(-tile.width // stride), -(-tile.height // stride))
            values["dem"] = np.where(dem.valid, dem.image, np.float32(UNKNOWN_HEIGHT))
            heights = int(dem.valid.sum())
        written = write_tile(self.path, self.header, tile, values, only)
        files = {file.as_posix(): sha256(self.path / file) or "" for file in written}
        return TileRecord(tile, files, int(values["sar_valid"].sum()), int(values["descriptors_valid"].sum()), heights,
                          landuse.classes if landuse else {}, _shares(values))

    def _alone(self, tile: Tile, around: Tile, prompt: Prompt) -> Values:
        """What is stored of the SAR image, and the descriptors, of a tile where there is one scene."""
        stored, amplitude, valid = self._coarser(around) if tile.level else self._finest(around)
        place = _within(tile, around)
        return self._describe(tile, around, amplitude, valid, prompt) | {"sar": stored[place], "sar_valid": valid[place]}

    def _mosaic(self, tile: Tile, around: Tile, prompt: Prompt) -> Values:
        """As `_alone`, of all scenes."""
        arrays, place = plan(self.header, tile.level), _within(tile, around)
        nowhere = np.zeros((around.height, around.width), bool)
        values = self._describe(tile, around, nowhere.astype(np.float32), nowhere, prompt)
        values |= {"sar": np.zeros((tile.height, tile.width), arrays["sar"].dtype), "sar_valid": nowhere[place],
                   "scene": np.full((tile.height, tile.width), arrays["scene"].unknown, arrays["scene"].dtype)}
        for index, scene in enumerate(self.scenes):
            if values["sar_valid"].all() and values["descriptors_valid"].all():
                break
            if not scene.touches(around):
                continue
            stored, amplitude, valid = scene.read(around)
            own = self._describe(tile, around, amplitude, valid, prompt)
            pixels = valid[place] & ~values["sar_valid"].astype(bool)
            cells = own["descriptors_valid"].astype(bool) & ~values["descriptors_valid"].astype(bool)
            own |= {"sar": _as_stored(stored[place], arrays["sar"].dtype), "sar_valid": pixels,
                    "scene": np.full(pixels.shape, index, arrays["scene"].dtype)}
            for name, array in own.items():
                values[name] = np.where(cells if name.startswith("descriptors") else pixels, array, values[name])
        return values

    def _with_rim(self, tile: Tile, pixels: int, unit: int = 1) -> Tile:
        """A tile with at least so many pixels around it, in multiples of `unit`, as far as there are any."""
        reach, whole = -(-pixels // unit) * unit, self.header.pixels(tile.level)
        left, top = max(tile.col - reach, 0), max(tile.row - reach, 0)
        right, bottom = min(tile.col + tile.width + reach, whole.width), min(tile.row + tile.height + reach, whole.height)
        return Tile(left, top, right - left, bottom - top, tile.level)

    def _finest(self, window: Tile) -> tuple[NDArray[np.generic], Float32, Mask]:
        """The pixels (H, W) of a window of level 0: what is stored of them, their amplitude, where they are valid."""
        read, amplitude = self.scenes[0].sar.read(window.col, window.row, window.width, window.height)
        return _as_stored(read.image, self.header.sar_dtype), amplitude, read.valid

    def _coarser(self, window: Tile) -> tuple[NDArray[np.generic], Float32, Mask]:
        """As `_finest`, above level 0."""
        below, sar = _below(window), self.scenes[0].sar
        around = below if below.level else self._with_rim(below, sar.filter_px)
        pixels = read_window(self.path, self.header, "sar", around).astype(np.float32)
        known = read_window(self.path, self.header, "sar_valid", around).astype(bool)
        fine, place = pixels if below.level else sar.amplitude(pixels, known), _within(below, around)
        amplitude, valid = averaged(fine[place], known[place])
        return np.minimum(amplitude, np.finfo(np.float16).max).astype(np.float16), amplitude, valid

    def _codes(self, tile: Tile, cover: LandCover) -> NDArray[np.uint16]:
        if not tile.level:
            return cover.codes(tile)
        return majority(read_window(self.path, self.header, "landuse", _below(tile)).astype(np.uint16))

    def _describe(self, tile: Tile, around: Tile, amplitude: Float32, valid: Mask, prompt: Prompt) -> Values:
        """The stored descriptors and their validity of a tile, as if the level were described whole.

        `amplitude` (H, W) is that around it, `valid` where it is known.
        """
        identity, stride = self.header.descriptor, self.header.descriptor.stride
        shape = tile.height // stride, tile.width // stride
        if not valid.any() or not all(shape):
            empty = np.zeros((identity.channels, *shape), self.header.store)
            return {"descriptors": empty, "descriptors_valid": np.zeros(shape, bool)}
        grid = self.header.pixels(tile.level).cut(around.col, around.row, around.width, around.height)
        described = self.descriptor.describe(Patch(amplitude, valid, grid), prompt)
        row, col = (tile.row - around.row) // stride, (tile.col - around.col) // stride
        cells = np.s_[..., row:row + shape[0], col:col + shape[1]]
        fault = fault_of(described, identity.name)
        if fault:
            raise InputError(fault)
        known = described.valid[cells]
        array = encoded(np.where(known, described.array[cells], np.float32(0)), self.header.store, identity.groups)
        if array.shape != (identity.channels, *shape):
            raise ValueError(f"descriptor {identity.name} gave {array.shape} values")
        return {"descriptors": array, "descriptors_valid": known}


def _as_stored(values: Float32, dtype: str) -> NDArray[np.generic]:
    """Values as the map keeps them; whole numbers are kept within what their type holds."""
    if not np.issubdtype(np.dtype(dtype), np.integer):
        return values.astype(dtype)
    span = np.iinfo(dtype)
    return np.clip(np.rint(values), span.min, span.max).astype(dtype)


def _shares(values: Values) -> dict[str, int]:
    """The pixels of each scene by its index; empty where there is one only."""
    if "scene" not in values:
        return {}
    found, pixels = np.unique(values["scene"][values["sar_valid"].astype(bool)], return_counts=True)
    return {str(index): int(count) for index, count in zip(found, pixels, strict=True)}


def _below(window: Tile) -> Tile:
    """The pixels of the level below that a window covers."""
    return Tile(2 * window.col, 2 * window.row, 2 * window.width, 2 * window.height, window.level - 1)


def _within(tile: Tile, around: Tile) -> tuple[slice, slice]:
    row, col = tile.row - around.row, tile.col - around.col
    return slice(row, row + tile.height), slice(col, col + tile.width)
