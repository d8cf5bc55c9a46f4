"""The protection level: how far a fix may be off, but for a risk that is stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log, sqrt

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.descriptors.tail import Tail
from promptmid_core.localization.parts import Parts
from promptmid_core.localization.separation import Separation

SHARE = 1 / 3  # of the risk that each of matching, attitude and other places may take
FAULTY = 1e-3  # probability, taken, that a side of the ground or a group of channels shows the frame a place that is not there


@dataclass(frozen=True)
class Protection:
    """Metres that the horizontal error of a fix exceeds with at most the risk that is asked for: of the position, and of the
    `ground` point; infinite where that cannot be told. `certified`: whether as many errors were seen as the risk needs; else the
    tail of those that were is followed."""

    position: float
    ground: float
    certified: bool


@dataclass(frozen=True)
class OtherPlaces:
    """Where an aircraft may be instead of at its fix: `distance` (n,) in metres, `probability` (n,), and the probability
    `elsewhere` that it is at none that can be told."""

    distance: Float64
    probability: Float64
    elsewhere: float

    @staticmethod
    def of(place: Float64, places: Sequence[tuple[Float64, float]], near: float, elsewhere: float) -> OtherPlaces:
        """Return them for a fix at a `place` (2,), of places (2,) with their probabilities; those `near` by are its own."""
        apart = np.array([np.hypot(*(other - place)) for other, _ in places])
        probability = np.array([each for _, each in places])
        return OtherPlaces(apart[apart > near], probability[apart > near], elsewhere)

    def reach(self, risk: float) -> float:
        """Return the metres beyond which lies no more than the risk."""
        if self.elsewhere > risk:
            return inf
        order = np.argsort(-self.distance)
        left = self.elsewhere + np.cumsum(self.probability[order])
        held = order[left > risk]
        return float(self.distance[held].max()) if len(held) else 0.0


def protected(ground: Parts, position: Parts, tail: Tail, risk: float, others: OtherPlaces,
              separation: Sequence[Separation] = ()) -> Protection:
    """Return the protection of a fix whose ground point and position have these parts.

    A third of the risk goes to each of: matching and map, as far as the descriptor's errors went beyond their covariance;
    attitude and camera, as a normal error of two axes; other places. By the union bound the sum of the first two, or the farthest
    place if that is more, is exceeded with at most the whole risk.

    That of matching holds where all of the frame is sound, and where all but one part of it is: then the rest of it has the
    place, as far from the fix as the `separation` says (solution separation, Brown and McBurney 1988).
    """
    share = SHARE * risk
    normal, reach = sqrt(-2 * log(share)), others.reach(share)
    seen = tail.level(share) * _widest(ground.matching + ground.ground)
    if separation:
        without = tail.level(min(share / (FAULTY * len(separation)), 0.5))
        seen = max(seen, *(part.length + without * _widest(part.covariance) for part in separation))
    aside, tilted = (_widest(each.attitude + each.camera) for each in (ground, position))
    return Protection(max(seen + normal * tilted, reach), max(seen + normal * aside, reach), tail.certified(share))


def _widest(covariance: Float64) -> float:
    """The standard deviation along the longest axis of a covariance (2, 2)."""
    return sqrt(max(float(np.linalg.eigvalsh((covariance + covariance.T) / 2)[-1]), 0.0))
