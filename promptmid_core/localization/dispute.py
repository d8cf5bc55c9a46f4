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
TRUSTED = 0.01  # share of the way flown since that odometry may be wrong by, as good odometry is: then it settles no dispute


@dataclass(frozen=True)
class Dispute:
    """Parts of the map lie `move` (2,) metres apart. It was found at `place` (2,), after `flown` metres; fixes before had the
    correction `held` (2,). `refused`: how far had been flown when the other part was refused last."""

    held: Float64
    move: Float64
    place: Float64
    flown: float
    refused: float = 0.0

    @property
    def amount(self) -> float:
        return float(np.hypot(*self.move))

    def refuses(self, correction: Float64, flown: float) -> bool:
        """Return whether a correction (2,) belongs to the part of the map that the flight so far speaks against."""
        off, other = (float(np.hypot(*(correction - held))) for held in (self.held, self.held + self.move))
        return other < off and self.open(flown)

    def check(self, correction: Float64, flown: float) -> None:
        """Raise Refusal MAP_DISAGREES where `refuses` says so of a correction (2,)."""
        if self.refuses(correction, flown):
            east, north = self.place
            raise Refusal(Reason.MAP_DISAGREES, f"parts of the map lie {self.amount:.0f} m apart around x {east:.0f}, y "
                                                f"{north:.0f}, and the flight so far speaks against this one; check the map")

    def open(self, flown: float) -> bool:
        """Return whether the flight so far, after `flown` metres, still tells which part is right."""
        return (flown - self.flown) * TRUSTED < self.amount

    def followed(self, correction: Float64, most: float, flown: float) -> Dispute:
        """Return the dispute after a correction (2,) of the refused part, which shows how the odometry has drifted since: by at
        most so many metres, else it is another place. `flown` metres have been flown by now."""
        drift = correction - self.held - self.move
        return replace(self, held=self.held + drift if np.hypot(*drift) <= most else self.held, refused=flown)


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
