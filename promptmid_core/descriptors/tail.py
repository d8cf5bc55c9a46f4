"""How far errors go beyond what their covariance states: by the errors that were seen, each of ground of its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, isfinite, log
from reprlib import repr as shown
from typing import Any

MOST_SCORES, MOST_SCORE = 20_000, 1e3
TENTH = 10  # the errors beyond the largest tenth are followed where none was seen
LEAST = 20  # errors from which on a tail is followed


@dataclass(frozen=True)
class Tail:
    """`scores`: lengths of errors in their own standard deviations, the widest axis, in rising order; each of one disjoint
    piece of ground, so that they are exchangeable with the next."""

    scores: tuple[float, ...]

    def certified(self, risk: float) -> bool:
        """Return whether so many errors were seen that the level of a risk is one of theirs."""
        return self._rank(risk) <= len(self.scores)

    def level(self, risk: float) -> float:
        """Return what the next error exceeds with at most that probability.

        The k-th smallest of n scores with k = ceil((n + 1) (1 - risk)): so much is certain of exchangeable errors, however they
        are distributed (split conformal prediction, Vovk, Gammerman and Shafer 2005). Of a risk below 1 / (n + 1) nothing is:
        then the tail beyond the largest tenth goes on as an exponential of their mean excess, at least to the largest score.
        Infinite where too few errors were seen for that.
        """
        n = len(self.scores)
        if self.certified(risk):
            return self.scores[self._rank(risk) - 1]
        if n < LEAST:
            return inf
        above = n // TENTH
        edge = self.scores[-above - 1]
        excess = sum(score - edge for score in self.scores[-above:]) / above
        return max(edge + excess * log(above / n / risk), self.scores[-1])

    def _rank(self, risk: float) -> int:
        # a share like 0.99 of 100 stands for 99, whatever its last bit is
        return max(ceil((len(self.scores) + 1) * (1 - risk) - 1e-9), 1)

    @staticmethod
    def from_list(values: Any) -> Tail:
        """Return the tail of JSON values. Raises ValueError, which says what is wrong, where they are none."""
        if not isinstance(values, list) or len(values) > MOST_SCORES:
            raise ValueError(f"errors are {shown(values)}, not a list of at most {MOST_SCORES} numbers")
        if not all(isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and 0 <= value <= MOST_SCORE
                   for value in values):
            raise ValueError(f"errors are {shown(values)}, not numbers from 0 to {MOST_SCORE:g}")
        if any(later < earlier for earlier, later in pairwise(values)):
            raise ValueError(f"errors are {shown(values)}, and do not rise")
        return Tail(tuple(float(value) for value in values))


UNKNOWN = Tail(())  # of a descriptor whose errors nobody has looked at
