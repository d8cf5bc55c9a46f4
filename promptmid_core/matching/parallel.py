"""Two things at the same time: the transforms of a frame leave one of two cores idle."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

First = TypeVar("First")
Second = TypeVar("Second")


class _Companion(threading.local):
    """The one thread that works beside each thread that matches, kept as long as that one lives."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="matching")


def together(first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """Return the results of two functions that share nothing that either changes; `second` runs in the companion's thread.

    Both have ended when this returns or raises what one of them raised. Raises RuntimeError where no thread can be had.
    """
    if _in_turn.get():
        return first(), second()
    other = _companion.pool.submit(second)
    try:
        one = first()
    finally:
        wait([other])
    try:
        return one, other.result()
    finally:
        # what it raised holds this frame, which would hold it, and all that was on its stack
        del other


@contextmanager
def in_turn() -> Iterator[None]:
    """Within, one thing is done after the other, in the thread that asks: so that the processor time of each can be told."""
    token = _in_turn.set(True)
    try:
        yield
    finally:
        _in_turn.reset(token)


def _forget() -> None:
    global _companion
    _companion = _Companion()


_companion = _Companion()
_in_turn = ContextVar("in_turn", default=False)
# a forked process has the pool, but not its thread
os.register_at_fork(after_in_child=_forget)
