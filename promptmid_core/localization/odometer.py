"""How far an aircraft has flown, by its odometry."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from promptmid_core.arrays import Float64

STEP_M = 1.0  # the way is measured in steps of this length, so that noise on the spot adds nothing


class Odometer:
    """The length of the way over the ground at each time of the last `keep_ns`: it grows on a turn back, where the displacement
    shrinks."""

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._stamps: list[int] = []
        self._lengths: list[float] = []
        self._last: Float64 | None = None
        self._length = 0.0

    def add(self, stamp_ns: int, position: Float64) -> None:
        """Take a position (3,) in metres; one of a stamp not after the last is passed over."""
        place = position[:2]
        if self._last is None:
            self._last = place
        elif stamp_ns <= self._stamps[-1]:
            return
        else:
            step = float(np.hypot(*(place - self._last)))
            if step < STEP_M:
                return
            self._length += step
            self._last = place
        self._stamps.append(stamp_ns)
        self._lengths.append(self._length)
        if stamp_ns - self._stamps[0] > 2 * self._keep_ns:
            # the last of the old ones brackets what follows it
            old = bisect_left(self._stamps, stamp_ns - self._keep_ns) - 1
            del self._stamps[:old], self._lengths[:old]

    def restart(self) -> None:
        """Go on from a clock or a frame that was set anew: what was flown so far stays flown."""
        self._stamps.clear()
        self._lengths.clear()
        self._last = None

    def flown(self, stamp_ns: int) -> float:
        """Return the metres flown until a time."""
        after = bisect_right(self._stamps, stamp_ns)
        if not self._stamps or after == 0:
            return self._lengths[0] if self._lengths else self._length
        if after == len(self._stamps):
            return self._lengths[-1]
        share = (stamp_ns - self._stamps[after - 1]) / (self._stamps[after] - self._stamps[after - 1])
        return self._lengths[after - 1] + share * (self._lengths[after] - self._lengths[after - 1])
