"""When an autopilot is told of a fix, and when it is told nothing: within one image of a track that is lost or in doubt."""

from __future__ import annotations

from math import isfinite
from typing import Any

from promptmid_core.autopilot.carrying import Carried, Carrier, sigma_of
from promptmid_core.autopilot.fixes import Joining, ToldFix, is_placed
from promptmid_core.autopilot.options import CarryOptions, RelayOptions
from promptmid_core.autopilot.silence import Silence, silence_of
from promptmid_core.autopilot.verdicts import ImageVerdict, verdict_from
from promptmid_core.errors import Refusal

LEAST_AGE_S = -0.1  # stamps are ahead of a clock by no more where they are of the same one
MOST_ODOMETRY_AGE_S = 0.5
ANEW_NS = 10_000_000_000  # an image so far before the last one is of a clock that was set anew


class Relay:
    """Hears the localizer and the odometry, and says what there is to tell.

    `fix`: the last one, None before it; `silence`: what the last images took back; `resets`: how often the aircraft was found
    anew after it was lost, modulo 256; `problem`: why the last message could not be used.
    """

    def __init__(self, options: RelayOptions, carry: CarryOptions | None = None) -> None:
        self._options = options
        self._carrier = None if carry is None else Carrier(carry, options.integrity_risk)
        self._joining = Joining()
        self._newest_ns = self._silent_ns = 0
        self._found_anew = False
        self.fix: ToldFix | None = None
        self.silence = Silence.NO_FIX
        self.resets = 0
        self.problem = ""

    def add_odometry(self, message: Any) -> None:
        """Take a nav_msgs/Odometry. Raises ValueError where nothing is carried."""
        if self._carrier is None:
            raise ValueError("this relay carries no fix")
        self._carrier.add(message)

    @property
    def odometry_problem(self) -> str:
        return "" if self._carrier is None else self._carrier.problem

    def add_pose(self, message: Any) -> ToldFix | None:
        """Take a message of `~/pose`, and return the fix that it completes."""
        return self._taken(lambda: self._joining.pose(message))

    def add_place(self, message: Any) -> ToldFix | None:
        """Take a message of `~/navsat_fix`, and return the fix that it completes."""
        return self._taken(lambda: self._joining.place(message))

    def add_verdict(self, message: Any) -> ToldFix | None:
        """Take a message of `~/match_diagnostics`, and return the fix that it completes."""
        verdict = verdict_from(message)
        if verdict is None:
            return None
        self._heed(verdict)
        return self._taken(lambda: self._joining.verdict(verdict)) if verdict.fixed else None

    def age_s(self, now_ns: int) -> float | None:
        """Return the seconds since the last fix's image, None before it."""
        return None if self.fix is None else (now_ns - self.fix.stamp_ns) / 1e9

    def sigma(self) -> float | None:
        """Return the standard deviation in metres of each axis of the last fix itself, None before it."""
        return None if self.fix is None else sigma_of(self.fix.protection, self._options.integrity_risk)

    def silent(self, now_ns: int) -> Silence:
        """Return why nothing is told of the last fix itself by a clock; SPEAKING where it is."""
        if self.silence is not Silence.SPEAKING or self.fix is None:
            return self.silence
        age = (now_ns - self.fix.stamp_ns) / 1e9
        if age < LEAST_AGE_S:
            return Silence.CLOCKS_APART
        if age > self._options.most_fix_age_s:
            return Silence.FIX_OLD
        if not is_placed(self.fix):
            return Silence.NORTH_UNKNOWN
        return Silence.SPEAKING if isfinite(self.fix.protection) else Silence.NO_PROTECTION

    def carried(self, now_ns: int) -> Carried | Silence:
        """Return where the last fix has led to by a clock, as its odometry has it, or why that is not told."""
        silence = self.silent(now_ns)
        if silence is not Silence.SPEAKING or self.fix is None or self._carrier is None:
            return silence
        newest = self._carrier.newest_ns
        age = MOST_ODOMETRY_AGE_S + 1 if newest is None else (now_ns - newest) / 1e9
        if age < LEAST_AGE_S:
            return Silence.CLOCKS_APART
        found = self._carrier.carried(self.fix, now_ns) if age <= MOST_ODOMETRY_AGE_S else None
        return found or Silence.ODOMETRY_MISSING

    def apart_s(self, now_ns: int) -> float | None:
        """Return the seconds that the newest odometry, where nothing is carried the last fix, lies behind a clock."""
        if self._carrier is None:
            return self.age_s(now_ns)
        newest = self._carrier.newest_ns
        return None if newest is None else (now_ns - newest) / 1e9

    def _heed(self, verdict: ImageVerdict) -> None:
        silence = silence_of(verdict)
        if silence is Silence.SPEAKING and not verdict.fixed:
            return  # it takes nothing back, and its stamp may be a stray one
        if 0 < verdict.stamp_ns < self._newest_ns - ANEW_NS:
            self._silent_ns, self._newest_ns = 0, 0
            self._quiet(Silence.SEARCHING)
        if verdict.stamp_ns <= self._newest_ns:
            return
        self._newest_ns = verdict.stamp_ns
        if silence is not Silence.SPEAKING and not verdict.fixed:
            self._silent_ns = verdict.stamp_ns
            self._quiet(silence)

    def _quiet(self, silence: Silence) -> None:
        if self.fix is None:
            return
        self.silence = silence
        self._found_anew = self._found_anew or silence in (Silence.LOST, Silence.SEARCHING)

    def _taken(self, join: Any) -> ToldFix | None:
        try:
            fix: ToldFix | None = join()
        except Refusal as refusal:
            self.problem = str(refusal)
            return None
        if fix is None:
            return None
        self.problem = ""
        before = self.fix is not None and fix.stamp_ns <= self.fix.stamp_ns <= fix.stamp_ns + ANEW_NS
        if fix.stamp_ns <= self._silent_ns or before:
            return None
        self.fix, self.silence = fix, Silence.SPEAKING
        self.resets, self._found_anew = (self.resets + self._found_anew) % 256, False
        return fix
