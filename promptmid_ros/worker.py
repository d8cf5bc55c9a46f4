"""The thread that matches: takes the newest image, waits for its prior, decodes, matches, tracks, and hands over the outcome."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from promptmid_core.bags.images import image_from, image_from_compressed
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.errors import Refusal
from promptmid_core.localization.fix import Candidate, Fix, Frame
from promptmid_core.localization.localizer import Localizer, Stopwatch
from promptmid_core.reasons import Reason
from promptmid_ros.inbox import Arrival, CameraInfos, Inbox
from promptmid_ros.odometry import Odometry


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

    def __init__(self, inbox: Inbox, infos: CameraInfos, odometry: Odometry, localizer: Localizer, prior_wait_s: float,
                 publish: Callable[[Outcome], None], fail: Callable[[Arrival, str], None]) -> None:
        self._inbox, self._infos, self._odometry, self._localizer = inbox, infos, odometry, localizer
        self._prior_wait_s, self._publish, self._fail = prior_wait_s, publish, fail
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
                outcome = self._outcome(arrival)
                if not self._stopping:
                    self._publish(outcome)
            except Exception:
                # whatever else an image may bring about costs that image only, and is told
                if not self._stopping:
                    self._fail(arrival, traceback.format_exc())

    def _outcome(self, arrival: Arrival) -> Outcome:
        stamp = stamp_ns(arrival.message.header)
        clock = Stopwatch()
        frame, anchor = None, None
        try:
            if stamp <= 0:
                raise Refusal(Reason.STAMP_ZERO, "the image has stamp zero; the prior cannot be found without its time")
            until = time.monotonic() + self._prior_wait_s
            with clock("wait"):
                self._odometry.wait(stamp, self._prior_wait_s)
                camera = self._infos.camera(stamp, until - time.monotonic())
            with clock("decode"):
                frame = Frame(stamp, pixels(arrival.message), camera)
            prior, anchor = self._odometry.at(stamp)
            candidate = self._localizer.match(frame, prior)
        except Refusal as refusal:
            candidate = Candidate(stamp, None, refusal.reason, str(refusal))
        candidate = replace(candidate, stage_ms={**clock.ms, **candidate.stage_ms})
        with clock("track"):
            fix = self._localizer.track(candidate)
        self._odometry.take(fix, anchor)
        return Outcome(arrival, fix, frame, (time.monotonic() - arrival.came) * 1e3)


def pixels(message: Any) -> Any:
    """(H, W) grey or (H, W, 3) RGB of an Image or a CompressedImage; Refusal where it cannot be decoded."""
    return image_from(message) if hasattr(message, "encoding") else image_from_compressed(message)
