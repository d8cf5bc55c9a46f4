"""What the mission preparer says of a SAR product: what its values are, how to read them, and how it was imaged."""

from __future__ import annotations

from dataclasses import dataclass

from promptmid_core.errors import InputError
from promptmid_core.products.acquisition import is_time
from promptmid_core.refmap.sar.amplitude import SCALES

YES, NO, UNKNOWN = "yes", "no", "unknown"
MOST_MULTILOOK = 99
INCIDENCE_DEG = 5, 85


@dataclass(frozen=True)
class SarProduct:
    """`scale`: auto or one of SCALES. `band`: the one to read, from 1; `combine`: "span" joins two by their total power.

    `multilook`: side in map pixels, odd, of the mean of intensities; `speckle`: "none" or "lee", which needs `looks`, the
    product's equivalent number of looks. `terrain_corrected`: yes, no or unknown; `incidence_deg`: angle of incidence in the
    middle of the map; `look_deg`: direction in which the radar looks, clockwise from north; `acquired`: when the image was taken,
    UTC, as 2023-05-01T12:00:00Z.
    """

    scale: str = "auto"
    band: int | None = None
    combine: str | None = None
    multilook: int = 1
    speckle: str = "none"
    looks: float | None = None
    terrain_corrected: str = UNKNOWN
    incidence_deg: float | None = None
    look_deg: float | None = None
    acquired: str | None = None

    @property
    def bands(self) -> tuple[int, ...] | None:
        """The bands to read, None where the raster has one only."""
        return (1, 2) if self.combine else (self.band,) if self.band else None

    def check(self, has_dem: bool) -> None:
        """Raise InputError where what is said makes no sense, or does not go together."""
        if self.scale not in ("auto", *SCALES):
            raise InputError(f"--sar-scale {self.scale} is none; give auto, {', '.join(SCALES)}")
        if self.combine not in (None, "span") or (self.combine and self.band):
            raise InputError("two bands are joined with --combine span, or one is read with --band N; give one of these")
        if not 1 <= self.multilook <= MOST_MULTILOOK or self.multilook % 2 == 0:
            raise InputError(f"--multilook {self.multilook} has no middle pixel, or no map is left; give an odd number of map "
                             f"pixels, as 3 or 5, up to {MOST_MULTILOOK}")
        if self.acquired is not None and not is_time(self.acquired):
            raise InputError(f"{self.acquired:.40} is no time of acquisition; give it in UTC, as 2023-05-01T12:00:00Z")
        if self.speckle not in ("none", "lee"):
            raise InputError(f"there is no speckle filter '{self.speckle}'; give lee or none")
        if self.speckle == "lee" and not (self.looks and self.looks >= 1):
            raise InputError("--speckle lee needs the product's equivalent number of looks, 1 or more; give --looks N, "
                             "for Sentinel-1 IW GRD 4.4")
        if self.terrain_corrected not in (YES, NO, UNKNOWN):
            raise InputError(f"--terrain-corrected {self.terrain_corrected} is none; give yes, no or unknown")
        if self.incidence_deg is not None and not INCIDENCE_DEG[0] <= self.incidence_deg <= INCIDENCE_DEG[1]:
            raise InputError(f"an incidence of {self.incidence_deg:g} degrees is none of a map; give {INCIDENCE_DEG[0]} to "
                             f"{INCIDENCE_DEG[1]}, from the vertical")
        if self.look_deg is not None and not -360 <= self.look_deg <= 360:
            raise InputError(f"a look direction of {self.look_deg:g} degrees is none; give it clockwise from north, 0 to 360")
        if self.look_deg is not None and self.incidence_deg is None:
            raise InputError("--look-deg tells layover and shadow only together with --incidence-deg; give both")
        if self.terrain_corrected == NO and (not has_dem or self.incidence_deg is None):
            raise InputError("a product that is not terrain-corrected is off by the height of the ground; give --dem and "
                             "--incidence-deg, so that the error can be stated")
        if self.look_deg is not None and not has_dem:
            raise InputError("layover and shadow are told from heights; give --dem, or leave --look-deg out")
