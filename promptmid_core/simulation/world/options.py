"""What a simulated world may be set by."""

from __future__ import annotations

from dataclasses import dataclass

from promptmid_core.errors import InputError
from promptmid_core.simulation.kinds import Number, Whole, Word
from promptmid_core.simulation.settings import ByName, check_settings, setting

PATTERNS = ("land", "chequer", "blocks", "sections", "desert", "forest", "water")
LARGEST_M = 50_000.0


@dataclass(frozen=True)
class WorldOptions(ByName):
    """Which world is made, how wide and how fine. The smallest holds every class of land cover, the largest fits in a few GB."""

    seed: int = setting(1, "what the world comes from: another seed, another world", Whole(), "N")
    size_px: int = setting(1536, "width and height in pixels", Whole(256, 4096), "N")
    gsd: float = setting(10.0, "metres per pixel", Number(0.5, 30), "M")
    pattern: str = setting("land", f"what the world shows: {', '.join(PATTERNS)}", Word(PATTERNS), "NAME")
    pattern_px: float = setting(32, "of chequer and blocks: side of a field, length of a block, in pixels", Number(8, 512), "P")
    odd_one_in: int | None = setting(None, "of chequer: about one field in N, anywhere, bears a crop of its own", Whole(2), "N")
    epsg: int = setting(32633, "UTM zone of WGS 84: 32601 to 32660 in the north, 32701 to 32760 in the south",
                        Whole(32601, 32760), "N")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.size_px * self.gsd > LARGEST_M:
            raise InputError(f"a world of {self.size_px * self.gsd / 1000:g} km is too wide; give fewer or smaller pixels, for "
                             f"{LARGEST_M / 1000:g} km at most.")
        if 32660 < self.epsg < 32701:
            raise InputError(f"epsg is {self.epsg}, which is no UTM zone of WGS 84; give 32601 to 32660 or 32701 to 32760.")


SETTINGS = WorldOptions.settings()
