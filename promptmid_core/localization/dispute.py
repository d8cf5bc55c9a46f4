"""A map that disagrees with itself: which of two corrections the flight so far speaks for."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.reasons import Reason

AMONG, ENOUGH = 5, 2  # frames among which so many have to tell of the same two places
SAME_CELLS = 2.0
ALONG, MUCH = 0.7, 1.7  # cosine between two moves that are the same, and times that one is longer
BETWEEN = 1 / 3  # of the way to the other part
TRUSTED = 0.01  # share of the way flown since that odometry may be wrong by, as good odometry is: then it settles no dispute


@dataclass(frozen=True)
class Dispute:
    """Parts of the map lie `move` (2,) metres apart. It was found at `place` (2,), after `flown` metres; what the flight so far
    speaks for has the correction `held` (2,). `against`: whether the last frame was of the other part, or between the two;
    `refused`, `seen`: how far had been flown when the other part was refused last, and when both were in view."""

    held: Float64
    move: Float64
    place: Float64
    flown: float
    against: bool = False
    refused: float = 0.0
    seen: float = 0.0

    @property
    def amount(self) -> float:
        return float(np.hypot(*self.move))

    @property
    def last(self) -> float:
        """How far had been flown when anything was known of it last."""
        return max(self.flown, self.refused, self.seen)

    def refuses(self, correction: Float64, flown: float) -> bool:
        """Return whether a correction (2,) belongs to the part of the map that the flight so far speaks against."""
        off, other = (float(np.hypot(*(correction - held))) for held in (self.held, self.held + self.move))
        return other < off and self.open(flown)

    def check(self, refused: bool) -> None:
        """Raise Refusal MAP_DISAGREES where a place is refused."""
        if refused:
            east, north = self.place
            raise Refusal(Reason.MAP_DISAGREES, f"parts of the map lie {self.amount:.0f} m apart around x {east:.0f}, y "
                                                f"{north:.0f}, and the flight so far speaks against this one; check the map")

    def open(self, flown: float) -> bool:
        """Return whether the flight so far, after `flown` metres, still tells which part is right."""
        return (flown - max(self.flown, self.seen)) * TRUSTED < self.amount

    def after(self, correction: Float64, beside: Float64 | None, most: float, flown: float) -> Dispute:
        """Return the dispute after a frame with a correction (2,), of which another side lies `beside` (2,) metres from there,
        None where all of it lies at one place, and how the odometry has drifted since by that: by at most so many metres, else
        it is another place. `flown` metres have been flown by now."""
        if not self.open(flown):
            return replace(self, against=False)
        other = self.refuses(correction, flown)
        if beside is not None and self._alike(beside):
            # both are in view: which of them was found is told by where the other lies, and has to be so by where it is expected
            if bool(beside @ self.move < 0) != other:
                return replace(self, against=True)
            return replace(self, held=correction + beside if other else correction, against=other, seen=flown,
                           refused=flown if other else self.refused)
        if other:
            drift = correction - self.held - self.move
            return replace(self, held=self.held + drift if np.hypot(*drift) <= most else self.held, against=True, refused=flown)
        # a place between the two is one that both have pulled at
        between = float(np.hypot(*(correction - self.held))) > BETWEEN * self.amount
        if between and (correction - self.held) @ self.move > 0:
            return replace(self, against=True)
        return replace(self, against=False)

    def _alike(self, beside: Float64) -> bool:
        """Whether two places are as far apart as the parts are, along the same line."""
        along, length = abs(float(beside @ self.move)) / self.amount, float(np.hypot(*beside))
        return along > ALONG * length and length < MUCH * self.amount and self.amount < MUCH * length


class Witnesses:
    """Frames that told of two places, and whether enough of them agree."""

    def __init__(self) -> None:
        self._moves: deque[Float64 | None] = deque(maxlen=AMONG)

    def hear(self, move: Float64 | None, cell: float) -> bool:
        """Take what a frame tells, None where it tells of one place; whether it is one of enough that tell the same."""
        self._moves.append(move)
        if move is None:
            return False
        alike = [other for other in self._moves if other is not None and np.hypot(*(other - move)) <= SAME_CELLS * cell]
        return len(alike) >= ENOUGH
