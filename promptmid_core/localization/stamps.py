"""The order of the images' stamps."""

from __future__ import annotations

from promptmid_core.errors import Refusal
from promptmid_core.localization.fix import Candidate
from promptmid_core.reasons import Reason

# two images that far before the last, one soon after the other, are a clock set anew or a bag played again; one alone is a stray
CLOCK_RESTART_NS, CLOCK_RUNS_NS = 1_000_000_000, 10_000_000_000


class Stamps:
    """Refuses an image that is not later than the one before it, and knows a clock that was set anew."""

    def __init__(self) -> None:
        self._stamp_ns = 0
        self._stray_ns = 0
        self.anew = False

    def check(self, candidate: Candidate) -> None:
        """Raise Refusal STAMP_BACKWARDS where the image of a candidate is not later than the last; `anew` tells whether that was
        the second of a clock that was set anew, from which on it runs."""
        stamp, self.anew = candidate.stamp_ns, False
        if stamp <= 0:
            return
        if stamp <= self._stamp_ns:
            back = self._stamp_ns - stamp
            self.anew = back > CLOCK_RESTART_NS and 0 < stamp - self._stray_ns < CLOCK_RUNS_NS
            self._stray_ns = stamp
            if self.anew:
                self._stamp_ns = stamp
            raise Refusal(Reason.STAMP_BACKWARDS, f"the image's stamp is {back / 1e6:.1f} ms before the last one; "
                                                  "stamps must increase")
        if candidate.prior is not None:
            self._stamp_ns = stamp
