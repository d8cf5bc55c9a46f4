"""Which camera_info belongs to an image."""

from __future__ import annotations

import threading
from bisect import bisect_right
from typing import Any

from promptmid_core.bags.messages import camera_from, stamp_ns
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, Pose
from promptmid_core.reasons import Reason

KEPT = 64


class CameraInfos:
    """The last camera_info messages, of one camera; for use by several threads.

    The one of an image's own stamp is its own; else the last one before it holds for it, else the first one after it, so that
    an image that was recorded before its camera_info is not lost.
    """

    def __init__(self) -> None:
        self._infos: list[tuple[int, Any]] = []
        self._came = threading.Condition()
        self._each_its_own = False

    def add(self, message: Any) -> None:
        """Take a camera_info; one of an equal stamp replaces the older."""
        stamp = stamp_ns(message.header)
        with self._came:
            if self._infos and self._infos[-1][0] - stamp > 1_000_000_000:
                self._infos.clear()  # the clock was set anew
            at = bisect_right(self._infos, stamp, key=lambda entry: entry[0])
            if at and self._infos[at - 1][0] == stamp:
                self._infos[at - 1] = stamp, message
            else:
                self._infos.insert(at, (stamp, message))
            del self._infos[:-KEPT]
            self._came.notify_all()

    @property
    def received(self) -> bool:
        return bool(self._infos)

    def ready(self, stamp: int) -> bool:
        """Return whether waiting longer cannot bring a camera_info that belongs better to an image."""
        if not self._infos:
            return False
        return not self._each_its_own or self._infos[-1][0] >= stamp

    def wait(self, stamp: int, seconds: float) -> None:
        """Wait for the first camera_info of all, and where each image so far had its own for that of this image."""
        with self._came:
            self._came.wait_for(lambda: self.ready(stamp), max(seconds, 0.0))

    def camera(self, stamp: int, mount: Pose) -> Camera:
        """Return the camera of an image. Raises Refusal: CAMERA_INFO_MISSING, CAMERA_INFO_INVALID."""
        with self._came:
            if not self._infos:
                raise Refusal(Reason.CAMERA_INFO_MISSING, "no camera_info has been received; is the topic camera_info remapped?")
            after = bisect_right(self._infos, stamp, key=lambda entry: entry[0])
            its_stamp, message = self._infos[max(after - 1, 0)]
            self._each_its_own = its_stamp == stamp
        return camera_from(message, mount)
