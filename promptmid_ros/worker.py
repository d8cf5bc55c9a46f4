"""The thread that matches: takes the newest image, has it localized, and hands over the outcome."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from promptmid_core.localization.fix import Fix, Frame
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.localizer import Localizer
from promptmid_ros.inbox import Arrival, Inbox


@dataclass(frozen=True)
class Outcome:
    """What an image came to: the verdict, its decoded `frame` where it got that far, and ms from its arrival to the verdict."""

    arrival: Arrival
    fix: Fix
    frame: Frame | None
    processing_ms: float


class Worker:
    """Matches the images of one activation. `publish` is called in its thread, with each outcome; `fail` with a traceback where
    the program itself failed on an image, whose outcome is then never published."""

    def __init__(self, inbox: Inbox, intake: Intake, localizer: Localizer, wait_s: float, publish: Callable[[Outcome], None],
                 fail: Callable[[Arrival, str], None]) -> None:
        self._inbox, self._intake, self._localizer = inbox, intake, localizer
        self._wait_s, self._publish, self._fail = wait_s, publish, fail
        self._next: Localizer | None = None
        self._reset = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="match", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Publish nothing more and end after the image in hand; whether the thread has ended within `timeout` seconds."""
        self._stopping = True
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def relocalize(self) -> None:
        """Forget the track before the next image."""
        self._reset = True

    def use(self, localizer: Localizer) -> None:
        """Match with another localizer from the next image on."""
        self._next = localizer

    def _run(self) -> None:
        while (arrival := self._inbox.take()) is not None:
            if self._next is not None:
                self._localizer, self._next = self._next, None
            if self._reset:
                self._reset = False
                self._localizer.reset()
            try:
                localized = self._intake.localize(arrival.message, self._localizer, self._wait_s)
                processing_ms = (time.monotonic() - arrival.came) * 1e3
                if not self._stopping:
                    self._publish(Outcome(arrival, localized.fix, localized.frame, processing_ms))
            except Exception:
                # whatever else an image may bring about costs that image only, and is told
                if not self._stopping:
                    self._fail(arrival, traceback.format_exc())
