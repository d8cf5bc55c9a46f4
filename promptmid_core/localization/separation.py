"""Where parts of a frame by themselves put the ground, from where all of it does: solution separation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64, Mask

SHARED = 0.5  # of the mean square of the separations, which the whole is off by: fitted, docs/integrity.md tells to what


@dataclass(frozen=True)
class Separation:
    """`move` (2,): metres east and north from the ground point of all tie points to that of some; `covariance` (2, 2): of the
    latter, of what they and the map may be wrong by."""

    move: Float64
    covariance: Float64

    @property
    def length(self) -> float:
        return float(np.hypot(*self.move))


def spread(parts: Sequence[Separation]) -> Float64:
    """Return what parts that disagree say of the error of all of them together: a covariance (2, 2) in m2."""
    moves = np.array([part.move for part in parts]).reshape(-1, 2)
    return np.asarray(SHARED * moves.T @ moves / max(len(moves), 1), np.float64)


def alternate(count: int) -> tuple[Mask, Mask]:
    """Masks (N,) of two halves of so many tie points that both see the whole patch: every other block of a row."""
    even = np.arange(count) % 2 == 0
    return even, ~even


def sides(points: Float64) -> list[Mask]:
    """Masks (N,) of the western, eastern, southern and northern half of points (N, 2) east, north."""
    beyond = points >= np.median(points, axis=0)
    return [mask for across in beyond.T for mask in (~across, across)]
