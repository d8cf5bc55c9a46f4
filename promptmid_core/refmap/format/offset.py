"""The offset of a map on disk: one Zarr v3 array of nodes, and beside it the file that names it and says where it comes from."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.errors import InputError
from promptmid_core.files import digest, read_regular, sha256
from promptmid_core.geometry import Grid
from promptmid_core.refmap.format import parts, shard
from promptmid_core.refmap.format.fields import Fields
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.format.lock import LOCK_FILE
from promptmid_core.refmap.format.sealed import SEAL, read_object, unsealed, write_sealed
from promptmid_core.zarrfiles import zarr_files

FORMAT, VERSION = "promptmid-offset", 1
OFFSET_FILE, OFFSET_FOLDER = "offset.json", "offset"
QUANTITIES = ("east", "north", "sigma", "looks")
METADATA = "zarr.json"
NAME = re.compile("[0-9a-f]{16}")
MOST_NODES = 2**22
MOST_FLIGHTS = 10_000
MOST_OVERHEAD = 4096
CURE = f"fit it again with 'promptmid map audit --write', or remove {OFFSET_FILE} to fly without it"


@dataclass(frozen=True)
class AuditedFlight:
    """A flight that an offset was fitted from: its `bag`, and how many of its frames were looked at."""

    bag: str
    frames: int


@dataclass(frozen=True)
class OffsetFacts:
    """Where an offset is known and what it comes from.

    `grid`: its nodes; `away_m`: the standard deviation per axis far from all that was flown over, in metres; `range_m`: over how
    far offsets are alike; `flights`: those it was fitted from, at `time`; `array`: the folder of its array, relative to the map,
    whose files have the SHA-256 `files`.
    """

    grid: Grid
    away_m: float
    range_m: float
    flights: tuple[AuditedFlight, ...]
    time: str
    array: str = ""
    files: tuple[tuple[str, str], ...] = ()

    def to_dict(self, seal: str) -> dict[str, Any]:
        """Return the facts as JSON values, of the map whose header has this checksum."""
        values = asdict(self) | {"flights": [asdict(flight) for flight in self.flights], "files": dict(self.files)}
        return {"format": FORMAT, "version": VERSION, "map": seal, **values}

    @staticmethod
    def read(path: Path, seal: str) -> OffsetFacts | None:
        """Return the facts of the offset of a map folder, None where it has none. Raises InputError where they cannot be, or are
        those of a map whose header has another checksum."""
        file = path / OFFSET_FILE
        if not os.path.lexists(file):
            return None
        fields = unsealed(read_object(file, CURE), file, CURE)
        fields.word("format", (FORMAT,))
        version = fields.whole("version", 1)
        if version > VERSION:
            raise InputError(f"{file} is of version {version}, newer than this program's {VERSION}; update promptmid")
        if fields.sha256("map") != seal:
            fields.refuse("map", "this map, but another; it belongs to that one")
        facts = OffsetFacts(
            parts.grid(fields.part("grid")), fields.positive("away_m", parts.MOST_SIGMA_M),
            fields.positive("range_m", parts.FURTHEST_M), tuple(map(_flight, fields.parts("flights", MOST_FLIGHTS))),
            fields.word("time"), fields.word("array"), _hashes(fields.part("files")))
        if facts.grid.width * facts.grid.height > MOST_NODES:
            fields.refuse("grid", f"one of {MOST_NODES} nodes at most")
        folder, _, name = facts.array.partition("/")
        if folder != OFFSET_FOLDER or not NAME.fullmatch(name) or [name for name, _ in facts.files] != _files(facts.array):
            fields.refuse("array", "the folder of an offset")
        fields.done()
        return facts


def seal_of(header: Header) -> str:
    """Return the checksum of a header, by which an offset names its map."""
    return str(header.to_dict()[SEAL])


def write(path: Path, header: Header, facts: OffsetFacts, values: Float32) -> None:
    """Write the offset of a map folder, in place of the one that it has: `values` (4, H, W) are the QUANTITIES of each node.

    The file that names the array is written last and in one step, so that until then the map has what it had. Raises OSError
    where it cannot be written.
    """
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    values = np.ascontiguousarray(values, "<f4")
    seal = seal_of(header)
    name = digest({"facts": facts.to_dict(seal), "values": hashlib.sha256(values.tobytes()).hexdigest()})[:16]
    with zarr_files(path / OFFSET_FOLDER / name, path, lasting=True) as store:
        array = zarr.create_array(
            store, shape=values.shape, dtype="float32", chunks=values.shape, filters=None, fill_value=0,
            compressors=[ZstdCodec(level=3), Crc32cCodec()], zarr_format=3, dimension_names=("quantity", "node_y", "node_x"),
            attributes={"quantity": list(QUANTITIES), "units": "m", "crs": header.frame.crs,
                        "transform": list(facts.grid.to_transform(header.frame.origin))})
        array[...] = values
    folder = f"{OFFSET_FOLDER}/{name}"
    files = tuple((file, sha256(path / file) or "") for file in _files(folder))
    write_sealed(path / OFFSET_FILE, replace(facts, array=folder, files=files).to_dict(seal))
    for entry in (path / OFFSET_FOLDER).iterdir():
        if entry.name != name and NAME.fullmatch(entry.name) and not entry.is_symlink():
            with suppress(OSError):
                shutil.rmtree(entry)


def reseal(path: Path, header: Header, facts: OffsetFacts) -> None:
    """Have the offset of a map folder name another header as that of its map, in one step. Raises OSError where it cannot be
    written."""
    write_sealed(path / OFFSET_FILE, facts.to_dict(seal_of(header)))


def read(path: Path, facts: OffsetFacts) -> Float32:
    """Return the values (4, H, W) of an offset. Raises InputError where they are damaged."""
    shape = (len(QUANTITIES), *facts.grid.shape)
    told = read_object(path / facts.array / METADATA, CURE)
    file = path / _chunk(facts.array)
    content = read_regular(file, 8 * int(np.prod(shape)) + MOST_OVERHEAD, CURE)
    try:
        if (told.get("shape"), told.get("data_type")) != (list(shape), "float32"):
            raise ValueError("the metadata tell another array")
        values = np.asarray(shard.unpacked(shard.sound(content, file), np.dtype("<f4"), shape), np.float32)
        if not np.isfinite(values).all() or not (values[2] > 0).all() or np.abs(values[:3]).max() > parts.MOST_SIGMA_M:
            raise ValueError("some are no offset and no sigma")
    except ValueError as error:
        raise InputError(f"{path / facts.array} is damaged ({error}); {CURE}") from error
    return values


def files_of_offset(path: Path, seal: str) -> tuple[dict[str, str], bool]:
    """Return the SHA-256 of the files of a map folder's offset by path, none where it has none, and whether the file that names
    them is sound."""
    try:
        facts = OffsetFacts.read(path, seal)
    except InputError:
        return {}, False
    return {} if facts is None else dict(facts.files), True


def is_leftover(name: str) -> bool:
    """Return whether a file of this path in a map may be what a writing of its offset left that was cut off."""
    folder, _, rest = name.partition("/")
    return folder == OFFSET_FOLDER and (rest == LOCK_FILE or bool(NAME.fullmatch(rest.partition("/")[0])))


def _files(array: str) -> list[str]:
    return [f"{array}/{METADATA}", _chunk(array)]


def _chunk(array: str) -> str:
    return f"{array}/c/0/0/0"


def _flight(fields: Fields) -> AuditedFlight:
    flight = AuditedFlight(fields.text("bag"), fields.whole("frames"))
    fields.done()
    return flight


def _hashes(fields: Fields) -> tuple[tuple[str, str], ...]:
    return tuple((name, fields.sha256(name)) for name in fields.names)
