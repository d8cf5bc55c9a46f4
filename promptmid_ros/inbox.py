"""What the callbacks put down and the worker takes up: the newest image."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Arrival:
    """An image message, when it came (seconds of the monotonic clock), and how many were dropped since the one taken before."""

    message: Any
    came: float
    dropped: int


class Inbox:
    """One place for an image: a newer one takes it. At any time received = taken + dropped + waiting.

    `filled_at`: since when an image has been waiting, that one or one that it took the place of, in seconds of the monotonic
    clock; None where none is.
    """

    def __init__(self) -> None:
        self._filled = threading.Condition()
        self._arrival: Arrival | None = None
        self._closed = False
        self._since = 0
        self.filled_at: float | None = None
        self.received = 0
        self.taken = 0
        self.dropped = 0

    def put(self, message: Any) -> None:
        with self._filled:
            self.received += 1
            now = time.monotonic()
            if self._arrival is not None:
                self._drop()
            if self.filled_at is None:
                self.filled_at = now
            self._arrival = Arrival(message, now, 0)
            self._filled.notify()

    def take(self) -> Arrival | None:
        """Return the newest image, waited for; None once the inbox is closed."""
        with self._filled:
            self._filled.wait_for(lambda: self._arrival is not None or self._closed)
            if self._closed or self._arrival is None:
                return None
            arrival = Arrival(self._arrival.message, self._arrival.came, self._since)
            self._arrival, self._since, self.filled_at = None, 0, None
            self.taken += 1
            return arrival

    def close(self) -> None:
        """Let nobody wait any more; an image that is still here counts as dropped."""
        with self._filled:
            self._closed, self.filled_at = True, None
            if self._arrival is not None:
                self._drop()
            self._filled.notify_all()

    def _drop(self) -> None:
        self._arrival = None
        self.dropped += 1
        self._since += 1
