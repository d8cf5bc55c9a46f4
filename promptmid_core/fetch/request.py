"""What is asked of a catalogue."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.fetch.box import Box

PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
NO_GROUND = "none"
DAY = r"\d{4}-\d\d-\d\d(T[0-9:.]+Z)?"
DATES = re.compile(rf"({DAY}|\.\.)/({DAY}|\.\.)")


@dataclass(frozen=True)
class Request:
    """A map's box, its GSD in metres, and where scenes come from.

    `catalogue` and `ground`, of heights and land cover, are URLs or files; `ground` is empty where the catalogue itself is asked
    first and the Planetary Computer where that has none, and NO_GROUND where none are wanted. `date` is A/B, empty for any;
    `collection` names that of the SAR scenes, empty for what the catalogue has.
    """

    box: Box
    gsd: float
    catalogue: str = PLANETARY_COMPUTER
    date: str = ""
    collection: str = ""
    ground: str = ""

    def __post_init__(self) -> None:
        """Raise InputError where the date is none."""
        if self.date and not DATES.fullmatch(self.date):
            raise InputError(f"--date {self.date} is no span of days; give it as 2024-05-01/2024-06-30, with .. for an open end")

    def holds_date(self, when: str) -> bool:
        """Return whether a date and time of ISO 8601 lies in the span; one that is not known does not."""
        if not self.date:
            return True
        begin, end = self.date.split("/")
        # a day is all of it
        return bool(when) and (begin == ".." or when >= begin) and (end == ".." or when[:len(end)] <= end)

    def to_dict(self) -> dict[str, Any]:
        """Return the request as JSON values."""
        return asdict(self) | {"box": list(self.box.sides)}
