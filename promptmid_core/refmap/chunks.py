"""Windows of a stored array, chunk by chunk: decoded chunks are kept for the next frame, damaged ones are masked."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Mask
from promptmid_core.refmap.format import shard
from promptmid_core.refmap.format.arrays import ArrayPlan, shard_file
from promptmid_core.refmap.format.header import CHUNKS_PER_TILE

Index = tuple[int, int]
# the bits of an exponent by the bytes of a float; all of them are set in what is not finite
EXPONENT = {2: 0x7C00, 4: 0x7F800000}


class ChunkCache:
    """Decoded chunks of all arrays of a map, at most `budget` bytes of them; those not used for longest go first.

    For several threads at once.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._kept: OrderedDict[tuple[Path, Index], NDArray[np.generic]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, folder: Path, index: Index) -> NDArray[np.generic] | None:
        with self._lock:
            chunk = self._kept.get((folder, index))
            if chunk is not None:
                self._kept.move_to_end((folder, index))
            return chunk

    def put(self, folder: Path, index: Index, chunk: NDArray[np.generic]) -> None:
        with self._lock:
            before = self._kept.pop((folder, index), None)
            self._kept[folder, index] = chunk
            self._bytes += chunk.nbytes - (before.nbytes if before is not None else 0)
            while self._bytes > self.budget and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes


class ChunkReader:
    """Reads windows of an array (..., H, W) that is stored in `folder`, its chunks `side` elements a side; for several threads at
    once."""

    def __init__(self, array: ArrayPlan, folder: Path, side: int, cache: ChunkCache) -> None:
        self.array = array
        self.folder = folder
        self.cache = cache
        self.chunk: Index = (side, side)
        self.damaged: set[Index] = set()

    def read(self, row: int, col: int, height: int, width: int) -> tuple[NDArray[np.generic], Mask]:
        """Return values (..., height, width), 0 where there are none, and where (height, width) they were read.

        The window may reach beyond the array.
        """
        values = np.zeros((*self.array.shape[:-2], height, width), self.array.dtype)
        known = np.zeros((height, width), bool)
        for index in self.touched(row, col, height, width):
            chunk = self._chunk(index)
            if chunk is None:
                continue
            top, left = index[0] * self.chunk[0], index[1] * self.chunk[1]
            rows = slice(max(top, row), min(top + chunk.shape[-2], row + height))
            cols = slice(max(left, col), min(left + chunk.shape[-1], col + width))
            place = np.s_[..., rows.start - row:rows.stop - row, cols.start - col:cols.stop - col]
            values[place] = chunk[..., rows.start - top:rows.stop - top, cols.start - left:cols.stop - left]
            known[place] = True
        return values, known

    def keep(self, row: int, col: int, height: int, width: int) -> None:
        """Have the chunks that a window needs in the cache."""
        for index in self.touched(row, col, height, width):
            self._chunk(index)

    def touched(self, row: int, col: int, height: int, width: int) -> list[Index]:
        """Return the chunks that a window needs."""
        rows = _chunks_of(row, height, self.array.shape[-2], self.chunk[0])
        return [(r, c) for r in rows for c in _chunks_of(col, width, self.array.shape[-1], self.chunk[1])]

    def _chunk(self, index: Index) -> NDArray[np.generic] | None:
        if index in self.damaged:
            return None
        chunk = self.cache.get(self.folder, index)
        if chunk is None:
            try:
                chunk = self._load(index)
            except ValueError:
                self.damaged.add(index)
                return None
            self.cache.put(self.folder, index, chunk)
        return chunk

    def _load(self, index: Index) -> NDArray[np.generic]:
        """The part of a chunk that lies on the array. Raises ValueError where it is damaged, or holds what cannot be."""
        (row, col), (down, across), shape = index, self.chunk, self.array.shape
        file = self.folder / shard_file(len(shape), row // CHUNKS_PER_TILE, col // CHUNKS_PER_TILE)
        chunk = shard.read(file, row % CHUNKS_PER_TILE, col % CHUNKS_PER_TILE, (*shape[:-2], down, across), CHUNKS_PER_TILE,
                           self.array.dtype)
        chunk = chunk[..., :shape[-2] - row * down, :shape[-1] - col * across]
        if not _can_be(chunk, self.array):
            raise ValueError(f"{file} holds what cannot be")
        return chunk


def _can_be(chunk: NDArray[np.generic], array: ArrayPlan) -> bool:
    """Whether all values are finite, and those that are known within the array's span."""
    if chunk.dtype.kind != "f":
        return True
    bits: NDArray[Any] = chunk.view(f"u{chunk.itemsize}")
    exponent = bits.dtype.type(EXPONENT[chunk.itemsize])  # np.isfinite takes twelve times as long over half floats
    if ((bits & exponent) == exponent).any():
        return False
    if array.span is None:
        return True
    values, (lowest, highest) = np.asarray(chunk, np.float32), array.span
    return bool(((values == array.unknown) | ((values >= lowest) & (values <= highest))).all())


def _chunks_of(start: int, length: int, size: int, step: int) -> range:
    """The chunks of `step` along an axis of `size` that a span of it needs; the span may reach beyond the axis."""
    first, last = max(start, 0), min(start + length, size)
    return range(first // step, -(-last // step)) if first < last else range(0)
