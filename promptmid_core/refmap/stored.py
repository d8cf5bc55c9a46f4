"""What is stored of a map: its levels' arrays and heights, opened when they are first asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from promptmid_core.geometry.terrain import Terrain
from promptmid_core.refmap.chunks import ChunkCache, ChunkReader
from promptmid_core.refmap.format.arrays import check_arrays, plan
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.heights import StoredHeights
from promptmid_core.refmap.offset import Offset
from promptmid_core.refmap.prefetch import Prefetch


class Stored:
    """What is stored of a map, each level opened when it is first asked for; shared by the levels of a ReferenceMap.

    It holds none of these, its `views`, so that a map is let go at once with its cache when the last of them is.
    """

    def __init__(self, path: Path, header: Header, cache: ChunkCache, prefetch: bool, offset: Offset | None = None) -> None:
        self._path, self._header, self.cache, self._ahead, self.offset = path, header, cache, prefetch, offset
        self.views: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._levels: dict[int, tuple[dict[str, ChunkReader], Prefetch | None]] = {}

    def level(self, level: int) -> tuple[dict[str, ChunkReader], Prefetch | None]:
        """Return the readers of a level's arrays, and what reads ahead in it.

        Raises InputError where its metadata are damaged.
        """
        if level not in self._levels:
            check_arrays(self._path, self._header, level)
            readers = {name: ChunkReader(array, self._path / str(level) / name, array.side(self._header), self.cache)
                       for name, array in plan(self._header, level).items()}
            self._levels[level] = readers, Prefetch() if self._ahead else None
        return self._levels[level]

    @cached_property
    def terrain(self) -> Terrain:
        """The ground of a map with a DEM."""
        return Terrain(StoredHeights(self.level(0)[0]["dem"], *self._header.dem_range), self._header.dem_grid)
