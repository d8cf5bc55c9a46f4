"""What the log tells of a flight: the first fix and each change of state, with its reason, place and time."""

from __future__ import annotations

from promptmid_core.localization.fix import Fix, State
from promptmid_core.outputs.match_keys import Judged, seconds


class Story:
    """Follows the images of a flight in the order of their verdicts."""

    def __init__(self) -> None:
        self._state: State | None = None
        self._fixed = False

    def of(self, judged: Judged) -> str | None:
        """Return the sentence that an image adds; None where it brings nothing new."""
        fix = judged.fix
        if fix is None:
            return None
        before, self._state = self._state, fix.state
        first = fix.accepted and not self._fixed
        self._fixed |= fix.accepted
        if fix.state is before and not first:
            return None
        change = str(fix.state) if before is None or before is fix.state else f"{before} -> {fix.state}"
        why = "the first fix" if first else judged.summary
        return f"{change} {_place(fix)}, image of {seconds(fix.stamp_ns)}: {why}"


def _place(fix: Fix) -> str:
    prior = fix.candidate.prior
    pose = fix.pose or (prior.pose if prior else None)
    if pose is None:
        return "at no known place"
    x, y = (float(value) for value in pose.position[:2])
    return f"at x {x:.1f} y {y:.1f} m in map by the {'fix' if fix.accepted else 'prior'}"
