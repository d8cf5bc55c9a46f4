"""What the callbacks put down and the worker takes up: the newest image, and whose it is."""

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
    """One place for an image, which a newer one takes, and one reader, who has the image that it took in hand until it claims it.
    At any time received = taken + dropped + waiting.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._arrival: Arrival | None = None
        self._hand: Arrival | None = None
        self._reader: object | None = None
        self._closed = False
        self._since = 0
        # when the image in hand was taken; since when one has been waiting, or one whose place it took
        self._taken_at = 0.0
        self._filled_at: float | None = None
        self.received = 0
        self.taken = 0
        self.dropped = 0

    def put(self, message: Any) -> None:
        with self._changed:
            self.received += 1
            now = time.monotonic()
            if self._arrival is not None:
                self._drop()
            if self._filled_at is None:
                self._filled_at = now
            self._arrival = Arrival(message, now, 0)
            self._changed.notify_all()

    def serve(self, reader: object) -> None:
        """Be read by a reader from now on, and by nobody else."""
        with self._changed:
            self._reader, self._hand = None if self._closed else reader, None
            self._changed.notify_all()

    def serves(self, reader: object) -> bool:
        """Return whether what a reader has in hand is still its own."""
        return self._reader is reader

    def take(self, reader: object) -> Arrival | None:
        """Return the newest image, waited for, which its reader then has in hand; None once it is the reader no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._reader is not reader or self._arrival is not None)
            if self._reader is not reader or self._arrival is None:
                return None
            self._hand = Arrival(self._arrival.message, self._arrival.came, self._since)
            self._arrival, self._since, self._filled_at = None, 0, None
            self._taken_at = time.monotonic()
            self.taken += 1
            return self._hand

    def claim(self, reader: object) -> bool:
        """Take the image out of hand, and return whether its verdict is still for its reader to tell."""
        with self._changed:
            if self._reader is not reader:
                return False
            claimed, self._hand = self._hand is not None, None
            return claimed

    def dismiss(self) -> Arrival | None:
        """Have no reader any more; returns the image that it has in hand, whose verdict it may tell no more."""
        with self._changed:
            self._reader, hand, self._hand = None, self._hand, None
            self._changed.notify_all()
            return hand

    def waited_s(self) -> float:
        """Return for how long an image has been waiting for its verdict, in hand or here; 0 where none is."""
        with self._changed:
            since = self._taken_at if self._hand is not None else self._filled_at
            return 0.0 if since is None else time.monotonic() - since

    def close(self) -> None:
        """Have no reader ever again; an image that is still here counts as dropped."""
        with self._changed:
            self._closed, self._reader, self._filled_at = True, None, None
            if self._arrival is not None:
                self._drop()
            self._changed.notify_all()

    def _drop(self) -> None:
        self._arrival = None
        self.dropped += 1
        self._since += 1
