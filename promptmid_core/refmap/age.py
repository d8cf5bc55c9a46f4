"""How old a map is on the day of a flight, how far it is in season, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from math import cos, hypot, pi, sqrt
from typing import Any

from promptmid_core.products.acquisition import TIME
from promptmid_core.refmap.info import land_uses
from promptmid_core.refmap.map import ReferenceMap

YEAR_DAYS = 365.25
# as `python -m benchmarks.age` measures them, in pixels of 10 m
CHANGED_PX2 = 0.065  # variance an axis that a map of another day adds: fitted, to maps weeks away with a flood between
CHANGED_DAYS = 30  # what those weeks are taken for; years add no more
SEASON_PX2 = 0.41  # the same of half a year in season: seen over one place, and no part of a covariance
MEASURED_DAYS = 2104
FAR_DAYS = 91  # in season, from which on there is a warning
GROWING = ("cropland", "grassland", "shrubland", "forest", "wetland", "snow and ice")
BUILT = "built-up area"
LITTLE = 0.2  # of a map's ground
EPOCH, CLOCK_SET = date(1970, 1, 1), date(2000, 1, 1)
DAY_NS = 86_400 * 10**9
UNKNOWN_AGE = ("the age of the map is unknown, as nothing told when its SAR image was taken; tell it with 'promptmid map set MAP "
               "--acquired DAY'")


@dataclass(frozen=True)
class Age:
    """How far a flight on the day `flown` is from the days `first` to `last` on which a map was taken: `days`, at most, and
    `season_days` of them within the year, 0 to 183."""

    first: date
    last: date
    flown: date
    days: int
    season_days: int

    @property
    def changed_px2(self) -> float:
        """The variance an axis that a fix has more than over a map of its own day."""
        return CHANGED_PX2 * min(self.days / CHANGED_DAYS, 1.0)

    @property
    def season_px2(self) -> float:
        """By how much fixes scatter more, an axis, for the season: as over one place, and in no covariance."""
        return SEASON_PX2 * season(self.season_days)

    @property
    def taken(self) -> str:
        """The days on which the map was taken, in words."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"

    def to_dict(self) -> dict[str, Any]:
        """Return the age as JSON values."""
        return {"taken": self.taken, "flown": str(self.flown), "days": self.days, "season_days": self.season_days,
                "changed_sigma_px": round(sqrt(self.changed_px2), 3), "season_sigma_px": round(sqrt(self.season_px2), 3)}

    def warnings(self, shares: dict[str, float], stated_px: float) -> list[str]:
        """Return a sentence for each way in which the map is further away than what is measured or stated answers for, by the
        `shares` of its land uses, empty where they are not known, and what is `stated_px` of its own place."""
        return [*self._of_season(shares, stated_px), *self._of_years(shares)]

    def _of_season(self, shares: dict[str, float], stated_px: float) -> list[str]:
        growing = {name: share for name, share in shares.items() if name in GROWING}
        if self.season_days < FAR_DAYS or stated_px ** 2 >= self.season_px2 or (shares and sum(growing.values()) < LITTLE):
            return []
        of_map = (f"{sum(growing.values()):.0%} of it ({', '.join(growing)}) look otherwise" if growing else
                  "what of it looks otherwise is unknown, as it has no land cover")
        return [f"the map was taken on {self.taken}, {self.season_days} days of the year away from the flight on {self.flown}: "
                f"{of_map}; over the one place where that was measured matches scatter {sqrt(self.season_px2):.1f} px an axis "
                "more, which no covariance has. Build it of a SAR image of the season, or set registration_sigma_px to "
                f"{hypot(stated_px, sqrt(self.season_px2)):.1f}"]

    def _of_years(self, shares: dict[str, float]) -> list[str]:
        if self.days <= MEASURED_DAYS:
            return []
        built = f", as on the {shares[BUILT]:.0%} of it that are built up" if shares.get(BUILT, 0.0) >= LITTLE else ""
        return [f"the map was taken on {self.taken}, {self.days / YEAR_DAYS:.1f} years away from the flight on {self.flown}: it "
                f"lacks what has changed since{built}, and what more than {MEASURED_DAYS / YEAR_DAYS:.1f} years cost was never "
                "measured. Build it of a newer SAR image"]


@lru_cache(maxsize=64)
def age_of(times: tuple[str, ...], flown: date) -> Age | None:
    """Return the age on the day `flown` of a map whose scenes were taken at `times`, as its header has them; None where nothing
    tells when."""
    taken = [datetime.strptime(time, TIME).date() for time in times]
    if not taken:
        return None
    days = [abs((flown - day).days) for day in taken]
    return Age(min(taken), max(taken), flown, max(days), max(map(_within_the_year, days)))


def aged(reference: ReferenceMap, flown: date, stated_px: float) -> tuple[Age | None, list[str]]:
    """Return how old a map is on a day, None where that is unknown, and a sentence for each way in which that is worth a warning,
    where the parameters state `stated_px` of its own place. Raises InputError where its manifest is damaged."""
    age = age_of(reference.header.acquired, flown)
    if age is None:
        return None, []
    return age, age.warnings(land_uses(reference.path), max(stated_px, reference.registration_sigma_m / reference.at(0).gsd))


def changed_px(times: tuple[str, ...], stamp_ns: int) -> float:
    """Return by how much the ground of a map taken at `times` looks elsewhere at a stamp for what has changed, one standard
    deviation an axis in pixels of the map; 0 where nothing tells how long that was."""
    day = day_of(stamp_ns)
    age = age_of(times, day) if day and times else None
    return sqrt(age.changed_px2) if age else 0.0


def day_of(stamp_ns: int) -> date | None:
    """Return the day, UTC, of a time since 1970; None where the clock that told it was never set."""
    day = EPOCH + timedelta(days=stamp_ns // DAY_NS)
    return day if day >= CLOCK_SET else None


def season(days: float) -> float:
    """Return how far two days so many apart are in season: 0 on the same day of the year, 1 half a year apart."""
    return (1 - cos(2 * pi * days / YEAR_DAYS)) / 2


def _within_the_year(days: int) -> int:
    """How far two days so many apart are within the year, 0 to 183."""
    rest = days % YEAR_DAYS
    return round(min(rest, YEAR_DAYS - rest))
