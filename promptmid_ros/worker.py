"""The thread that matches: takes the newest image, has it localized, and hands over the outcome."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from promptmid_core.geometry import Camera, Prior, Terrain
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Candidate, Fix, Frame
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.localizer import Expect, Localizer
from promptmid_core.localization.quest import Anywhere
from promptmid_core.localization.settings import Settings
from promptmid_ros.inbox import Arrival, Inbox

PACKAGES = ("promptmid_core", "promptmid_ros")


@dataclass(frozen=True)
class Outcome:
    """What an image came to: the verdict, its decoded `frame` where it got that far, and ms from its arrival to the verdict."""

    arrival: Arrival
    fix: Fix
    frame: Frame | None
    processing_ms: float

    @property
    def camera(self) -> Camera | None:
        return self.frame.camera if self.frame is not None else None


class Abandoned(Exception):
    """The worker was stopped while it had an image in hand, whose verdict counts no more."""


class Worker:
    """Matches the images of an inbox. `publish` is called in its thread, with each outcome; `fail` with a traceback where the
    program itself failed on an image, whose outcome is then never published. Each image taken comes to one of the two, or is
    given back by `abandon`, unless the worker is stopped with it in hand.
    """

    def __init__(self, inbox: Inbox, intake: Intake, localizer: Localizer, wait_s: float, publish: Callable[[Outcome], None],
                 fail: Callable[[Arrival, str], None]) -> None:
        self._inbox, self._intake, self._localizer = inbox, intake, localizer
        self._wait_s, self._publish, self._fail = wait_s, publish, fail
        self._next: Localizer | None = None
        self._settings: deque[Settings] = deque()
        self._reset = self._relocalize = False
        self._stopping = False
        self._hand: Arrival | None = None
        self._taken = 0.0
        self._claiming = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="match", daemon=True)

    def start(self) -> None:
        """Raises RuntimeError where the system gives no thread."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Publish nothing more and end after the image in hand; whether the thread has ended within `seconds`."""
        self._stopping = True
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def abandon(self) -> Arrival | None:
        """Publish nothing more, and leave the inbox to another worker; returns the image in hand."""
        with self._claiming:
            self._stopping = True
            hand, self._hand = self._hand, None
            return hand

    def forget(self) -> None:
        """Forget the track before the next image."""
        self._reset = True

    def relocalize(self) -> bool:
        """Look for the aircraft on all of the map from the next image on; whether that is not what is done already."""
        if self._relocalize or self._localizer.searching:
            return False
        self._relocalize = True
        return True

    def use(self, localizer: Localizer) -> None:
        """Match with another localizer from the next image on."""
        self._next = localizer

    def take(self, settings: Settings) -> None:
        """Go by the options and the wait of other settings from the next image on; the track stays."""
        self._settings.append(settings)

    def waited_s(self) -> float:
        """Return for how long an image has been waiting for its verdict, in hand or in the inbox; 0 where none is."""
        since = self._taken if self._hand is not None else self._inbox.filled_at
        return 0.0 if since is None else time.monotonic() - since

    def place(self) -> str:
        """Return where in the program the thread is, in words."""
        if not self._thread.is_alive():
            return "its thread has ended"
        frame = sys._current_frames().get(self._thread.ident or 0)
        if frame is None:
            return "its thread has no place"
        stack = traceback.extract_stack(frame)
        ours = [place for place in stack if not {*PACKAGES}.isdisjoint(Path(place.filename).parent.parts)]
        place = (ours or stack)[-1]
        return f"its thread is at work in {Path(place.filename).name}:{place.lineno} ({place.name})"

    def expect(self, frame: Frame, prior: Prior) -> Expectation | Anywhere:
        """Return where the localizer in use expects a frame."""
        return self._localizer.expect(frame, prior)

    @property
    def terrain(self) -> Terrain:
        return self._localizer.terrain

    def match(self, frame: Frame, prior: Prior, expect: Expect) -> Candidate:
        """Match with the localizer in use."""
        return self._localizer.match(frame, prior, expect)

    def track(self, candidate: Candidate) -> Fix:
        """Give the verdict of the localizer in use. Raises Abandoned where it counts no more, so that it moves nothing."""
        if self._stopping:
            raise Abandoned
        return self._localizer.track(candidate)

    def _run(self) -> None:
        while not self._stopping and (arrival := self._inbox.take()) is not None:
            self._taken, self._hand = time.monotonic(), arrival
            try:
                self._judge(arrival)
            except Exception:
                # whatever else an image may bring about costs that image only, and is told
                if self._claim():
                    self._tell(arrival, traceback.format_exc())

    def _judge(self, arrival: Arrival) -> None:
        if self._next is not None:
            self._localizer, self._next = self._next, None
        while self._settings:
            settings = self._settings.popleft()
            self._localizer.take(settings.options)
            self._wait_s = settings.prior_wait_s
        if self._reset:
            self._reset = False
            self._localizer.reset()
        if self._relocalize:
            self._relocalize = False
            self._localizer.relocalize()
        localized = self._intake.localize(arrival.message, self, self._wait_s)
        outcome = Outcome(arrival, localized.fix, localized.frame, (time.monotonic() - arrival.came) * 1e3)
        if self._claim():
            try:
                self._publish(outcome)
            except Exception:
                self._tell(arrival, traceback.format_exc())

    def _claim(self) -> bool:
        """Take the image out of hand, and return whether its verdict is still this worker's to tell."""
        with self._claiming:
            mine, self._hand = self._hand is not None and not self._stopping, None
            return mine

    def _tell(self, arrival: Arrival, trace: str) -> None:
        try:
            self._fail(arrival, trace)
        except Exception:
            # nothing can be published any more, but the next image may fare better
            traceback.print_exc()
