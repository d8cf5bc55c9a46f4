"""Folders that somebody else has prepared: nothing is written, removed or waited for through what lies there."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from small_maps import BoxMean, contents, write
from test_regions import EAST, WEST, raster

from promptmid_core.bags.liverun import NotRun, write_run
from promptmid_core.bench.journal import BenchJournal
from promptmid_core.cli import main
from promptmid_core.errors import InputError
from promptmid_core.files import make_folder, replacing, write_json, write_whole
from promptmid_core.folders import clear_partials, is_partial, open_in_place, put, remove, scratch
from promptmid_core.refmap import ReferenceMap, verify_map
from promptmid_core.refmap.build import BuildOptions, Sources, append_region, build_map, repair_map
from promptmid_core.refmap.format.lock import LOCK_FILE, locked
from promptmid_core.refmap.format.manifest import JOURNAL_FILE, MANIFEST_FILE

TEXT = b"what nobody asked to have written\n"
SHARD, OTHER = "0/sar/c/0/0", "0/sar_valid/c/0/0"


class Victim:
    """A folder outside of what a command is about; `whole` tells whether it is as it was."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path / "file"
        for name in ("file", "c/0/0", "sar/c/0/0", "zarr.json", "folder/file"):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(TEXT)
        self._before = contents(path)

    @property
    def whole(self) -> bool:
        return contents(self.path) == self._before


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    victim = Victim(tmp_path / "victim")
    yield victim
    assert victim.whole


@pytest.fixture(scope="module")
def sar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return raster(tmp_path_factory.mktemp("hostile") / "sar.tif", "EPSG:32611", WEST, side=300)


@pytest.fixture(scope="module")
def sound(sar: Path) -> Path:
    build_map(Sources(sar), sar.parent / "map", BuildOptions(BoxMean()))
    return sar.parent / "map"


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "map"))


def linked(file: Path, to: Path) -> None:
    """Put a link where a file or folder is."""
    if file.is_dir():
        shutil.rmtree(file)
    file.unlink(missing_ok=True)
    file.symlink_to(to)


def hard(file: Path, to: Path) -> None:
    file.hardlink_to(to)


# what is planted in a map that has lost SHARD, and whether the command goes on all the same
PLANTED: dict[str, tuple[Callable[[Path, Victim], object], bool]] = {
    "a shard": (lambda path, victim: linked(path / SHARD, victim.file), True),
    "the old name of a partial": (lambda path, victim: linked(path / f"{SHARD}.partial", victim.file), True),
    "an array": (lambda path, victim: linked(path / "0/sar", victim.path), False),
    "a level": (lambda path, victim: linked(path / "0", victim.path), False),
    "the chunks": (lambda path, victim: linked(path / "0/sar/c", victim.path / "c"), False),
    "the lock": (lambda path, victim: linked(path / LOCK_FILE, victim.file), False),
    "a hard link as the lock": (lambda path, victim: hard(path / LOCK_FILE, victim.file), False),
    "a pipe as the lock": (lambda path, victim: os.mkfifo(path / LOCK_FILE), False),
    "metadata": (lambda path, victim: linked(path / "0/sar/zarr.json", victim.file), True),
    "a coordinate": (lambda path, victim: linked(path / "0/x/c", victim.path / "c"), False),
    "a partial": (lambda path, victim: linked(path / "0/x.partial", victim.path), True),
}


@pytest.mark.parametrize(("plant", "goes_on"), PLANTED.values(), ids=PLANTED)
def test_repair_writes_through_no_link_within_a_map(path: Path, sound: Path, sar: Path, victim: Victim,
                                                    plant: Callable[[Path, Victim], object], goes_on: bool) -> None:
    (path / SHARD).unlink()
    plant(path, victim)
    if goes_on:
        assert SHARD in repair_map(path, Sources(sar), BoxMean())
        assert contents(path) == contents(sound) and not any(file.is_symlink() for file in path.rglob("*"))
    else:
        with pytest.raises(InputError, match=str(path)) as refused:
            repair_map(path, Sources(sar), BoxMean())
        assert "link" in str(refused.value) or "no regular file" in str(refused.value)
        assert "\n" not in str(refused.value) and contents(path).keys() <= contents(sound).keys() | {LOCK_FILE}


IN_A_BUILD = PLANTED | {
    "the journal": (lambda path, victim: linked(path / JOURNAL_FILE, victim.file), False),
    "the manifest": (lambda path, victim: linked(path / MANIFEST_FILE, victim.path / "nothing"), True),
}


@pytest.mark.parametrize(("plant", "goes_on"), IN_A_BUILD.values(), ids=IN_A_BUILD)
def test_a_build_that_goes_on_writes_through_no_link_within_the_folder(path: Path, sound: Path, sar: Path, victim: Victim,
                                                                       plant: Callable[[Path, Victim], object],
                                                                       goes_on: bool) -> None:
    for name in (MANIFEST_FILE, SHARD):
        (path / name).unlink()
    plant(path, victim)
    if goes_on:
        build_map(Sources(sar), path, BuildOptions(BoxMean()))
        assert {name: content for name, content in contents(path).items() if name != MANIFEST_FILE} == {
            name: content for name, content in contents(sound).items() if name != MANIFEST_FILE}
        assert verify_map(path) == [] and not any(file.is_symlink() for file in path.rglob("*"))
    else:
        with pytest.raises(InputError, match=str(path)) as refused:
            build_map(Sources(sar), path, BuildOptions(BoxMean()))
        assert "\n" not in str(refused.value) and not (path / MANIFEST_FILE).exists()


@pytest.mark.parametrize(("name", "to"), [("regions", "."), ("regions/east", "."), ("regions/building.lock", "file"),
                                          ("regions/east/building.lock", "file"), ("regions/regions.json.partial", "file"),
                                          ("regions.json", "nothing")])
def test_append_writes_through_no_link_within_a_map(path: Path, tmp_path: Path, victim: Victim, name: str, to: str) -> None:
    east = raster(tmp_path / "east.tif", "EPSG:32612", EAST, side=100)
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    linked(path / name, victim.path / to)
    try:
        append_region(path, Sources(east), BuildOptions(BoxMean()))
    except InputError as refused:
        assert ("link" in str(refused) or name == "regions.json") and str(path) in str(refused) and "\n" not in str(refused)
        assert not (path / "regions.json").exists()
    else:
        assert name == "regions.json" or "partial" in name
        assert not (path / "regions.json").is_symlink() and verify_map(path) == []


def test_a_map_that_its_user_names_by_a_link_is_built_and_repaired(tmp_path: Path, sar: Path, sound: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "map").symlink_to("disk")
    build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()))
    assert (tmp_path / "map").is_symlink() and verify_map(tmp_path / "map") == []
    (tmp_path / "map" / SHARD).unlink()
    assert repair_map(tmp_path / "map", Sources(sar), BoxMean()) == [SHARD]
    assert (tmp_path / "disk" / SHARD).read_bytes() == (sound / SHARD).read_bytes()


def test_tiles_that_a_journal_only_claims_are_made(path: Path, sound: Path, sar: Path) -> None:
    for file in (MANIFEST_FILE, SHARD, OTHER):
        (path / file).unlink()
    claims = ('{"tile": {"col": 0, "row": 0, "width": 300, "height": 300, "level": 0}, "files": {}, "valid": 90000, '
              '"described": 1, "heights": 0, "landuse": {}, "scenes": {}}\n')
    (path / JOURNAL_FILE).write_text(claims + claims.replace('"col": 0', '"col": 99'))
    build_map(Sources(sar), path, BuildOptions(BoxMean()))
    assert (path / SHARD).read_bytes() == (sound / SHARD).read_bytes() and verify_map(path) == []


@pytest.mark.parametrize("what", ["folder", "pipe"])
def test_a_journal_that_is_no_file_is_told_and_not_waited_for(path: Path, sar: Path, what: str) -> None:
    (path / MANIFEST_FILE).unlink()
    (path / JOURNAL_FILE).mkdir() if what == "folder" else os.mkfifo(path / JOURNAL_FILE)
    with pytest.raises(InputError, match=rf"building\.jsonl is a {what} where a file is wanted; remove"):
        build_map(Sources(sar), path, BuildOptions(BoxMean()))


def test_what_killed_programs_left_in_a_map_is_no_damage_and_goes_with_the_next_repair(path: Path, sar: Path) -> None:
    for name in (".promptmid.1.partial", "0/sar/c/0/.promptmid.2.partial"):
        (path / name).write_bytes(TEXT)
    assert verify_map(path) == []
    (path / SHARD).unlink()
    repair_map(path, Sources(sar), BoxMean())
    assert not list((path / "0").rglob("*.partial")) and verify_map(path) == []


def written_into(folder: Path) -> dict[str, Callable[[], object]]:
    """What is written into a folder that a user names, by the file."""
    from promptmid_core.simulation.world.options import WorldOptions
    from promptmid_core.simulation.world.simulate import simulate_world

    return {
        "live.json": lambda: write_run(folder, NotRun("it rained")),
        "run.json": lambda: write_json(folder / "run.json", {}, folder),
        "sar.tif": lambda: simulate_world(folder, WorldOptions.of(seed=1, size_px=256)),
    }


@pytest.mark.parametrize("name", written_into(Path()))
def test_a_link_in_an_output_folder_is_replaced(tmp_path: Path, victim: Victim, name: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    linked(folder / name, victim.file)
    written_into(folder)[name]()
    assert not (folder / name).is_symlink() and (folder / name).stat().st_size


def test_names_that_could_be_foretold_are_not_written_to(tmp_path: Path, victim: Victim) -> None:
    for name in ("out.json.partial", ".out.json.partial"):
        linked(tmp_path / name, victim.file)
    write_whole(tmp_path / "out.json", "x")
    with replacing(tmp_path / "out.json") as partial:
        assert partial.parent.stat().st_mode & 0o77 == 0
        partial.write_text("y")
    names = set()
    for _ in range(3):
        with scratch(tmp_path / "out.json") as folder:
            names.add(folder.name)
    assert len(names) == 3 and all(map(is_partial, names))
    assert (tmp_path / "out.json").read_text() == "y"


def test_a_file_that_is_written_in_place_is_a_plain_one(tmp_path: Path, victim: Victim) -> None:
    linked(tmp_path / "link", victim.file)
    hard(tmp_path / "hard", victim.file)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").symlink_to(victim.path)
    for name in ("link", "hard", "pipe"):
        with pytest.raises(InputError, match=f"{name} is .*; remove it"):
            open_in_place(tmp_path / name, os.O_WRONLY | os.O_APPEND)
    for use in (lambda path: open_in_place(path, os.O_WRONLY, tmp_path), lambda path: put(path, b"", tmp_path),
                lambda path: remove(path, tmp_path), lambda path: make_folder(path, tmp_path)):
        with pytest.raises(InputError, match=r"folder is a link or no folder.*put the folder itself there"):
            use(tmp_path / "folder" / "folder" / "new")
    os.close(open_in_place(tmp_path / "new", os.O_WRONLY))
    remove(tmp_path / "link", tmp_path)
    remove(tmp_path / "gone", tmp_path)
    assert not (tmp_path / "link").is_symlink() and (tmp_path / "new").is_file()
    (tmp_path / "hard").unlink()


def test_what_is_cleared_lies_within(tmp_path: Path, victim: Victim) -> None:
    (victim.path / "x.partial").write_text("x")
    folder = tmp_path / "out"
    (folder / "below").mkdir(parents=True)
    linked(folder / "link", victim.path)
    linked(folder / "below" / "link.partial", victim.path)
    (folder / "below" / "folder.partial").mkdir()
    (folder / "below" / "folder.partial" / "file").write_text("x")
    clear_partials(folder)
    assert sorted(entry.name for entry in folder.rglob("*")) == ["below", "link"]
    (victim.path / "x.partial").unlink()


@pytest.mark.parametrize("plant", [linked, hard, lambda file, to: os.mkfifo(file)], ids=["link", "hard link", "pipe"])
def test_the_journal_of_a_bench_is_a_file_of_its_own(tmp_path: Path, victim: Victim, plant: Callable[[Path, Path], None]) -> None:
    file = tmp_path / "out.json.journal.csv"
    plant(file, victim.file)
    with pytest.raises(InputError, match=r"journal\.csv is .*; remove it"):
        BenchJournal(file, "run").write(1, "ncc", None, 0.5)


def test_a_bench_goes_on_in_its_journal(tmp_path: Path) -> None:
    file = tmp_path / "journal.csv"
    for number in (1, 2):
        journal = BenchJournal(file, "run")
        assert len(journal.read()) == number - 1
        journal.write(number, "ncc", None, 0.5)
        journal.close()
    assert [row[0] for row in csv.reader(file.open())] == ["# run", "trial", "1", "2"]


def test_a_demo_named_by_a_link_is_not_removed(tmp_path: Path, victim: Victim, capsys: pytest.CaptureFixture[str]) -> None:
    (victim.path / ".promptmid-demo").touch()
    linked(tmp_path / "demo", victim.path)
    assert main(["demo", "--out", str(tmp_path / "demo"), "--frames", "1"]) == 1
    assert "demo cannot be written" in capsys.readouterr().err
    (victim.path / ".promptmid-demo").unlink()


def test_a_build_within_a_folder_of_links_leaves_them(tmp_path: Path, victim: Victim) -> None:
    pixels = np.zeros((300, 300), np.uint8)
    pixels[:10, :10] = 9
    sparse = write(tmp_path / "sparse.tif", pixels, nodata=0, crs="EPSG:32611")
    linked(tmp_path / "map", victim.path)
    with pytest.raises(InputError, match="not a map"):
        build_map(Sources(sparse), tmp_path / "map", BuildOptions(BoxMean()))


def test_one_lock_after_another_is_taken(path: Path) -> None:
    for _ in range(2):
        with locked(path):
            assert (path / LOCK_FILE).is_file()
        assert not (path / LOCK_FILE).exists()
    ReferenceMap.open(path)
