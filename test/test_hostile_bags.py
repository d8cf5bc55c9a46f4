"""Bags that somebody else has prepared: what has no end is not begun, and what unpacks without end is not unpacked."""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from backports import zstd
from flights import odometry, true_pose
from lz4 import frame as lz4
from refusals import told
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.enums import CompressionFormat, CompressionMode
from test_yamlfile import BEYOND

from promptmid_core.bags import limits
from promptmid_core.bags.bag import METADATA, FlightBag, open_bag
from promptmid_core.bags.telemetry import typestore
from promptmid_core.bags.writer import BagWriter

ODOMETRY = "nav_msgs/msg/Odometry"


def record(path: Path, plugin: StoragePlugin = StoragePlugin.MCAP, packed: CompressionMode | None = None) -> Path:
    writer = Writer(path, version=8, storage_plugin=plugin)
    if packed:
        writer.set_compression(packed, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/odometry", ODOMETRY, typestore=typestore())
        for stamp in range(3):
            writer.write(connection, stamp, typestore().serialize_cdr(odometry(stamp, true_pose(stamp)), ODOMETRY))
    return path


def all_of(path: Path) -> list[Any]:
    bag: FlightBag = open_bag(path)
    return list(bag.messages("/odometry"))


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change what the metadata of a bag say of it."""
    values = yaml.safe_load((path / METADATA).read_text())
    change(values["rosbag2_bagfile_information"])
    (path / METADATA).write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize("packed", [None, CompressionMode.FILE, CompressionMode.MESSAGE])
@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_sound_bags_are_read_packed_or_not(tmp_path: Path, plugin: StoragePlugin, packed: CompressionMode | None) -> None:
    assert len(all_of(record(tmp_path / "bag", plugin, packed))) == 3


@pytest.mark.parametrize("text", [text for text, _ in BEYOND.values()], ids=BEYOND)
def test_metadata_beyond_all_limits_are_told_before_they_are_read(tmp_path: Path, text: str) -> None:
    path = record(tmp_path / "bag")
    (path / METADATA).write_text((path / METADATA).read_text() + f"\nmore:\n  {text}" if "\n" not in text else text)
    sentence = told(open_bag, path)
    assert sentence.startswith(str(path)) and len(sentence) < 1000


def test_aliases_of_metadata_stand_for_what_they_are(tmp_path: Path) -> None:
    path = changed(record(tmp_path / "bag"), lambda values: values.update(custom_data=None))
    (path / METADATA).write_text((path / METADATA).read_text().replace("custom_data: null", (
        "custom_data: {a: &a [x, x, x, x, x, x, x, x, x, x], b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a], c: &c [*b, *b, *b, "
        "*b, *b, *b, *b, *b, *b, *b], d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c], e: [*d, *d, *d, *d, *d, *d, *d, *d, *d]}")))
    assert "elements" in told(open_bag, path)


def test_qualities_that_are_nested_without_end_are_told(tmp_path: Path) -> None:
    path = record(tmp_path / "bag")

    def deep(values: dict[str, Any]) -> None:
        values["topics_with_message_count"][0]["topic_metadata"]["offered_qos_profiles"] = "[" * 20_000

    assert "nested more than" in told(open_bag, changed(path, deep))
    path = record(tmp_path / "database", StoragePlugin.SQLITE3)
    with closing(sqlite3.connect(path / "database.db3")) as database:
        database.execute("UPDATE topics SET offered_qos_profiles = ?", ("[" * 20_000,))
        database.commit()
    assert "nested more than" in told(open_bag, path)


@pytest.mark.parametrize("name", ["metadata.yaml", "bag.mcap"])
@pytest.mark.parametrize("what", ["pipe", "device", "folder"])
def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path, name: str, what: str) -> None:
    path = record(tmp_path / "bag")
    (path / name).unlink()
    if what == "pipe":
        os.mkfifo(path / name)
    elif what == "folder":
        (path / name).mkdir()
    else:
        (path / name).symlink_to("/dev/zero")
    assert str(path) in told(open_bag, path)


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "../../secret", "bag.db3?vfs=unix", "%2e%2e%2fsecret.db3", 7, None, ["x"]])
def test_metadata_name_storage_files_alone(tmp_path: Path, name: Any) -> None:
    path = changed(record(tmp_path / "bag"), lambda values: values.update(relative_file_paths=[name]))
    os.mkfifo(path / "pipe")
    assert "which is no file of a recording (.mcap, .db3, .zstd)" in told(open_bag, path)


def test_databases_hold_what_they_tell(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    for number, statement in enumerate((
            f"CREATE VIEW schema AS SELECT i AS schema_version FROM ({endless} LIMIT 1e12) ORDER BY i DESC",
            "ALTER TABLE messages ADD COLUMN more BLOB GENERATED ALWAYS AS (zeroblob(1000000000)) VIRTUAL",
            "CREATE TRIGGER t AFTER INSERT ON topics BEGIN DELETE FROM messages; END")):
        path = record(tmp_path / f"bag{number}", StoragePlugin.SQLITE3)
        with closing(sqlite3.connect(path / f"bag{number}.db3")) as database:
            if "VIEW" in statement:
                database.execute("DROP TABLE schema")
            database.execute(statement)
        assert "computes what it holds; copy the bag again" in told(open_bag, path)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """A limit that tests come to."""
    monkeypatch.setattr(limits, "LEAST", 2**20)
    return 2**20


BOMB = 64 * 2**20


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_packed_file_that_unpacks_without_end_is_not_unpacked(tmp_path: Path, small: int, plugin: StoragePlugin,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    path = record(tmp_path / "bag", plugin, CompressionMode.FILE)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "room"))
    (tmp_path / "room").mkdir()
    file = next(path.glob("*.zstd"))
    file.write_bytes(zstd.compress(bytes(BOMB)))
    assert "unpacks to many times more than a recording does" in told(open_bag, path)
    assert not list((tmp_path / "room").iterdir())


def test_a_packed_message_that_unpacks_without_end_is_not_unpacked(tmp_path: Path, small: int) -> None:
    path = record(tmp_path / "bag", StoragePlugin.SQLITE3, CompressionMode.MESSAGE)
    with closing(sqlite3.connect(path / "bag.db3")) as database:
        database.execute("UPDATE messages SET data = ?", (zstd.compress(bytes(BOMB)),))
        database.commit()
    assert f"unpacks to more than {small}" in told(all_of, path)


@pytest.mark.parametrize(("name", "pack"), [("zstd", zstd.compress), ("lz4", lz4.compress)])
def test_what_is_packed_is_unpacked_to_its_end_and_no_further(small: int, name: str, pack: Callable[[bytes], bytes]) -> None:
    from rosbags.rosbag2 import storage_mcap

    limits.limited_reader()
    unpack = storage_mcap.DECOMPRESSORS[name]
    sound = os.urandom(1000)
    assert unpack(pack(sound), 0) == sound and unpack(pack(sound) + pack(b"more"), 0) == sound + b"more"
    with pytest.raises(ValueError, match="unpacks to more than"):
        unpack(pack(bytes(BOMB)), BOMB)
    with pytest.raises(ValueError, match="cut short"):
        unpack(pack(sound)[:-20], 1000)


def test_a_record_of_any_length_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bag"
    with BagWriter(path) as writer:
        writer.write("/odometry", odometry(1, true_pose(1)), 1)
    content = bytearray((path / "bag.mcap").read_bytes())
    for length in (2**63 - 1, 2**40):
        content[9:17] = struct.pack("<Q", length)
        (path / "bag.mcap").write_bytes(content)
        assert str(path) in told(open_bag, path)
