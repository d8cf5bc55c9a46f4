"""A line across which a map lies elsewhere than on the other side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.audit.sought import RasterPiece

DIRECTIONS = 24
LEAST_SIDE = 4  # pieces on either side
LEAST_APART = 1.0  # px
SURELY = 5.0  # standard errors: of so many lines the best stands out by chance
LEAST_EXPLAINED = 0.5  # share of the squared differences of shifts that the line explains


@dataclass(frozen=True)
class Seam:
    """A line through `at` (2,) in `map`, running along `heading_deg` clockwise from north; beyond it, to the right of that
    heading, the map lies `apart` (2,) metres east and north further than on this side."""

    at: Float64
    heading_deg: float
    apart: Float64

    @property
    def length(self) -> float:
        return float(np.hypot(*self.apart))


def seam_of(pieces: Sequence[RasterPiece], gsd_m: float) -> Seam | None:
    """Return the straight line that best divides the pieces that were found into two of different shifts; None where none does so
    surely, and by a pixel or more."""
    found = [piece for piece in pieces if piece.shift is not None]
    if len(found) < 2 * LEAST_SIDE:
        return None
    at, shift = np.array([piece.middle for piece in found]), np.array([piece.shift for piece in found])
    whole = float(((shift - shift.mean(axis=0)) ** 2).sum())
    best: tuple[float, Seam] | None = None
    for angle in np.arange(DIRECTIONS) * (np.pi / DIRECTIONS):
        across = np.array([np.cos(angle), np.sin(angle)])
        along = at @ across
        order = np.argsort(along, kind="stable")
        sums = np.cumsum(shift[order], axis=0)
        count = np.arange(1, len(found) + 1)[:, None]
        left, right = sums / count, (sums[-1] - sums) / np.maximum(len(found) - count, 1)
        for i in range(LEAST_SIDE - 1, len(found) - LEAST_SIDE):
            if along[order[i]] == along[order[i + 1]]:
                continue
            n = i + 1
            between = n * (len(found) - n) / len(found) * float(((right[i] - left[i]) ** 2).sum())
            if best is None or between > best[0]:
                place = at.mean(axis=0)
                place = place + across * ((along[order[i]] + along[order[i + 1]]) / 2 - place @ across)
                # to the right of a heading that runs along the line lies the side with the greater `along`
                best = between, Seam(place, float(-np.degrees(angle)) % 360, right[i] - left[i])
    if best is None:
        return None
    between, seam = best
    left_over = (whole - between) / max(len(found) - 2, 1)
    if between < SURELY ** 2 * max(left_over, 1e-12) or between < LEAST_EXPLAINED * whole:
        return None
    return seam if seam.length >= LEAST_APART * gsd_m else None
