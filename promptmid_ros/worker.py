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
from promptmid_core.refmap import ReferenceMap
from promptmid_ros.inbox import Arrival, Inbox

PACKAGES = ("promptmid_core", "promptmid_ros")


@dataclass(frozen=True)
class Outcome:
    """What an image came to: the verdict, its decoded `frame` where it got that far, ms from its arrival to the verdict, and the
    map that it was matched with."""

    arrival: Arrival
    fix: Fix
    frame: Frame | None
    processing_ms: float
    reference: ReferenceMap

    @property
    def camera(self) -> Camera | None:
        return self.frame.camera if self.frame is not None else None


class Abandoned(Exception):
    """The inbox serves another, or nobody: the verdict on the image in hand counts no more."""


class Worker:
    """Matches the images of an inbox. `publish` is called in its thread, with each outcome; `fail` with a traceback where the
    program itself failed on an image, whose outcome is then never published. Each image taken comes to one of the two, or is
    given back by the inbox that dismisses the worker, unless the worker is stopped with it in hand.

    Its localizer is the thread's alone. What is asked of it is done before the next image, in the order in which it was asked.
    """

    def __init__(self, inbox: Inbox, intake: Intake, localizer: Localizer, wait_s: float, publish: Callable[[Outcome], None],
                 fail: Callable[[Arrival, str], None]) -> None:
        self._inbox, self._intake, self._localizer = inbox, intake, localizer
        self._wait_s, self._publish, self._fail = wait_s, publish, fail
        self._asking = threading.Lock()
        self._asked: deque[Callable[[], None]] = deque()
        # whether the map is searched once all that is asked is done; None where nothing that is asked tells
        self._seeks: bool | None = None
        self._thread = threading.Thread(target=self._run, name="match", daemon=True)

    def start(self) -> None:
        """Raises RuntimeError where the system gives no thread."""
        self._inbox.serve(self)
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Publish nothing more and end after the image in hand; whether the thread has ended within `seconds`."""
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def forget(self) -> None:
        """Forget the track before the next image."""
        self._ask(lambda: self._localizer.reset(), seeks=False)

    def relocalize(self) -> bool:
        """Look for the aircraft on all of the map from the next image on; whether that is not what is done already."""
        with self._asking:
            if self._localizer.searching if self._seeks is None else self._seeks:
                return False
            self._asked.append(lambda: self._localizer.relocalize())
            self._seeks = True
            return True

    def use(self, localizer: Localizer) -> None:
        """Match with another localizer from the next image on, which goes on with a search of the map for who is lost."""
        def take_over() -> None:
            if self._localizer.lost:
                localizer.relocalize()
            self._localizer = localizer

        self._ask(take_over)

    def take(self, settings: Settings) -> None:
        """Go by the options and the wait of other settings from the next image on; the track stays."""
        def go_by() -> None:
            self._localizer.take(settings.options)
            self._wait_s = settings.prior_wait_s

        self._ask(go_by)

    @property
    def lost(self) -> bool:
        """Whether the aircraft is lost, or will be by what is asked."""
        return self._localizer.lost if self._seeks is None else self._seeks

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
        self._check()
        fix = self._localizer.track(candidate)
        self._check()
        return fix

    def _check(self) -> None:
        if not self._inbox.serves(self):
            raise Abandoned

    def _ask(self, order: Callable[[], None], seeks: bool | None = None) -> None:
        with self._asking:
            self._asked.append(order)
            self._seeks = self._seeks if seeks is None else seeks

    def _next(self) -> Callable[[], None] | None:
        """What is to be done next of all that is asked; once that is done the localizer itself tells whether it searches."""
        with self._asking:
            if self._asked:
                return self._asked.popleft()
            self._seeks = None
            return None

    def _run(self) -> None:
        while (arrival := self._inbox.take(self)) is not None:
            try:
                self._judge(arrival)
            except Exception:
                # whatever else an image may bring about costs that image only, and is told
                if self._inbox.claim(self):
                    self._tell(arrival, traceback.format_exc())

    def _judge(self, arrival: Arrival) -> None:
        while (order := self._next()) is not None:
            order()
        localized = self._intake.localize(arrival.message, self, self._wait_s)
        outcome = Outcome(arrival, localized.fix, localized.frame, (time.monotonic() - arrival.came) * 1e3,
                          self._localizer.reference)
        if self._inbox.claim(self):
            try:
                self._publish(outcome)
            except Exception:
                self._tell(arrival, traceback.format_exc())

    def _tell(self, arrival: Arrival, trace: str) -> None:
        try:
            self._fail(arrival, trace)
        except Exception:
            # nothing can be published any more, but the next image may fare better
            traceback.print_exc()
