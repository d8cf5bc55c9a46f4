"""The manifest: what a finished map holds, file by file, and what was noted while it was being built."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.files import digest, sha256, write_whole
from promptmid_core.refmap.format.header import Header, Tile

MANIFEST_FILE = "manifest.json"
JOURNAL_FILE = "building.jsonl"
REGIONS_FILE, REGIONS_FOLDER = "regions.json", "regions"
CURE = "mend that and give the same command again"


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


class Journal:
    """The tiles that an unfinished map already has: a line of JSON each, appended as they are finished."""

    def __init__(self, path: Path) -> None:
        self.file = path / JOURNAL_FILE

    def append(self, record: TileRecord) -> None:
        with self.file.open("a") as lines:
            lines.write(json.dumps(asdict(record), sort_keys=True) + "\n")

    def finished(self) -> dict[Tile, TileRecord]:
        """The tiles whose files are still as they were written."""
        records: dict[Tile, TileRecord] = {}
        for line in self.file.read_text().splitlines() if self.file.exists() else []:
            try:
                values = json.loads(line)
            except ValueError:
                continue  # the line that a kill cut short
            record = TileRecord(**values | {"tile": Tile(**values["tile"])})
            if all(sha256(self.file.parent / name) == known for name, known in record.files.items()):
                records[record.tile] = record
        return records


def write_manifest(path: Path, files: dict[str, str], content: dict[str, Any], built: dict[str, Any]) -> None:
    """Declare a map finished, in one step. Only `built` may differ between maps of equal inputs.

    Raises InputError where the manifest cannot be written.
    """
    values = {"files": dict(sorted(files.items())), "content": content, "built": built}
    write_whole(path / MANIFEST_FILE, json.dumps(values | {"sha256": digest(values)}, indent=1), cure=CURE)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a finished map; InputError where the map is unfinished, ValueError where the manifest is damaged."""
    require_finished(path)
    values = json.loads((path / MANIFEST_FILE).read_bytes())
    if not isinstance(values, dict) or values.pop("sha256", None) != digest(values):
        raise ValueError(f"the checksum of {path / MANIFEST_FILE} does not hold")
    return values


def require_finished(path: Path) -> None:
    """InputError where a map has no manifest, without reading it."""
    if not (path / MANIFEST_FILE).is_file():
        raise InputError(f"{path} is an unfinished map (no {MANIFEST_FILE}); run its 'promptmid map build' again to finish it")


def damaged_files(path: Path) -> list[str]:
    """Files of a map that are damaged, missing, or not of the map, as paths relative to it, its regions left aside.

    InputError where the folder is no finished map.
    """
    if not path.is_dir():
        raise InputError(f"{path} is not a map folder; build one with: promptmid map build SAR.tif {path}")
    if not (path / MANIFEST_FILE).is_file():
        Header.read(path)
    try:
        files = read_manifest(path)["files"]
    except ValueError:
        return [MANIFEST_FILE]
    found = {file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir()} - {MANIFEST_FILE, REGIONS_FILE}
    found = {name for name in found if not name.startswith(f"{REGIONS_FOLDER}/")}
    broken = {name for name, known in files.items() if sha256(path / name) != known}
    return sorted(broken | (found - set(files)))
