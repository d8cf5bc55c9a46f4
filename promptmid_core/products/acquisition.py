"""How a SAR raster was imaged, as its metadata tell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from promptmid_core.errors import InputError

TIME = "%Y-%m-%dT%H:%M:%SZ"


def is_time(text: str) -> bool:
    """Return whether a text is a time as an acquisition has it."""
    try:
        return datetime.strptime(text, TIME).strftime(TIME) == text
    except ValueError:
        return False


def in_utc(text: str) -> str:
    """Return a date or time of ISO 8601, of UTC where it names no zone, as an acquisition has it. Raises ValueError where it is
    none."""
    try:
        read = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        told = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error
    return told.strftime(TIME)


@dataclass(frozen=True)
class Acquisition:
    """What metadata say; None, or nothing, where they do not. `file` is the name of the one that says it.

    `acquired` is the start, UTC, as 2023-05-01T12:00:00Z; `incidence_deg` that in the middle of the scene, from the vertical;
    `look_deg` where the radar looks, clockwise from north; `looks` of range times azimuth; `terrain_corrected` yes or no.
    """

    file: str
    acquired: str | None = None
    incidence_deg: float | None = None
    look_deg: float | None = None
    looks: float | None = None
    polarisations: tuple[str, ...] = ()
    terrain_corrected: str | None = None


class MetadataFields:
    """Values of a metadata `file`, each checked as it is taken; None where one is not there."""

    def __init__(self, file: str, values: Any) -> None:
        self.file, self.values = file, values if isinstance(values, dict) else {}

    def part(self, *names: str) -> MetadataFields:
        """Return what lies below these names."""
        values: Any = self.values
        for name in names:
            values = values.get(name) if isinstance(values, dict) else None
            values = values[0] if isinstance(values, list) and values else values
        return MetadataFields(self.file, values)

    def number(self, name: str, least: float, most: float) -> float | None:
        """Return a number. Raises InputError where it does not lie between the two."""
        value = self.values.get(name)
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not isfinite(number) or not least <= number <= most:
            raise InputError(f"{self.file} gives {name} as {str(value)[:40]!r}, where a number from {least:g} to {most:g} belongs"
                             "; get a whole copy, or take the file away and give options in its place")
        return number

    def time(self, *names: str) -> str | None:
        """Return the first of these times that is there, in UTC to the second. Raises InputError where it is none."""
        value = next((self.values[name] for name in names if self.values.get(name)), None)
        if value is None:
            return None
        try:
            return in_utc(str(value))
        except ValueError as error:
            raise InputError(f"{self.file} gives {names[0]} as {str(value)[:40]!r}, which is no time; get a whole copy, or take "
                             "the file away") from error

    def text(self, name: str) -> str:
        """Return a text, empty where there is none."""
        value = self.values.get(name)
        return value.strip()[:80] if isinstance(value, str) else ""

    def words(self, name: str) -> tuple[str, ...]:
        """Return a list of short texts, or one, in capitals."""
        value = self.values.get(name)
        found = value if isinstance(value, list) else [value]
        return tuple(word.strip().upper()[:8] for word in found if isinstance(word, str) and word.strip().isalpha())


def product(*factors: float | None) -> float | None:
    """Return the product of numbers of looks, None where one is not known."""
    known = [factor for factor in factors if factor is not None]
    return known[0] * known[1] if len(known) == 2 else None
