"""The finished map as flight sees it: windows of descriptors, SAR pixels, land use, and the terrain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float64, Mask
from promptmid_core.geometry import DescriptorMap, Patch
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.prompts import KINDS, dominant
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.prompts.vocabulary import Vocabulary
from promptmid_core.refmap.chunks import ChunkCache
from promptmid_core.refmap.format.arrays import NO_SCENE, UNKNOWN_CLASS, plan
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.format.manifest import require_finished
from promptmid_core.refmap.format.quantisation import decoded
from promptmid_core.refmap.offset import Offset
from promptmid_core.refmap.stored import Stored

CACHE_BYTES = 256 * 2**20


class ReferenceMap:
    """One level of a map folder opened for reading; windows are in whole pixels of that level and may reach beyond the map.

    `level` 0 is the finest of `levels`; `at` gives the others. What was read is kept, up to `cache_bytes` for all levels
    together. Several threads may use it at once.
    """

    def __init__(self, path: Path, header: Header, level: int, vocabulary: Vocabulary, stored: Stored) -> None:
        self.path = path
        self.header = header
        self.level = level
        self.levels = header.levels
        self.frame = header.frame
        self.grid = header.pixels(level)
        self.gsd = self.grid.gsd
        self.stride = header.descriptor.stride
        self.channels = header.descriptor.channels
        self.descriptor_name = header.descriptor.name
        self.fingerprint = header.descriptor.fingerprint
        self.vertical_datum = header.vertical_datum
        self.registration_sigma_m = header.registration_sigma_m
        self.has_dem = header.dem_stride > 0
        self.has_landuse = header.has_landuse
        self.vocabulary = vocabulary
        self._stored = stored
        self._readers, self._prefetch = stored.level(level)
        stored.views[level] = self

    @staticmethod
    def open(path: Path, cache_bytes: int = CACHE_BYTES, prefetch: bool = False, corrected: bool = True) -> ReferenceMap:
        """Open a map at level 0 by its header alone. Raises InputError where it is no map, unfinished, damaged, or of a newer
        format.

        With `prefetch` a background thread reads the descriptors that are likely to be asked for next. Unless `corrected` the map
        is read as it was built, without its offset by place.
        """
        header = Header.read(path)
        require_finished(path)
        stored = Stored(path, header, ChunkCache(cache_bytes), prefetch, Offset.read(path, header) if corrected else None)
        return ReferenceMap(path, header, 0, header.vocabulary.read(path), stored)

    def at(self, level: int) -> ReferenceMap:
        """Return the map at another level. Raises ValueError where it has no such level.

        Raises InputError where that level's metadata are damaged.
        """
        if not 0 <= level < self.levels:
            raise ValueError(f"{self.path} has levels 0 to {self.levels - 1}, not {level}")
        view: ReferenceMap | None = self._stored.views.get(level)
        return view or ReferenceMap(self.path, self.header, level, self.vocabulary, self._stored)

    def descriptors(self, col: int, row: int, width: int, height: int) -> DescriptorMap:
        """Return the descriptors of a window, float32, not valid and 0 where the map has none or is damaged.

        Raises ValueError where the window is not in multiples of the stride.
        """
        if any(value % self.stride for value in (col, row, width, height)):
            raise ValueError(f"window {col} {row} {width} {height} is not in multiples of the stride {self.stride}")
        window = (row // self.stride, col // self.stride, height // self.stride, width // self.stride)
        array, known = self._readers["descriptors"].read(*window)
        valid = known & self._mask("descriptors_valid", window)
        if self._prefetch:
            self._prefetch.passed((self._readers["descriptors"], self._readers["descriptors_valid"]), window)
        grid = self.grid.cut(col, row, width, height).every(self.stride)
        groups = self.header.descriptor.groups
        values = decoded(array, groups)
        if not valid.all():
            values = np.where(valid, values, np.float32(0))
        return DescriptorMap(values, valid, grid, self.stride, groups)

    def image(self, col: int, row: int, width: int, height: int) -> Patch:
        """Return the SAR pixels of a window, float32, 0 where not valid: in the values of the product, above level 0 as
        amplitude."""
        window = (row, col, height, width)
        values, known = self._readers["sar"].read(*window)
        valid = known & self._mask("sar_valid", window)
        return Patch(np.where(valid, values, 0).astype(np.float32), valid, self.grid.cut(col, row, width, height))

    def landuse(self, col: int, row: int, width: int, height: int) -> Patch | None:
        """Return the land-cover class codes of a window, uint16, valid where known; None where the map was built without."""
        if not self.has_landuse:
            return None
        values, known = self._readers["landuse"].read(row, col, height, width)
        valid = known & (values != UNKNOWN_CLASS)
        return Patch(np.where(valid, values, 0).astype(np.uint16), valid, self.grid.cut(col, row, width, height))

    def scene(self, col: int, row: int, width: int, height: int) -> Patch | None:
        """Return the index of the scene that each pixel of a window comes from, uint16, valid where known; None but in a
        mosaic."""
        if not self.header.scenes:
            return None
        values, known = self._readers["scene"].read(row, col, height, width)
        valid = known & (values != NO_SCENE[str(values.dtype)])
        return Patch(np.where(valid, values, 0).astype(np.uint16), valid, self.grid.cut(col, row, width, height))

    def landuse_mix(self, col: int, row: int, width: int, height: int) -> Float64:
        """Return the level pixels (KINDS,) of each prompt id in a window, blocks counted as far as it covers them; 0 without land
        use."""
        if not self.has_landuse:
            return np.zeros(KINDS)
        if self.level:
            scale = 2 ** self.level
            finest = self.at(0).landuse_mix(scale * col, scale * row, scale * width, scale * height)
            return np.asarray(finest / scale ** 2)
        step = self.header.block_px
        top, left = row // step, col // step
        down, across = -(-(row + height) // step) - top, -(-(col + width) // step) - left
        counts, _ = self._readers["landuse_mix"].read(top, left, down, across)
        columns = _overlap(np.arange(left, left + across + 1) * step, col, width, self.grid.width)
        rows = _overlap(np.arange(top, top + down + 1) * step, row, height, self.grid.height)
        return counts.astype(np.float64) @ columns @ rows

    def prompt(self, col: int, row: int, width: int, height: int, modality: Modality = Modality.OPTICAL) -> Prompt:
        """Return the prompt of the land use that covers more than half of a window, as far as it lies on the map; neutral where
        none does."""
        landuse = dominant(self.landuse_mix(col, row, width, height))
        return self.vocabulary.prompt(modality, int(landuse))

    def terrain(self) -> Terrain:
        """Return the ground, read where it is asked for; where the DEM has a gap the nearest known height holds, where the map is
        damaged who asks gets Refusal MAP_DAMAGED. Flat at 0 where the map was built without a DEM."""
        if not self.has_dem:
            return Terrain.flat()
        return self._stored.terrain

    def on_ground(self, points: Float64) -> tuple[Float64, Float64]:
        """Return where the ground truly lies (N, 2) that the map has at points (N, 2) in `map`, by its offset, and the standard
        deviation (N,) of that per axis in metres, infinite where the map was never held against flights."""
        offset = self._stored.offset
        if offset is None:
            return points, np.full(len(points), np.inf)
        # the offset is that of true places
        places = points - offset.at(points)[0]
        beside, sigma = offset.at(places)
        return points - beside, sigma

    def unknown(self, points: Float64) -> float:
        """Return the share of the map's offset, as a standard deviation, that is not known at points (N, 2) of it: 1 where no
        flight has been, or none was held against it."""
        offset = self._stored.offset
        if offset is None or not len(points):
            return 1.0
        return float(min(np.sqrt(np.mean(self.on_ground(points)[1] ** 2)) / offset.away_m, 1.0))

    def on_map(self, places: Float64) -> Float64:
        """Return where the map has the ground (N, 2) that truly lies at places (N, 2) in `map`."""
        return places if self._stored.offset is None else places + self._stored.offset.at(places)[0]

    def lost(self, col: int, row: int, width: int, height: int) -> bool:
        """Return whether descriptors of this window, as far as they were read, are damaged."""
        return any(self._is_damaged(name, self.stride, col, row, width, height) for name in ("descriptors", "descriptors_valid"))

    def damaged(self, col: int, row: int, width: int, height: int) -> bool:
        """Return whether what was read so far showed damage to any file behind this window."""
        arrays = plan(self.header, self.level)
        if any(self._is_damaged(name, array.stride, col, row, width, height) for name, array in arrays.items()):
            return True
        # heights and the land use of blocks are stored at level 0 alone, for all levels
        scale, finest = 2 ** self.level, self.at(0)
        return any(finest._is_damaged(name, array.stride, scale * col, scale * row, scale * width, scale * height)
                   for name, array in plan(self.header, 0).items() if name not in arrays)

    def _mask(self, name: str, window: tuple[int, int, int, int]) -> Mask:
        values, known = self._readers[name].read(*window)
        return np.asarray(known & values.astype(bool))

    def _is_damaged(self, name: str, stride: int, col: int, row: int, width: int, height: int) -> bool:
        top, left = row // stride, col // stride
        down, across = -(-(row + height) // stride) - top, -(-(col + width) // stride) - left
        return not self._readers[name].damaged.isdisjoint(self._readers[name].touched(top, left, down, across))


def _overlap(edges: NDArray[np.int64], start: int, length: int, size: int) -> Float64:
    """The shares (N,) that a span covers of the blocks between edges (N + 1,) on a map of `size`, beyond which they are cut."""
    edges = np.clip(edges, 0, size)
    covered = np.clip(edges, start, start + length)
    return np.asarray((covered[1:] - covered[:-1]) / np.maximum(edges[1:] - edges[:-1], 1), np.float64)
