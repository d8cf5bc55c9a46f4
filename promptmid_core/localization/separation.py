"""Where parts of a frame by themselves put the ground, from where all of it does: solution separation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64, Mask


@dataclass(frozen=True)
class Part:
    """`move` (2,): metres east and north from the ground point of all tie points to that of some; `covariance` (2, 2): of the
    latter, of what they and the map may be wrong by."""

    move: Float64
    covariance: Float64

    @property
    def length(self) -> float:
        return float(np.hypot(*self.move))


def alternate(count: int) -> tuple[Mask, Mask]:
    """Masks (N,) of two halves of so many tie points that both see the whole patch: every other block of a row."""
    even = np.arange(count) % 2 == 0
    return even, ~even


def sides(points: Float64) -> list[Mask]:
    """Masks (N,) of the western, eastern, southern and northern half of points (N, 2) east, north."""
    beyond = points >= np.median(points, axis=0)
    return [mask for across in beyond.T for mask in (~across, across)]
