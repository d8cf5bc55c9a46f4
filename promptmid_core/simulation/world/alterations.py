"""What may be wrong with a map, and where: parts that are shifted, replaced by other ground, turned, mirrored or shuffled."""

from __future__ import annotations

from dataclasses import dataclass

from promptmid_core.errors import InputError
from promptmid_core.simulation.kinds import Number, Numbers, Whole, Word
from promptmid_core.simulation.settings import ByName, check_settings, setting

WAYS = ("shift", "replace", "turn", "mirror", "shuffle")
PARTS = ("all", "left", "right", "upper", "lower")


@dataclass(frozen=True)
class AlterationOptions(ByName):
    """How a raster is altered, and where: halves meet in the middle of its pixels."""

    way: str = setting("shift", f"how the raster is altered: {', '.join(WAYS)}", Word(WAYS), "WAY")
    part: str = setting("all", f"the part that is: {', '.join(PARTS)}", Word(PARTS), "PART")
    shift_px: tuple[float, ...] = setting((30, 0), "of shift: how far its ground lies right and down of the true place, whole "
                                          "pixels",
                                          Numbers(2, Number(-100_000, 100_000)), ("X", "Y"))
    share_percent: float = setting(30.0, "of replace: share of the tiles that show other ground", Number(0, 100), "S")
    tile_px: int = setting(64, "of replace and shuffle: side of a tile", Whole(4, 65536), "T")
    quarters: int = setting(2, "of turn: quarter turns to the left; what is not square takes 2 alone", Whole(1, 3), "Q")
    seed: int = setting(1, "of replace and shuffle: what is random comes from it", Whole(), "N")

    def __post_init__(self) -> None:
        check_settings(self)
        if any(px != int(px) for px in self.shift_px):
            raise InputError(f"shift_px is {self.shift_px[0]:g} {self.shift_px[1]:g}; it has to be two whole numbers.")


SETTINGS = AlterationOptions.settings()
