"""How the scenes of a mosaic lie on one another: each two that have ground in common, compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptmid_core.refmap.sar.levelling import Part, common_part
from promptmid_core.refmap.sar.shifts import Shift, shift_between
from promptmid_core.refmap.sar.view import SarView

FAR_PX = 1.0  # beyond which two scenes disagree
SURELY = 3.0  # standard deviations


@dataclass(frozen=True)
class Overlap:
    """Two scenes by their numbers, and how far the `second` lies beside the `first` in pixels of the map."""

    first: int
    second: int
    shift: Shift


def overlaps(scenes: Sequence[SarView], parts: Sequence[Part]) -> list[Overlap]:
    """Return how each two scenes that have ground in common lie on one another, those that nothing can be told of left out."""
    found = []
    for second in range(len(scenes)):
        for first in range(second):
            common = common_part(parts[first], parts[second])
            shift = shift_between(scenes[first], scenes[second], common) if common[2] and common[3] else None
            if shift is not None:
                found.append(Overlap(first, second, shift))
    return found


def disagree(east_px: float, north_px: float, sigma_px: float) -> bool:
    """Return whether two scenes that lie so many pixels apart are further apart than a pixel, and surely so."""
    apart = float((east_px ** 2 + north_px ** 2) ** 0.5)
    return apart > FAR_PX and apart > SURELY * sigma_px
