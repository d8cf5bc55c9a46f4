"""The lock file: which windows of which items a map was made from, and the hash of each, so that the same bytes come again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from promptmid_core.documents import read_json
from promptmid_core.errors import InputError
from promptmid_core.fetch.box import Box
from promptmid_core.fetch.offer import COVER, HEIGHTS, SAR, Offer
from promptmid_core.fetch.request import Request
from promptmid_core.fetch.window import Place
from promptmid_core.files import write_json
from promptmid_core.refmap.format.fields import Fields

FORMAT, VERSION = "promptmid-fetch", 1
CURE = "name another file, or remove it to choose anew"
MOST_WINDOWS = 10_000
MOST_PX = 2**31


@dataclass(frozen=True)
class LockedWindow:
    """A window of an asset: `name` is that of its file, `catalogue` the one that it was found in, `place` column, row, width and
    height there; `sha256` is that of its pixels and their place, empty where it was not read yet."""

    name: str
    kind: str
    catalogue: str
    collection: str
    item: str
    asset: str
    address: str
    when: str
    place: Place
    sha256: str = ""

    @staticmethod
    def of(offer: Offer, catalogue: str, place: Place, number: int) -> LockedWindow:
        """Return the window of what was offered, the `number`-th of its kind."""
        name = {SAR: "sar", HEIGHTS: "dem", COVER: "landcover"}[offer.kind]
        return LockedWindow(f"{name}_{number}", offer.kind, catalogue, offer.collection, offer.item, offer.asset, offer.address,
                     offer.when, place)

    @staticmethod
    def from_dict(fields: Fields) -> LockedWindow:
        """Return the window that JSON values tell. Raises InputError where they tell none."""
        kind = fields.word("kind", (SAR, HEIGHTS, COVER))
        name = fields.word("name")
        head, _, number = name.partition("_")
        if head not in ("sar", "dem", "landcover") or not number.isdecimal():
            fields.refuse("name", "the name of a window, as sar_1")
        col, row, width, height = map(int, fields.numbers("place", 4, MOST_PX))
        if min(col, row) < 0 or min(width, height) < 1:
            fields.refuse("place", "column, row, width and height of a window")
        catalogue, collection, item, asset, address, when = (
            fields.text(key) for key in ("catalogue", "collection", "item", "asset", "address", "when"))
        taken = LockedWindow(name, kind, catalogue, collection, item, asset, address, when, (col, row, width, height),
                      "" if fields.empty("sha256") else fields.sha256("sha256"))
        fields.done()
        return taken


@dataclass(frozen=True)
class Selection:
    """What was asked for and what is taken."""

    request: Request
    windows: tuple[LockedWindow, ...]

    @staticmethod
    def read(file: Path) -> Selection:
        """Return what a lock file holds. Raises InputError where it is none, damaged, or of a newer version."""
        fields = Fields(read_json(file, cure=CURE), file, CURE)
        fields.word("format", (FORMAT,))
        version = fields.whole("version", 1)
        if version > VERSION:
            raise InputError(f"{file} is of version {version}, newer than this program's {VERSION}; update promptmid")
        asked = fields.part("request")
        catalogue, date, collection, ground = (asked.text(key) for key in ("catalogue", "date", "collection", "ground"))
        west, south, east, north = asked.numbers("box", 4)
        request = Request(Box(west, south, east, north), asked.positive("gsd"), catalogue, date, collection, ground)
        windows = tuple(map(LockedWindow.from_dict, fields.parts("windows", MOST_WINDOWS)))
        asked.done()
        fields.done()
        if not any(window.kind == SAR for window in windows):
            fields.refuse("windows", "windows of SAR scenes and what belongs to them")
        return Selection(request, windows)

    def write(self, file: Path) -> None:
        """Write it, whole or not at all. Raises InputError where it cannot be written."""
        windows: list[dict[str, Any]] = [asdict(window) | {"sha256": window.sha256 or None} for window in self.windows]
        write_json(file, {"format": FORMAT, "version": VERSION, "request": self.request.to_dict(), "windows": windows})

    def hashed(self, hashes: Sequence[str]) -> Selection:
        """Return the selection with what its windows turned out to hold."""
        return replace(self, windows=tuple(replace(window, sha256=known)
                                           for window, known in zip(self.windows, hashes, strict=True)))
