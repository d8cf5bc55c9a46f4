"""Reading ahead along the flight, in a background thread."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Sequence
from queue import SimpleQueue

from promptmid_core.refmap.chunks import ChunkReader

Window = tuple[int, int, int, int]  # row, column, height, width in elements
Work = tuple[Sequence[ChunkReader], Window]


class Prefetch:
    """Brings the window that comes next into the cache: as far on from the last one as that was from the one before, of each
    thread that asks by itself, as several cameras fly over one map.

    One window at a time: while one is being read, those that would come after it are left to their own query. The thread is a
    daemon of Python and ends with this object: a read from a disk that has died holds up no end of a process.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._idle = threading.Event()
        self._idle.set()
        self._asked = threading.local()
        threading.Thread(target=_read, args=(self._work, self._idle), name="prefetch", daemon=True).start()

    def __del__(self) -> None:
        self._work.put(None)

    def passed(self, readers: Sequence[ChunkReader], window: Window) -> None:
        """Told of every window that was asked for."""
        last: Window | None = getattr(self._asked, "last", None)
        self._asked.last = window
        if last is None or last[2:] != window[2:] or last[:2] == window[:2]:
            return
        row, col, height, width = window
        down, across = row - last[0], col - last[1]
        if abs(down) > height or abs(across) > width or not self._idle.is_set():
            return  # a jump is no flight
        self._idle.clear()
        self._work.put((readers, (row + down, col + across, height, width)))

    def wait(self) -> None:
        """Until nothing is being read."""
        self._idle.wait()


def _read(work: SimpleQueue[Work | None], idle: threading.Event) -> None:
    while (item := work.get()) is not None:
        try:
            for reader in item[0]:
                reader.keep(*item[1])
        except Exception:
            # the window's own query may not meet the same; the thread goes on
            traceback.print_exc()
        del item
        idle.set()
