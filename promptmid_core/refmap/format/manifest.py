"""The manifest: what a finished map holds, file by file, and what was noted while it was being built."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from promptmid_core.documents import parsed_json
from promptmid_core.errors import InputError
from promptmid_core.files import open_regular, sha256
from promptmid_core.folders import is_partial, open_in_place
from promptmid_core.prompts.table import MOST_CODES, is_code
from promptmid_core.refmap.format.fields import Fields
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.format.offset import OFFSET_FILE, files_of_offset, is_leftover
from promptmid_core.refmap.format.sealed import SEAL, read_object, unsealed, write_sealed
from promptmid_core.refmap.tile import Tile

MANIFEST_FILE = "manifest.json"
JOURNAL_FILE = "building.jsonl"
REGIONS_FILE, REGIONS_FOLDER = "regions.json", "regions"
MOST_LINE = 2**20  # bytes of a line of the journal
CURE = "copy or build the map again"
MOST_BYTES = 256 * 2**20  # of manifest and journal: some two million files


@dataclass(frozen=True)
class TileRecord:
    """A finished tile: the SHA-256 of its files by path, and counts of what it holds (`landuse` by class code).

    `scenes` are the pixels that each scene of a mosaic gave, by its index.
    """

    tile: Tile
    files: dict[str, str]
    valid: int
    described: int
    heights: int
    landuse: dict[str, int] = field(default_factory=dict)
    scenes: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def from_dict(fields: Fields) -> TileRecord:
        """Return the record that a line of the journal holds. Raises InputError where it holds none."""
        tile = fields.part("tile")
        record = TileRecord(Tile(*(tile.whole(name) for name in ("col", "row", "width", "height", "level"))),
                            _files(fields.part("files")), fields.whole("valid"), fields.whole("described"),
                            fields.whole("heights"), _counts(_of_codes(fields.part("landuse"))), _counts(fields.part("scenes")))
        fields.done()
        return record

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return asdict(self)


class Journal:
    """The tiles that an unfinished map already has: a line of JSON each, appended as they are finished."""

    def __init__(self, path: Path) -> None:
        self.file = path / JOURNAL_FILE

    def append(self, record: TileRecord) -> None:
        descriptor = open_in_place(self.file, os.O_WRONLY | os.O_APPEND)
        with os.fdopen(descriptor, "w") as lines:
            lines.write(json.dumps(record.to_dict(), sort_keys=True) + "\n")

    def finished(self) -> dict[Tile, TileRecord]:
        """Return the tiles whose files are still as they were written. Raises InputError where the journal cannot be read."""
        records: dict[Tile, TileRecord] = {}
        for line in self._lines():
            try:
                record = TileRecord.from_dict(Fields(parsed_json(line), self.file, CURE))
            except (ValueError, InputError):
                continue  # the line that a kill cut short
            if all(sha256(self.file.parent / name) == known for name, known in record.files.items()):
                records[record.tile] = record
        return records

    def _lines(self) -> Iterator[bytes]:
        if self.file.exists():
            with open_regular(self.file, "remove it") as lines:
                yield from iter(lambda: lines.readline(MOST_LINE), b"")


@dataclass(frozen=True)
class Content:
    """What a map holds: its `header` once more, as JSON values; shares from 0 to 1 of its pixels, cells and height cells.

    `dem_fraction` is None without a DEM; `landuse` is the share of each class code among the pixels whose class is known,
    `scenes` that of each raster of a mosaic among the valid pixels, empty where there is one raster only.
    """

    header: dict[str, Any]
    valid_fraction: float
    described_fraction: float
    dem_fraction: float | None
    landuse: dict[str, float]
    bytes: int
    scenes: dict[str, float] = field(default_factory=dict)

    @staticmethod
    def from_dict(fields: Fields) -> Content:
        """Return what a manifest's JSON values tell. Raises InputError where that cannot be."""
        content = Content(
            fields.part("header").values, fields.share("valid_fraction"), fields.share("described_fraction"),
            None if fields.empty("dem_fraction") else fields.share("dem_fraction"), _shares(_of_codes(fields.part("landuse"))),
            fields.whole("bytes", most=2**63), _shares(fields.part("scenes")) if fields.holds("scenes") else {})
        fields.done()
        return content

    def to_dict(self) -> dict[str, Any]:
        """Return the content as JSON values."""
        values = asdict(self)
        if not self.scenes:
            del values["scenes"]
        return values


@dataclass(frozen=True)
class Built:
    """How a map came to be: when, in how many seconds, on which host, with which versions, from which files by name."""

    time: str
    seconds: float
    host: str
    versions: dict[str, str]
    inputs: dict[str, str]

    @staticmethod
    def from_dict(fields: Fields) -> Built:
        """Return what a manifest's JSON values tell. Raises InputError where that cannot be."""
        built = Built(fields.text("time"), fields.number("seconds"), fields.text("host"), _texts(fields.part("versions")),
                      _texts(fields.part("inputs")))
        fields.done()
        return built


@dataclass(frozen=True)
class Manifest:
    """What makes a map a finished one: the SHA-256 of its files by path, what it holds, and how it came to be.

    Only `built` may differ between maps of equal inputs.
    """

    files: dict[str, str]
    content: Content
    built: Built

    @staticmethod
    def read(path: Path) -> Manifest:
        """Return the manifest of a map folder. Raises InputError where the map is unfinished or the manifest is damaged."""
        require_finished(path)
        file = path / MANIFEST_FILE
        fields = unsealed(read_object(file, CURE, MOST_BYTES), file, CURE)
        manifest = Manifest(_files(fields.part("files")), Content.from_dict(fields.part("content")),
                            Built.from_dict(fields.part("built")))
        fields.done()
        return manifest

    def write(self, path: Path) -> None:
        """Declare a map finished, in one step. Raises OSError where the file cannot be written."""
        values = {"files": dict(sorted(self.files.items())), "content": self.content.to_dict(), "built": asdict(self.built)}
        write_sealed(path / MANIFEST_FILE, values)


def _texts(fields: Fields) -> dict[str, str]:
    return {name: fields.text(name) for name in fields.names}


def _files(fields: Fields) -> dict[str, str]:
    """The SHA-256 of files by their paths, none of which leads out of the map."""
    for name in fields.names:
        path = PurePosixPath(name)
        if path.as_posix() != name or path.is_absolute() or not path.parts or ".." in path.parts or "\0" in name:
            fields.refuse(name, "the SHA-256 of a file within the map, named by its path there")
    return {name: fields.sha256(name) for name in fields.names}


def _of_codes(fields: Fields) -> Fields:
    for code in fields.names:
        if not is_code(code):
            fields.refuse(code, f"that of a class from 0 to {MOST_CODES - 1}")
    return fields


def _counts(fields: Fields) -> dict[str, int]:
    return {name: fields.whole(name) for name in fields.names}


def _shares(fields: Fields) -> dict[str, float]:
    return {name: fields.share(name) for name in fields.names}


def require_finished(path: Path) -> None:
    """Raise InputError where a map has no manifest, without reading it."""
    if not (path / MANIFEST_FILE).is_file():
        raise InputError(f"{path} is an unfinished map (no {MANIFEST_FILE}); run its 'promptmid map build' again to finish it")


def damaged_files(path: Path) -> list[str]:
    """Return the files of a map that are damaged, missing, or not of the map, as paths relative to it, its regions left aside.

    Raises InputError where the folder is no finished map.
    """
    if not path.is_dir():
        raise InputError(f"{path} is not a map folder; build one with: promptmid map build SAR.tif {path}")
    if not (path / MANIFEST_FILE).is_file():
        Header.read(path)
    require_finished(path)
    try:
        manifest = Manifest.read(path)
    except InputError:
        return [MANIFEST_FILE]
    of_offset, sound = files_of_offset(path, str(manifest.content.header.get(SEAL)))
    files, own = manifest.files | of_offset, {MANIFEST_FILE, REGIONS_FILE, OFFSET_FILE}
    found = {file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir()} - own - set(files)
    found = {name for name in found if not (name.startswith(f"{REGIONS_FOLDER}/") or is_partial(name) or is_leftover(name))}
    broken = {name for name, known in files.items() if sha256(path / name) != known}
    return sorted(broken | found | (set() if sound else {OFFSET_FILE}))
