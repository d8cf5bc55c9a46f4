"""How likely a score is at the true place, against how likely it is anywhere else."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from math import isfinite
from reprlib import repr as shown
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64

MOST_KNOTS = 100
MOST = 1e3  # of any number of a likelihood


@dataclass(frozen=True)
class Likelihood:
    """What the scores of a descriptor say of a place.

    A score is in standard deviations of those of other places nearby. The log-likelihood ratio of being the true place is `nats`
    at `scores`, both rising, a line between two of them and beyond the last, and as of the first below it: a frame may tell
    nothing at all, as under cloud, over water or where the place has changed. Where a higher score lies next to it, it is also
    `flank` times that of a known signal in noise. Of a place that was matched, each standard deviation by which more tie points
    agree than `surplus_even` tells `surplus` nats.
    """

    scores: tuple[float, ...]
    nats: tuple[float, ...]
    flank: float = 0.0
    surplus: float = 0.0
    surplus_even: float = 0.0

    @staticmethod
    def line(slope: float, even: float, void: float) -> Likelihood:
        """Return the likelihood whose `slope` nats a score lies above `even` tell, of frames that tell nothing with probability
        `void`."""
        least = float(np.log(void))
        return Likelihood((even + least / slope, even), (least, 0.0))

    @property
    def slope(self) -> float:
        """The most nats that a score tells more than one that is lower by 1."""
        return float((np.diff(self.nats) / np.diff(self.scores)).max())

    def log_ratio(self, scores: Float64, peaks: Float64 | None = None) -> Float64:
        """Return ln p(score | true place) / p(score | other place) for scores of any shape.

        `peaks`: for each the highest score near by. Places apart err each in its own way. On the flank of one peak all err
        together, and there the ratio of two scores is that of a known signal in noise, half the difference of their squares,
        as far as the peak is not a ridge: that is what `flank` says.
        """
        last = (self.nats[-1] - self.nats[-2]) / (self.scores[-1] - self.scores[-2])
        told = np.interp(scores, self.scores, self.nats) + last * np.maximum(scores - self.scores[-1], 0.0)
        if peaks is not None and self.flank:
            told = told - self.flank * (peaks - scores) * np.maximum((peaks + scores) / 2 - self.slope, 0.0)
        return np.asarray(np.maximum(told, self.nats[0]), np.float64)

    def of_ties(self, surplus: Float64) -> Float64:
        """Return what the agreement of a match's tie points adds to the log-likelihood ratio of its place."""
        return self.surplus * (surplus - self.surplus_even)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes, as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @staticmethod
    def from_dict(values: Any) -> Likelihood:
        """Return the likelihood of JSON values. Raises ValueError, which says what is wrong, where they are none."""
        names = [each.name for each in fields(Likelihood)]
        if not isinstance(values, dict) or set(values) != set(names):
            raise ValueError(f"a likelihood has to state {', '.join(names)} and nothing else")
        for name in ("scores", "nats"):
            knots = values[name]
            if not isinstance(knots, list) or not 2 <= len(knots) <= MOST_KNOTS or not all(map(_is_number, knots)):
                raise ValueError(f"{name} are {shown(knots)}, not 2 to {MOST_KNOTS} numbers within {MOST:g} of 0")
        scores, nats = values["scores"], values["nats"]
        if len(scores) != len(nats):
            raise ValueError(f"there are {len(scores)} scores and {len(nats)} nats, not equally many")
        if any(after - before < 1 / MOST for before, after in pairwise(scores)):
            raise ValueError(f"scores are {shown(scores)}, and do not rise")
        if any(after < before for before, after in pairwise(nats)) or nats[-1] == nats[0]:
            raise ValueError(f"nats are {shown(nats)}, and do not rise")
        for name, least in (("flank", 0.0), ("surplus", 0.0), ("surplus_even", -MOST)):
            if not _is_number(values[name]) or values[name] < least:
                raise ValueError(f"{name} is {shown(values[name])}, not a number from {least:g} to {MOST:g}")
        return Likelihood(**values | {"scores": tuple(scores), "nats": tuple(nats)})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and abs(value) <= MOST


# of a descriptor that is not calibrated: no two scores are told further apart than by any likelihood that was fitted
CAUTIOUS = Likelihood((0.0, 4.0, 8.0, 18.0), (-2.5, 0.0, 2.0, 3.5))
