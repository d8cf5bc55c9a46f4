"""The track: which candidates become fixes, given those before them. All state between frames lives here."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.localization.fix import Candidate, Fix, GroundShift, State
from promptmid_core.localization.options import Options
from promptmid_core.reasons import Reason

# two images that far before the last, one soon after the other, are a clock set anew or a bag played again; one alone is a stray
CLOCK_RESTART_NS, CLOCK_RUNS_NS = 1_000_000_000, 10_000_000_000


@dataclass(frozen=True)
class Correction:
    """How far a candidate moved the ground from where its prior had it, and where (2,) the prior then was."""

    ground: GroundShift
    prior_at: Float64


class Tracker:
    """SEARCHING until `confirm` candidates agree, TRACKING while they keep agreeing, LOST after `lose_after` rejections.

    What must agree from frame to frame is the correction of the prior: it drifts slowly, while a false match jumps about.
    Where the prior's source takes the fixes, the correction shrinks toward none instead, all at once or bit by bit.
    LOST asks for the same confirmation as SEARCHING; it tells the user that there was a track.
    """

    def __init__(self, options: Options, gsd: float) -> None:
        self._options = options
        self._gsd = gsd
        self._recent: deque[Correction | None] = deque(maxlen=options.track.confirm_among)
        self._state = State.SEARCHING
        self._last: Correction | None = None
        self._rejected = 0
        self._stamp_ns = 0
        self._stray_ns = 0

    @property
    def state(self) -> State:
        return self._state

    def track(self, candidate: Candidate) -> Fix:
        """Return the verdict on a candidate; candidates must come in the order of their stamps."""
        try:
            correction = self._checked(candidate)
        except Refusal as refusal:
            self._reject()
            return self._fix(candidate, refusal)
        self._accept(correction)
        return self._fix(candidate, None)

    def _checked(self, candidate: Candidate) -> Correction:
        if candidate.stamp_ns > 0:
            if candidate.stamp_ns <= self._stamp_ns:
                back = self._stamp_ns - candidate.stamp_ns
                if back > CLOCK_RESTART_NS and 0 < candidate.stamp_ns - self._stray_ns < CLOCK_RUNS_NS:
                    self._restart(candidate.stamp_ns)
                self._stray_ns = candidate.stamp_ns
                raise Refusal(Reason.STAMP_BACKWARDS, f"the image's stamp is {back / 1e6:.1f} ms before the last one; "
                                                      "stamps must increase")
            if candidate.prior is not None:
                self._stamp_ns = candidate.stamp_ns
        if candidate.reason is not Reason.FIX or candidate.ground is None or candidate.prior is None:
            self._remember(None)
            raise Refusal(candidate.reason, candidate.sentence)
        correction = Correction(candidate.ground, candidate.prior.pose.position[:2])
        evidence, searched = candidate.scores["evidence"], candidate.scores["search_px"] * self._gsd
        if self._state is State.TRACKING and self._last is not None:
            self._remember(correction)
            apart, allowed = self._apart(correction, self._last)
            if apart > allowed and _from_shrunk(correction, self._last) <= allowed:
                # more places agree with this than with the last correction alone, so the match has to stand on its own
                self._check_evidence(evidence)
                return correction
            if apart > allowed:
                raise Refusal(Reason.TRACK_DISAGREES, f"the correction jumped by {apart / self._gsd:.1f} px since the last fix; "
                                                      f"{allowed / self._gsd:.1f} px are allowed")
            # a false match falls anywhere in the search window, so one where the track expects it is likelier by the areas' ratio
            self._check_evidence(evidence + max(2 * float(np.log(searched / allowed)), 0.0))
            return correction
        self._check_evidence(evidence)
        agreeing = sum(1 for other in self._recent if other and np.less_equal(*self._apart(correction, other)))
        self._remember(correction)
        if agreeing + 1 < self._options.track.confirm:
            raise Refusal(Reason.NOT_CONFIRMED, f"{agreeing + 1} of the {self._options.track.confirm} agreeing candidates "
                                                "that a first fix needs")
        return correction

    def _check_evidence(self, value: float) -> None:
        if value < self._options.track.least_evidence:
            raise Refusal(Reason.MATCH_WEAK, f"the match has log-odds {value:.1f} of being true, "
                                             f"less than {self._options.track.least_evidence:g}")

    def _apart(self, a: Correction, b: Correction) -> tuple[float, float]:
        """How far two corrections differ, and how far they may: their own errors and the prior's drift between them."""
        sigma = np.sqrt(float(np.linalg.eigvalsh(a.ground.covariance + b.ground.covariance)[-1]))
        flown = float(np.linalg.norm(a.prior_at - b.prior_at))
        return float(np.linalg.norm(a.ground.shift - b.ground.shift)), 3 * sigma + self._options.track.drift_share * flown

    def _restart(self, stamp_ns: int) -> None:
        self._state, self._last, self._rejected, self._stamp_ns = State.SEARCHING, None, 0, stamp_ns
        self._recent.clear()

    def _remember(self, correction: Correction | None) -> None:
        self._recent.append(correction)

    def _accept(self, correction: Correction) -> None:
        self._last, self._rejected, self._state = correction, 0, State.TRACKING

    def _reject(self) -> None:
        self._rejected += 1
        if self._state is State.TRACKING and self._rejected >= self._options.track.lose_after:
            self._state = State.LOST
            self._last = None

    def _fix(self, candidate: Candidate, refusal: Refusal | None) -> Fix:
        if refusal:
            return Fix(candidate.stamp_ns, self._state, refusal.reason, str(refusal), None, None, (), candidate)
        return Fix(candidate.stamp_ns, self._state, Reason.FIX, "", candidate.pose, candidate.covariance, candidate.observed,
                   candidate)


def _from_shrunk(now: Correction, last: Correction) -> float:
    """How far a correction lies from all those that the last one may shrink to, in metres."""
    shift, before = now.ground.shift, last.ground.shift
    length = float(before @ before)
    share = float(np.clip(shift @ before / length, 0.0, 1.0)) if length else 0.0
    return float(np.linalg.norm(shift - share * before))
