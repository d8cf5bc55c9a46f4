"""Whether the images that come are judged, and what is to be done where they are not."""

from __future__ import annotations

from promptmid_core.localization.upkeep import EXIT, Upkeep

MOST_IN_A_ROW = 3
# looks come once a second; where they come later, the process stood still, stopped or starved, and its workers with it
LOOKS_APART_S = 2.0


class Watchdog:
    """Counts the workers of an activation that hung, so that an image waited for its verdict longer than it may.

    Where others hang in their place without a verdict of their own, MOST_IN_A_ROW times, the fault is in what they share, so
    that the process has to end. `problem`: what the last one hung in, empty where none has.
    """

    def __init__(self, upkeep: Upkeep) -> None:
        self.upkeep = upkeep
        self._looked = 0.0
        self._waited = 0.0
        self._in_a_row = 0
        self._judged = 0
        self.replaced = 0
        self.problem = ""

    def hangs(self, waited_s: float, queued_s: float, now: float) -> bool:
        """Look whether the worker hangs on an image that has waited for so long, `now` in seconds of the monotonic clock.

        No more than LOOKS_APART_S count between two looks, and nothing of the time since the last one in which a thread of the
        process stood in line for a processor, `queued_s`: another worker would stand there too.
        """
        apart, self._looked = now - self._looked, now
        before = self._waited if waited_s > apart else 0.0
        self._waited = min(waited_s, max(before + min(apart, LOOKS_APART_S) - queued_s, 0.0))
        return self._waited > self.upkeep.verdict_timeout_s

    def ends(self, problem: str, judged: int) -> bool:
        """Return whether the process has to end, rather than get another worker, for one that hung.

        `judged`: how many verdicts there have been, that on the image which it had in hand among them.
        """
        self.problem = problem
        self.replaced += 1
        self._in_a_row = self._in_a_row + 1 if judged <= self._judged + 1 else 1
        self._judged = judged
        return self.upkeep.on_verdict_timeout == EXIT or self._in_a_row > MOST_IN_A_ROW
