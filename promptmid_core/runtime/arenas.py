"""How many arenas of memory the C library keeps for the threads of a process."""

from __future__ import annotations

import ctypes
import os

M_ARENA_MAX = -8  # of glibc's malloc.h
MOST = 2


def bound_arenas() -> None:
    """Two, unless the user has said otherwise by MALLOC_ARENA_MAX; has to be called before threads are started.

    By default each of the first threads, eight for each core, gets an arena of its own, which keeps what its thread needed most
    until the process ends: memory then grows as threads come and go. Another C library than glibc is left as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(M_ARENA_MAX, MOST)
