"""Whether a map lies where it says, by what it was held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptmid_core.audit.seam import Seam
from promptmid_core.audit.sought import RasterPiece, RasterSearch
from promptmid_core.refmap.format.parts import OverlapFacts
from promptmid_core.refmap.sar.registration import disagree

SOUND, MOVED, SEAM, NOT_FOUND = "sound", "moved", "seam", "not_found"
LEAST_FOUND = 0.25  # share of the pieces: of a map of elsewhere a few are found by chance
SURELY = 2.0  # standard deviations by which a place lies beyond the limit
MOST_BEYOND = 0.25  # share of the places


@dataclass(frozen=True)
class MapVerdict:
    """`word`: one of sound, moved, seam, not_found; and the `sentence` that says why."""

    word: str
    sentence: str

    @property
    def passed(self) -> bool:
        return self.word == SOUND


def not_found(sources: Sequence[RasterSearch]) -> MapVerdict | None:
    """Return the verdict where a source is not the map's ground; None where all are."""
    for each in sources:
        if len(each.found) < LEAST_FOUND * len(each.pieces):
            return MapVerdict(NOT_FOUND, f"{len(each.found)} of {len(each.pieces)} pieces of {each.name} are found on the map: "
                                         "it shows other ground, lies further off than was looked (--radius-px), or cannot be "
                                         "compared")
    return None


def verdict(pieces: Sequence[RasterPiece], seam: Seam | None, overlaps: Sequence[OverlapFacts], limit_px: float,
            gsd_m: float) -> MapVerdict:
    """Return the verdict on a map by `pieces` of its ground that were found, a `seam` that divides them, and how its scenes lie
    on one another.

    It has moved where the median of its places lies more than `limit_px` beside the ground, or more than a quarter of them surely
    do.
    """
    if seam is not None and seam.length > limit_px * gsd_m:
        return MapVerdict(SEAM, f"parts of the map lie {seam.length / gsd_m:.1f} px apart, across a line that runs "
                             f"{seam.heading_deg:.0f} degrees from north")
    apart = [each for each in overlaps if disagree(each.east_px, each.north_px, each.sigma_px)
             and np.hypot(each.east_px, each.north_px) > limit_px]
    if apart:
        most = max(np.hypot(each.east_px, each.north_px) for each in apart)
        return MapVerdict(SEAM, f"scenes that the map was made of lie up to {most:.1f} px apart, {apart[0].second} and "
                             f"{apart[0].first} among them")
    if not pieces:
        return MapVerdict(SOUND, f"its scenes lie within {max(limit_px, 1):g} px of one another")
    shift = np.array([piece.shift for piece in pieces]) / gsd_m
    middle, length = np.median(shift, axis=0), np.hypot(*shift.T)
    if np.hypot(*middle) > limit_px:
        return MapVerdict(MOVED, f"the map lies {np.hypot(*middle):.1f} px beside the ground: {middle[0]:+.1f} px east, "
                              f"{middle[1]:+.1f} px north")
    beyond = float((length > limit_px + SURELY * np.array([piece.sigma for piece in pieces]) / gsd_m).mean())
    if beyond > MOST_BEYOND:
        return MapVerdict(MOVED, f"{beyond:.0%} of the map's places lie more than {limit_px:g} px beside the ground, each "
                                 "its own way")
    return MapVerdict(SOUND, f"the map lies {np.hypot(*middle):.1f} px beside the ground, within {limit_px:g} px")
