"""How long the stages of a frame take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_clock: ContextVar[Callable[[], float]] = ContextVar("clock", default=lambda: time.perf_counter())


class Stopwatch:
    """Milliseconds per stage, summed over repeats."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = _clock.get()()
        try:
            yield
        finally:
            self.ms[stage] = self.ms.get(stage, 0.0) + (_clock.get()() - start) * 1e3


@contextmanager
def by_processor() -> Iterator[None]:
    """Within, stopwatches tell the processor time of this process."""
    token = _clock.set(time.process_time)
    try:
        yield
    finally:
        _clock.reset(token)
