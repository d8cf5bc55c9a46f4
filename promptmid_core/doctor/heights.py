"""What a map calls for of the flight over it: how well the attitude has to be known, and from which heights a camera fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.localization.attitude import metres_per_tenth
from promptmid_core.refmap import ReferenceMap

USUAL_M = (100, 300, 1000, 3000, 10_000)


@dataclass(frozen=True)
class Lens:
    """The `size` of a camera's images and its `focal` length, in pixels. Raises InputError where there is no such image."""

    size: tuple[int, int]
    focal: float

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise InputError(f"images of {self.size[0]}x{self.size[1]} px are none; give the size that camera_info states")


def attitude_at(heights_m: tuple[float, ...] = USUAL_M) -> dict[str, float]:
    """Return the metres that 0.1 degrees of attitude move a position by, by the height above ground in metres."""
    return {f"{height:g}": round(metres_per_tenth(height), 3) for height in heights_m}


def heights_of(reference: ReferenceMap, patch_px: int, lens: Lens) -> dict[str, Any]:
    """Return the heights above ground, in metres, that a map's pixels and `patch_px` call for.

    `least`: from where the shorter side of an image fills the patch at the finest level; `finest`: up to where frames are
    matched at that level, as their pixels are then twice the map's; `most`: up to where they are matched at all; `attitude_m`:
    metres that 0.1 degrees of attitude move a position by at the least of them.
    """
    least = patch_px * reference.gsd * lens.focal / min(lens.size)
    finest = 2 * reference.gsd * lens.focal
    return {"least": round(least, 1), "finest": round(finest, 1), "most": round(finest * 2 ** (reference.levels - 1), 1),
            "attitude_m": round(metres_per_tenth(least), 3)}


def narrow(reference: ReferenceMap, patch_px: int, lens: Lens) -> str:
    """Return what is wrong with a camera whose images never fill the patch, in one sentence; empty where they do."""
    if 2 * min(lens.size) >= patch_px:
        return ""
    return (f"images of {lens.size[0]}x{lens.size[1]} are too small: they never fill the {patch_px} px of the patch where a "
            f"pixel of theirs is at most two of the map's; set patch_px to at most {2 * min(lens.size)}, or use larger images")
