"""A map packed to one file comes out as it was, or not at all."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from small_maps import BoxMean, contents, rasters, whole, write

from promptmid_core import cli
from promptmid_core.errors import InputError
from promptmid_core.folders import is_partial
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, append_region, build_map
from promptmid_core.refmap.packed import pack_map, unpack_map


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map with a region."""
    folder = tmp_path_factory.mktemp("packed")
    options, crew = BuildOptions(BoxMean(), levels=1), Crew(workers=1)
    build_map(Sources(**rasters(folder)), folder / "map", options, crew)
    pixels = np.random.default_rng(1).gamma(4, 25, (80, 80)).clip(1, 255).astype(np.uint8)
    append_region(folder / "map", Sources(write(folder / "east.tif", pixels, crs="EPSG:32633")), options, crew, "east")
    return folder / "map"


@pytest.fixture(scope="module")
def packed(built: Path) -> Path:
    pack_map(built, built.parent / "map.zip")
    return built.parent / "map.zip"


def names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def test_what_is_unpacked_is_what_was_packed(built: Path, packed: Path, tmp_path: Path,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["map", "unpack", str(packed), str(tmp_path / "map")]) == 0
    assert contents(tmp_path / "map") == contents(built)
    assert names(tmp_path) == ["map"]
    assert cli.main(["map", "pack", str(tmp_path / "map"), str(tmp_path / "again.zip")]) == 0
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()
    assert "as its manifest tells" in capsys.readouterr().out


def test_other_readers_of_zarr_open_it(built: Path, packed: Path) -> None:
    import zarr

    reference = ReferenceMap.open(built)
    with zarr.storage.ZipStore(packed, mode="r") as store:
        array = zarr.open_array(store, path="0/descriptors", mode="r")
        read = np.asarray(array[...], np.float32)
    np.testing.assert_array_equal(read[:, :200, :200], reference.descriptors(*whole(reference)).array[:, :200, :200])


def test_it_flies_from_a_folder_only(packed: Path) -> None:
    with pytest.raises(InputError, match="unpack it first: promptmid map unpack"):
        ReferenceMap.open(packed)


def test_damage_on_the_way_in_is_named_and_nothing_is_written(built: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(built, tmp_path / "map"))
    for name, hurt in (("0/sar/c/0/0", None), ("0/sar/c/0/1", b"x"), ("regions/east/zarr.json", b"{}")):
        kept = (copy / name).read_bytes()
        (copy / name).unlink() if hurt is None else (copy / name).write_bytes(hurt)
        with pytest.raises(InputError, match=name):
            pack_map(copy, tmp_path / "map.zip")
        assert names(tmp_path) == ["map"]
        (copy / name).write_bytes(kept)


def test_any_byte_that_changed_on_the_way_is_found(packed: Path, tmp_path: Path) -> None:
    whole_file, rng = packed.read_bytes(), np.random.default_rng(3)
    with zipfile.ZipFile(packed) as archive:
        # the bytes of members; what the zip's own records may say besides, as times, is none of the map's
        places = [(info.header_offset + 30 + len(info.filename), info.file_size) for info in archive.infolist() if info.file_size]
    for _ in range(12):
        begin, size = places[rng.integers(len(places))]
        hurt = bytearray(whole_file)
        hurt[begin + 20 + rng.integers(size)] ^= 1 << rng.integers(8)
        (tmp_path / "hurt.zip").write_bytes(hurt)
        with pytest.raises(InputError, match=r"hurt\.zip"):
            unpack_map(tmp_path / "hurt.zip", tmp_path / "map")
        assert names(tmp_path) == ["hurt.zip"]


def rewritten(packed: Path, file: Path, change: dict[str, bytes], **options: int) -> Path:
    """A copy of a packed map, sound as a zip file, with other content in some members."""
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(file, "w", **options) as target:
        held = {name: source.read(name) for name in source.namelist()}
        for name, content in (held | change).items():
            target.writestr(name, content)
    return file


@pytest.mark.parametrize(("change", "options", "told"), [
    ({"0/sar/c/0/0": b"other"}, {}, "0/sar/c/0/0 otherwise than"),
    ({"more": b"x"}, {}, "more otherwise than"),
    ({"regions/east/0/sar/c/0/0": b""}, {}, "regions/east/0/sar/c/0/0 otherwise than"),
    ({"../out": b"x"}, {}, "leads out of a map"),
    ({"/out": b"x"}, {}, "leads out of a map"),
    ({}, {"compression": zipfile.ZIP_DEFLATED}, "compressed or encrypted"),
])
def test_a_zip_that_is_not_this_map_is_refused(packed: Path, tmp_path: Path, change: dict[str, bytes], options: dict[str, int],
                                               told: str) -> None:
    file = rewritten(packed, tmp_path / "other.zip", change, **options)
    with pytest.raises(InputError, match=told):
        unpack_map(file, tmp_path / "map")
    assert names(tmp_path) == ["other.zip"]


def test_what_is_no_packed_map_is_refused(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "short.zip").write_bytes(packed.read_bytes()[:-500])
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    for name, told in (("short.zip", "cut short or damaged"), ("empty.zip", "no whole map at its top"),
                       ("none.zip", "cannot be read")):
        with pytest.raises(InputError, match=told):
            unpack_map(tmp_path / name, tmp_path / "map")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").touch()
    with pytest.raises(InputError, match="is there already"):
        unpack_map(packed, tmp_path / "there")
    assert names(tmp_path / "there") == ["mine"]


def test_targets_that_cannot_be_are_refused(built: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not end in"):
        pack_map(built, tmp_path / "map.tar")
    with pytest.raises(InputError, match="lies in the map"):
        pack_map(built, built / "map.zip")
    with pytest.raises(InputError, match="is not a map"):
        pack_map(tmp_path, tmp_path / "map.zip")


SLOWLY = """
import sys, time
from pathlib import Path
from promptmid_core.refmap import packed

def wait(done, total):
    if done == 5:
        print("half", flush=True)
        time.sleep(60)

getattr(packed, sys.argv[1])(Path(sys.argv[2]), Path(sys.argv[3]), wait)
"""


@pytest.mark.parametrize(("function", "target"), [("pack_map", "map.zip"), ("unpack_map", "map")])
def test_killed_halfway_nothing_has_the_name(built: Path, packed: Path, tmp_path: Path, function: str, target: str) -> None:
    source = built if function == "pack_map" else packed
    with subprocess.Popen([sys.executable, "-c", SLOWLY, function, source, tmp_path / target], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = names(tmp_path)
    assert target not in left and all(is_partial(name) for name in left)
