"""Which pairs show one place at several dates, and the pairs across them: optical of one date, SAR of another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptmid_core.bench.pairs import Pair

ACROSS = "across-dates"
# optical and SAR day of an image of the one place that its source shows
DAYS = re.compile(r"(?P<optical>\d{8})_(?P<sar>\d{8})$")
# of the numbered places of a data set that shows each before and after an event
EVENT = re.compile(r"_(?:before|after)_(?P<number>\w+)$")


@dataclass(frozen=True)
class Dated:
    """`place`: the same for all pairs of one place; `optical`, `sar`: days of the images, where they are known."""

    place: str
    optical: date | None = None
    sar: date | None = None

    @property
    def days(self) -> int | None:
        """Days between the two images."""
        return None if self.optical is None or self.sar is None else abs((self.optical - self.sar).days)


def dated(source: str, name: str) -> Dated:
    """Return what the name of a pair says.

    `YYYYMMDD_YYYYMMDD` are the days of the optical and the SAR image of the one place that the source shows; `..._before_N` and
    `..._after_N` are one place, also in sources whose names begin with the same word; any other pair is a place of its own.
    """
    if found := DAYS.search(name):
        try:
            return Dated(source, *(date.fromisoformat(found[image]) for image in ("optical", "sar")))
        except ValueError:
            pass
    if found := EVENT.search(name):
        return Dated(f"{source.partition('-')[0]} {found['number']}")
    return Dated(f"{source} {name}")


def across_dates(pairs: Sequence[Pair], source: str | None = ACROSS) -> list[Pair]:
    """Return every optical image of a place beside every SAR image of another pair of that place whose truth is the same affine;
    all are of `source`, or where it is None, each of that of its optical image. Places seen once give none."""
    places: dict[str, list[Pair]] = {}
    for pair in pairs:
        places.setdefault(pair.dated.place, []).append(pair)
    return [_crossed(one, other, source or one.source) for seen in places.values() for one in seen for other in seen
            if one is not other and one.affine.tolist() == other.affine.tolist()]


def _crossed(one: Pair, other: Pair, source: str) -> Pair:
    return replace(one, source=source, id=f"{one.source} {one.id} {other.source} {other.id}", sar=other.sar,
                   dated=replace(one.dated, sar=other.dated.sar))
