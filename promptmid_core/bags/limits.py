"""The reader of bags, rosbags, within limits: of what it unpacks, of the YAML that it reads, of the databases that it asks."""

from __future__ import annotations

import bz2
import re
import sqlite3
from contextlib import closing
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from promptmid_core.bags.definitions import types_of
from promptmid_core.bags.mcapindex import complete
from promptmid_core.errors import InputError
from promptmid_core.yamlfile import check_yaml

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

LEAST, TIMES = 256 * 2**20, 100  # bytes that anything packed may unpack to, and beyond that as often as many bytes as it has
MOST_TABLES = 1000
COMPUTED = re.compile(r"^\s*CREATE\s+VIRTUAL|\bAS\s*\(", re.IGNORECASE)


@cache
def limited_reader() -> type[AnyReader]:
    """Return rosbags' reader, which from here on raises ValueError where a bag goes beyond the limits of this module."""
    from rosbags.highlevel import AnyReader

    metadata, reader, storage = (import_module(f"rosbags.rosbag2.{name}") for name in ("metadata", "reader", "storage_mcap"))
    ros1 = import_module("rosbags.rosbag1.reader")
    yaml, zstd, lz4 = metadata.YAML, reader.zstd, import_module("lz4.frame")

    class LimitedYaml(yaml):  # type: ignore[misc,valid-type]
        def load(self, stream: str) -> Any:
            check_yaml(stream)
            return super().load(stream)

    def unzstd_all(data: bytes, _: int = 0) -> bytes:
        return _unpacked(data, zstd.ZstdDecompressor)

    limited: dict[tuple[Any, str], Any] = {
        (metadata, "YAML"): LimitedYaml, (reader, "YAML"): LimitedYaml,
        (storage, "DECOMPRESSORS"): storage.DECOMPRESSORS | {
            "zstd": unzstd_all, "lz4": lambda data, _: _unpacked(data, lz4.LZ4FrameDecompressor)},
        (ros1, "decompressors"): ros1.decompressors | {
            "bz2": lambda data: _unpacked(data, bz2.BZ2Decompressor),
            "lz4": lambda data: _unpacked(data, lz4.LZ4FrameDecompressor)},
        (reader, "zstd"): SimpleNamespace(
            decompress=unzstd_all, open=lambda file, mode: LimitedFile(zstd.open(file, mode), file)),
    }
    for (module, name), value in limited.items():
        setattr(module, name, value)

    class LimitedReader(AnyReader):
        def _open(self) -> None:
            assert self.stack is not None
            for each in self.readers:
                self.stack.enter_context(each)
                _join(each)
            self.connections = [connection for each in self.readers for connection in each.connections]
            self.typestore = types_of(self.connections)

    return LimitedReader


def _join(reader: Any) -> None:
    """Let each file know all that it holds, and those of a folder have the topics of its metadata, also where the two tell their
    qualities of service otherwise."""
    folder = getattr(reader, "storage", None)
    for file in (folder, *getattr(folder, "storages", ())):
        complete(file)
    told = {(each.topic, each.msgtype): each.ext for each in getattr(folder, "connections", ())}
    for file in getattr(folder, "storages", ()):
        file.connections = [each._replace(ext=told.get((each.topic, each.msgtype), each.ext)) for each in file.connections]


def unzstd(packed: BinaryIO) -> LimitedFile:
    """Return what a packed file holds, to be read within the limit."""
    limited_reader()
    unpacked: LimitedFile = import_module("rosbags.rosbag2.reader").zstd.open(packed, "rb")
    return unpacked


def _unpacked(data: bytes, frame: Any) -> bytes:
    """All frames of packed bytes, of the kind that `frame()` unpacks one of."""
    most, whole = _most(len(data)), b""
    while data:
        unpacker = frame()
        whole += unpacker.decompress(data, max_length=most - len(whole) + 1)
        if len(whole) > most:
            raise ValueError(f"what is packed in {len(data)} bytes unpacks to more than {most}")
        if not unpacker.eof:
            raise ValueError("what is packed was cut short")
        data = unpacker.unused_data or b""
    return whole


class LimitedFile:
    """A packed file that is read unpacked, `packed` being the file itself; reading raises ValueError beyond the limit."""

    def __init__(self, file: Any, packed: Any) -> None:
        self._file, self._left = file, _most(packed.seek(0, 2))
        packed.seek(0)

    def read(self, size: int = -1) -> bytes:
        """Return some bytes more, none at the end."""
        content = bytes(self._file.read(size))
        self._left -= len(content)
        if self._left < 0:
            raise ValueError("what is packed there unpacks to many times more than a recording does")
        return content

    def __enter__(self) -> LimitedFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


def _most(packed: int) -> int:
    return max(LEAST, TIMES * packed)


def check_database(path: Path) -> None:
    """Raise InputError where a database computes what it tells, instead of holding it: asking such a one may never end.

    Of one that is damaged nothing is said here.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as database:
            found = database.execute("SELECT type, name, sql FROM sqlite_master").fetchmany(MOST_TABLES)
    except sqlite3.Error:
        return
    for kind, name, sql in found:
        if kind not in ("table", "index") or COMPUTED.search(str(sql or "")):
            raise InputError(f"{path} is no recording: its {kind} {name} computes what it holds; copy the bag again from where "
                             "it was recorded")
