"""Heights of the map's ground, read chunk by chunk where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Mask
from promptmid_core.errors import Refusal
from promptmid_core.geometry.heights import Cells, filled
from promptmid_core.reasons import Reason
from promptmid_core.refmap.chunks import ChunkReader
from promptmid_core.refmap.format.arrays import UNKNOWN_HEIGHT

MOST_REACH = 16  # chunks to each side that are looked through for a height: tens of kilometres, and tens of MB


class StoredHeights:
    """The stored heights, of which a chunk is read when a cell of it is first asked for, and kept: what a flight passes over.

    Where the DEM has a gap, the nearest height that is known in the chunks around holds; where none is within MOST_REACH of them,
    the lowest of the DEM. Where the map is damaged nobody knows the height, nor in a gap whose nearest cell is a damaged one: who
    asks there gets Refusal MAP_DAMAGED.
    For several threads at once.
    """

    def __init__(self, reader: ChunkReader, lowest: float, highest: float) -> None:
        rows, cols = reader.array.shape
        self.shape = (rows, cols)
        self.lowest, self.highest = lowest, highest
        self._reader, self._lock = reader, Lock()
        down, across = reader.chunk
        # of each chunk among the pages, of which the first stands for none; zeros take no memory until they are written
        self._place = np.zeros((-(-rows // down), -(-cols // across)), np.int32)
        self._pages = np.zeros((1, down, across), np.float32)
        self._count = 1
        self._lost = False  # whether any page has cells that are not known, which hold NaN

    def at(self, rows: Cells, cols: Cells) -> Float32:
        """Return the heights (N,) of cells (N,). Raises Refusal MAP_DAMAGED where one of them is damaged."""
        (down, across), chunks = self._reader.chunk, (rows // self._reader.chunk[0], cols // self._reader.chunk[1])
        places = self._place[chunks]
        if not places.all():
            self._read(np.unique(np.stack(chunks, axis=1)[places == 0], axis=0))
            places = self._place[chunks]
        return self._whole(self._pages[places, rows % down, cols % across])

    def window(self, rows: slice, cols: slice) -> Float32:
        """Return the heights (h, w) of a window. Raises Refusal MAP_DAMAGED where one of them is damaged."""
        down, across = self._reader.chunk
        heights = np.empty((rows.stop - rows.start, cols.stop - cols.start), np.float32)
        # page by page: a gather of every cell takes longer than all the rest of laying a frame on the ground
        for row, into_rows, from_rows in _spans(rows, down):
            for col, into_cols, from_cols in _spans(cols, across):
                if not self._place[row, col]:
                    self._read(np.array([[row, col]]))
                heights[into_rows, into_cols] = self._pages[self._place[row, col]][from_rows, from_cols]
        return self._whole(heights)

    def _whole(self, heights: Float32) -> Float32:
        if self._lost and np.isnan(heights).any():
            raise Refusal(Reason.MAP_DAMAGED, "the map's heights are damaged under the view; 'promptmid map verify' names the "
                                              "files")
        return heights

    def _read(self, chunks: NDArray[np.intp]) -> None:
        with self._lock:
            for row, col in chunks.tolist():
                if not self._place[row, col]:
                    page = self._chunk(row, col)
                    self._lost |= bool(np.isnan(page).any())
                    if self._count == len(self._pages):
                        # not in place: another thread may be reading the old ones
                        self._pages = np.concatenate([self._pages, np.empty((max(self._count, 4), *page.shape), np.float32)])
                    self._pages[self._count] = page
                    self._place[row, col] = self._count
                    self._count += 1

    def _chunk(self, row: int, col: int) -> Float32:
        """The heights of a chunk, filled, NaN where they are damaged; of one at the map's edge a part is empty."""
        down, across = self._reader.chunk
        reach = 0
        while True:
            top, left, height, width = window = ((row - reach) * down, (col - reach) * across,
                                                 (2 * reach + 1) * down, (2 * reach + 1) * across)
            values, read = self._reader.read(*window)
            there = np.outer(_on(top, height, self.shape[0]), _on(left, width, self.shape[1]))
            heights = np.where(read, values.astype(np.float32), np.float32(np.nan))
            # what is damaged counts as known to be so, lest its neighbours speak for it
            known = there & (heights != np.float32(UNKNOWN_HEIGHT))
            within = np.s_[reach * down:(reach + 1) * down, reach * across:(reach + 1) * across]
            inner = np.s_[:self.shape[0] - row * down, :self.shape[1] - col * across]
            if known[within][inner].all():
                return np.where(there[within], heights[within], np.float32(0))
            if reach and known.any():
                return filled(heights, known)[within]
            if reach >= MOST_REACH:
                return np.full((down, across), self.lowest, np.float32)
            reach = 2 * reach or 1


def _on(start: int, length: int, size: int) -> Mask:
    """Which of a span of cells (length,) lie on an axis of `size`."""
    cells = np.arange(start, start + length)
    return (cells >= 0) & (cells < size)


def _spans(axis: slice, step: int) -> Iterator[tuple[int, slice, slice]]:
    """The chunks of `step` cells that a span of an axis touches: number, where its part goes in the span, where it lies in the
    chunk."""
    for number in range(axis.start // step, (axis.stop - 1) // step + 1):
        first, last = max(axis.start, number * step), min(axis.stop, (number + 1) * step)
        yield number, slice(first - axis.start, last - axis.start), slice(first - number * step, last - number * step)
