"""The offset of a map by place: what is written is read, wrong files are told, and a map has its old one or its new one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import told
from small_maps import BoxMean, contents, write
from test_field_maps import changed, gone, set_to

from promptmid_core import cli
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid
from promptmid_core.refmap import ReferenceMap, map_info, verify_map
from promptmid_core.refmap.build import BuildOptions, Sources, build_map, repair_map, write_offset
from promptmid_core.refmap.format.lock import locked
from promptmid_core.refmap.format.offset import OFFSET_FILE, OFFSET_FOLDER, AuditedFlight, OffsetFacts, seal_of

FLIGHTS = (AuditedFlight("/flights/one", 40), AuditedFlight("/flights/two", 30))
NODES = Grid(-300.0, 200.0, 100.0, 5, 4)


def field(of: float = 1.0) -> np.ndarray:
    """East and north that grow by 1 and 2 m from node to node, a sigma of 2 m and 3 looks."""
    rows, cols = np.mgrid[0:4, 0:5].astype(np.float32)
    return np.stack([of + cols, of + 2 * rows, np.full_like(rows, 2.0), np.full_like(rows, 3.0)])


def given(path: Path, of: float = 1.0) -> None:
    write_offset(path, OffsetFacts(NODES, 4.0, 500.0, FLIGHTS, "2026-01-01T00:00:00+00:00"), field(of))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offset")
    pixels = np.random.default_rng(1).integers(1, 255, (96, 96)).astype(np.uint8)
    build_map(Sources(write(folder / "sar.tif", pixels)), folder / "map", BuildOptions(BoxMean()))
    return folder / "map"


@pytest.fixture
def path(plain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "map"))


def test_an_offset_is_read_as_it_was_written_and_nothing_else_of_the_map_changes(path: Path) -> None:
    before = contents(path)
    given(path)
    assert before.items() <= contents(path).items()
    reference = ReferenceMap.open(path)
    points = np.array([[-300.0, 200.0], [-250.0, 150.0], [100.0, -100.0]])
    assert reference.on_map(points) - points == pytest.approx(np.array([[1, 1], [1.5, 2], [5, 7]]))
    places, sigma = reference.on_ground(reference.on_map(points))
    assert places == pytest.approx(points, abs=5e-3)
    assert sigma == pytest.approx(2.0)
    assert reference.at(0).on_map(points) == pytest.approx(reference.on_map(points))
    # beyond the nodes those of the rim
    assert reference.on_map(np.array([[-900.0, 900.0]])) == pytest.approx(np.array([[-899.0, 901.0]]))


def test_a_map_without_one_has_the_ground_where_it_is(plain: Path) -> None:
    reference, points = ReferenceMap.open(plain), np.array([[0.0, 0.0], [5.0, 7.0]])
    assert reference.on_map(points) is points
    places, sigma = reference.on_ground(points)
    assert places is points and np.isinf(sigma).all()
    assert map_info(plain)["offset"] is None


def test_a_map_can_be_read_without_its_offset(path: Path) -> None:
    given(path)
    points = np.zeros((1, 2))
    assert ReferenceMap.open(path, corrected=False).on_map(points) is points


def test_info_tells_flights_and_time_and_verify_finds_the_map_whole(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given(path)
    told = map_info(path)["offset"]
    assert [flight["bag"] for flight in told["flights"]] == ["/flights/one", "/flights/two"]
    assert (told["time"], told["node_m"], told["away_m"]) == ("2026-01-01T00:00:00+00:00", 100.0, 4.0)
    assert verify_map(path) == []
    assert cli.main(["map", "info", str(path)]) == 0
    assert "/flights/one" in capsys.readouterr().out


def test_any_zarr_reader_reads_it(path: Path) -> None:
    import zarr

    given(path)
    array = zarr.open_array(path / json.loads((path / OFFSET_FILE).read_bytes())["array"], mode="r")
    assert np.asarray(array[...]) == pytest.approx(field())
    assert array.attrs["quantity"] == ["east", "north", "sigma", "looks"]


def test_a_second_one_takes_the_place_of_the_first(path: Path) -> None:
    given(path)
    given(path, 10.0)
    assert len(list((path / OFFSET_FOLDER).iterdir())) == 1
    assert ReferenceMap.open(path).on_map(np.array([[-300.0, 200.0]])) == pytest.approx(np.array([[-290.0, 210.0]]))
    assert verify_map(path) == []


@pytest.mark.parametrize(("field_path", "change"), [
    ("format", set_to("other")), ("version", set_to(0)), ("map", set_to("no")), ("map", set_to("0" * 64)), ("grid", gone),
    ("grid.gsd", set_to(0)), ("grid.width", set_to(10**9)), ("away_m", set_to(-1)), ("range_m", set_to(float("nan"))),
    ("flights", set_to([])), ("flights.0.bag", gone), ("flights.0.frames", set_to(-1)), ("time", set_to(7)),
    ("array", set_to("../elsewhere")), ("array", set_to("offset/x")), ("files", set_to({})), ("more", set_to(1)),
])
def test_what_cannot_be_is_refused_by_file_field_and_cure(path: Path, field_path: str,
                                                          change: Callable[[Any, Any], None]) -> None:
    given(path)
    changed(path / OFFSET_FILE, "", field_path, change)
    for use in (ReferenceMap.open, map_info):
        said = told(use, path)
        assert said.startswith(str(path / OFFSET_FILE)) and "promptmid map audit --write" in said
    assert verify_map(path) == [OFFSET_FILE]


def test_one_of_a_newer_program_is_told_as_that(path: Path) -> None:
    given(path)
    changed(path / OFFSET_FILE, "", "version", set_to(2))
    assert "newer than this program's 1; update promptmid" in told(ReferenceMap.open, path)


def test_the_offset_of_another_map_is_refused(path: Path, tmp_path: Path) -> None:
    given(path)
    pixels = np.random.default_rng(2).integers(1, 255, (96, 96)).astype(np.uint8)
    build_map(Sources(write(tmp_path / "other.tif", pixels)), tmp_path / "other", BuildOptions(BoxMean()))
    shutil.copy(path / OFFSET_FILE, tmp_path / "other")
    shutil.copytree(path / OFFSET_FOLDER, tmp_path / "other" / OFFSET_FOLDER)
    assert "which is not this map, but another" in told(ReferenceMap.open, tmp_path / "other")


def test_a_damaged_array_is_refused_and_named(path: Path) -> None:
    given(path)
    chunk, = (path / OFFSET_FOLDER).glob("*/c/0/0/0")
    whole = chunk.read_bytes()
    for content in (whole[:-3], whole[:20] + bytes([whole[20] ^ 1]) + whole[21:], b"", b"x" * 10**6):
        chunk.write_bytes(content)
        assert "promptmid map audit --write" in told(ReferenceMap.open, path)
        assert verify_map(path) == [chunk.relative_to(path).as_posix()]
    chunk.unlink()
    assert "promptmid map audit --write" in told(ReferenceMap.open, path)
    (path / OFFSET_FILE).unlink()  # the cure that it tells of
    ReferenceMap.open(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("quantity", [0, 2])
def test_values_that_are_no_offset_are_refused(path: Path, quantity: int, bad: float) -> None:
    values = field()
    values[quantity, 1, 1] = bad
    write_offset(path, OffsetFacts(NODES, 4.0, 500.0, FLIGHTS, "now"), values)
    assert "are no offset and no sigma" in told(ReferenceMap.open, path)


def test_what_is_not_of_the_map_is_named(path: Path) -> None:
    given(path)
    (path / OFFSET_FOLDER / "notes.txt").write_text("mine")
    assert verify_map(path) == [f"{OFFSET_FOLDER}/notes.txt"]


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_offset import given
left, replace = int(sys.argv[3]), os.replace
def dying(*arguments, **options):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(*arguments, **options)
os.replace = dying
given(Path(sys.argv[1]), 10.0)
"""


@pytest.mark.parametrize("files", [1, 2, 3])
def test_a_kill_leaves_the_old_one_and_the_next_writing_goes_through(path: Path, files: int) -> None:
    """Of array, chunk and the file that names them, each killed just before it is there."""
    given(path)
    command = [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent), str(files)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert verify_map(path) == []
    assert ReferenceMap.open(path).on_map(np.array([[-300.0, 200.0]])) == pytest.approx(np.array([[-299.0, 201.0]]))
    given(path, 10.0)
    assert len([entry for entry in (path / OFFSET_FOLDER).iterdir() if entry.is_dir()]) == 1
    assert ReferenceMap.open(path).on_map(np.array([[-300.0, 200.0]])) == pytest.approx(np.array([[-290.0, 210.0]]))
    assert verify_map(path) == [] and not list((path / OFFSET_FOLDER).rglob("*.partial"))


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_full_disk_leaves_the_old_one(path: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given(path)
    left, fsync = after, os.fsync

    def full(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot be written.*No space left"):
        given(path, 10.0)
    monkeypatch.undo()
    assert verify_map(path) == []
    assert ReferenceMap.open(path).on_map(np.array([[-300.0, 200.0]])) == pytest.approx(np.array([[-299.0, 201.0]]))


def test_two_at_once_are_told_of_each_other(path: Path) -> None:
    given(path)
    with locked(path / OFFSET_FOLDER, path), pytest.raises(InputError, match="is being built by process"):
        given(path)


def test_an_unfinished_map_and_a_linked_folder_are_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (path / OFFSET_FOLDER).symlink_to(tmp_path / "elsewhere")
    assert "is a link or no folder" in told(given, path)
    assert not list((tmp_path / "elsewhere").iterdir())
    (path / OFFSET_FOLDER).unlink()
    (path / "manifest.json").unlink()
    assert "unfinished map" in told(given, path)


def test_a_repair_keeps_it(path: Path, plain: Path) -> None:
    given(path)
    before = contents(path)
    shard = next((path / "0" / "sar").rglob("c/*/*"))
    shard.write_bytes(b"damaged")
    assert repair_map(path, Sources(plain.parent / "sar.tif"), BoxMean()) == [shard.relative_to(path).as_posix()]
    assert contents(path) == before


def test_building_the_same_map_again_keeps_it(path: Path, plain: Path) -> None:
    given(path)
    build_map(Sources(plain.parent / "sar.tif"), path, BuildOptions(BoxMean()))
    assert map_info(path)["offset"] is not None


def test_facts_name_their_map(path: Path) -> None:
    given(path)
    facts = OffsetFacts.read(path, seal_of(ReferenceMap.open(path).header))
    assert facts is not None and facts.flights == FLIGHTS and facts.grid == NODES
