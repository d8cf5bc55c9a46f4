"""What the callbacks put down and the worker takes up: the newest image, and the camera_info of its time."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from promptmid_core.bags.messages import camera_from, stamp_ns
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, Pose
from promptmid_core.reasons import Reason


@dataclass(frozen=True)
class Arrival:
    """An image message, when it came (seconds of the monotonic clock), and how many were dropped since the one taken before."""

    message: Any
    came: float
    dropped: int


class Inbox:
    """One place for an image: a newer one takes it. At any time received = taken + dropped + waiting."""

    def __init__(self) -> None:
        self._filled = threading.Condition()
        self._arrival: Arrival | None = None
        self._closed = False
        self._since = 0
        self.received = 0
        self.taken = 0
        self.dropped = 0

    def put(self, message: Any) -> None:
        with self._filled:
            self.received += 1
            if self._arrival is not None:
                self._drop()
            self._arrival = Arrival(message, time.monotonic(), 0)
            self._filled.notify()

    def take(self) -> Arrival | None:
        """The newest image, waited for; None once the inbox is closed."""
        with self._filled:
            self._filled.wait_for(lambda: self._arrival is not None or self._closed)
            if self._closed or self._arrival is None:
                return None
            arrival = Arrival(self._arrival.message, self._arrival.came, self._since)
            self._arrival, self._since = None, 0
            self.taken += 1
            return arrival

    def close(self) -> None:
        """Let nobody wait any more; an image that is still here counts as dropped."""
        with self._filled:
            self._closed = True
            if self._arrival is not None:
                self._drop()
            self._filled.notify_all()

    def _drop(self) -> None:
        self._arrival = None
        self.dropped += 1
        self._since += 1


class CameraInfos:
    """The last few camera_info messages; the one of an image's own stamp holds for it, or else the newest."""

    def __init__(self, mount: Pose, kept: int = 16) -> None:
        self._mount = mount
        self._infos: deque[tuple[int, Any]] = deque(maxlen=kept)
        self._came = threading.Condition()

    def add(self, message: Any) -> None:
        with self._came:
            self._infos.append((stamp_ns(message.header), message))
            self._came.notify_all()

    @property
    def received(self) -> bool:
        return bool(self._infos)

    def camera(self, stamp: int, wait_s: float) -> Camera:
        """The camera of an image; the first camera_info of all is waited for. Refusal where there is none or it is none."""
        with self._came:
            self._came.wait_for(lambda: self._infos, max(wait_s, 0.0))
            infos = list(self._infos)
        if not infos:
            raise Refusal(Reason.CAMERA_INFO_MISSING, "no camera_info has been received; is the topic camera_info remapped?")
        own = next((message for its_stamp, message in infos if its_stamp == stamp), infos[-1][1])
        return camera_from(own, self._mount)
