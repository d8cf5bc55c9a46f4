"""Reading ahead along the flight, in a background thread."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from promptmid_core.refmap.chunks import ChunkReader

Window = tuple[int, int, int, int]  # row, column, height, width in elements


class Prefetch:
    """Brings the window that comes next into the cache: as far on from the last one as that was from the one before.

    One window at a time: while one is being read, those that would come after it are left to their own query.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._last: Window | None = None
        self._work: Future[None] | None = None

    def passed(self, readers: Sequence[ChunkReader], window: Window) -> None:
        """Told of every window that was asked for."""
        last, self._last = self._last, window
        if last is None or last[2:] != window[2:] or last[:2] == window[:2]:
            return
        row, col, height, width = window
        down, across = row - last[0], col - last[1]
        if abs(down) > height or abs(across) > width or (self._work and not self._work.done()):
            return  # a jump is no flight
        self._work = self._pool.submit(_read, readers, (row + down, col + across, height, width))

    def wait(self) -> None:
        """Until nothing is being read."""
        if self._work:
            self._work.result()


def _read(readers: Sequence[ChunkReader], window: Window) -> None:
    for reader in readers:
        reader.keep(*window)
