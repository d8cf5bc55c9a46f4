"""Nothing damaged, altered or of another format is taken for a map, and what is damaged costs no more than itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused
from small_maps import contents, whole

from promptmid_core.errors import InputError
from promptmid_core.files import digest
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap, map_info, verify_map
from promptmid_core.refmap.format.arrays import UNKNOWN_HEIGHT, plan, write_shard


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_verify_names_the_file_that_changed(built_map: Path, data: st.DataObject) -> None:
    files = sorted(name for name, content in contents(built_map).items() if content)
    name = data.draw(st.sampled_from(files))
    content = (built_map / name).read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    spoilt = bytearray(content)
    spoilt[at] ^= data.draw(st.integers(1, 255))
    try:
        (built_map / name).write_bytes(spoilt)
        # white space in the manifest is not part of what it says
        harmless = name == "manifest.json" and {content[at], spoilt[at]} <= set(b" \t\r\n")
        assert verify_map(built_map) == ([] if harmless else [name])
    finally:
        (built_map / name).write_bytes(content)


def test_verify_names_what_is_missing_or_extra(copied_map: Path) -> None:
    (copied_map / "0/sar/c/1/1").unlink()
    (copied_map / "0/dem/c/0/0").unlink()
    (copied_map / "0/notes.txt").write_text("mine")
    (copied_map / ".hidden").write_text("mine")
    assert verify_map(copied_map) == [".hidden", "0/dem/c/0/0", "0/notes.txt", "0/sar/c/1/1"]


def flip(content: bytes) -> bytes:
    spoilt = bytearray(content)
    spoilt[10] ^= 255
    return bytes(spoilt)


SPOILERS: dict[str, Any] = {
    "a flipped byte": flip,
    "a lost tail": lambda content: content[:len(content) // 2],
    "nothing left": lambda content: b"",
    "gone": None,
    "a wrong index": lambda content: content[:-20] + bytes(16) + content[-4:],
    "all ones": lambda content: b"\xff" * len(content),
}


@pytest.mark.parametrize("how", SPOILERS)
@pytest.mark.parametrize("name", ["descriptors/c/0/0/0", "descriptors_valid/c/0/0"])
def test_damaged_descriptors_are_masked_and_told(copied_map: Path, built_map: Path, name: str, how: str) -> None:
    spoil(copied_map / "0" / name, how)
    sound, hurt = ReferenceMap.open(built_map), ReferenceMap.open(copied_map)
    # one flipped byte costs its own chunk of 256 pixels, the rest of these its shard of 512
    reach = 256 if how == "a flipped byte" else 512
    assert not hurt.damaged(0, 0, 512, 512)
    expected, got = sound.descriptors(*whole(sound)), hurt.descriptors(*whole(hurt))
    lost = expected.valid & ~got.valid
    assert lost[60:120, 60:120].all()
    assert not lost[reach // 2:].any() and not lost[:, reach // 2:].any()
    assert not (got.valid & ~expected.valid).any()
    np.testing.assert_array_equal(got.array[:, got.valid], expected.array[:, got.valid])
    assert not got.array[:, ~got.valid].any()
    assert hurt.damaged(100, 100, 20, 20) and hurt.damaged(0, 0, 1, 1)
    assert not hurt.damaged(reach, reach, 20, 20)
    assert verify_map(copied_map) == [f"0/{name}"]


def spoil(file: Path, how: str) -> None:
    change = SPOILERS[how]
    content = file.read_bytes()
    file.unlink()
    if change:
        file.write_bytes(change(content))


@pytest.mark.parametrize("how", SPOILERS)
@pytest.mark.parametrize("name", ["sar", "sar_valid", "landuse"])
def test_damaged_pixels_are_masked(copied_map: Path, built_map: Path, name: str, how: str) -> None:
    spoil(copied_map / "0" / name / "c/0/0", how)
    hurt, sound = ReferenceMap.open(copied_map), ReferenceMap.open(built_map)
    window = (100, 100, 50, 50)
    got = hurt.landuse(*window) if name == "landuse" else hurt.image(*window)
    expected = sound.landuse(*window) if name == "landuse" else sound.image(*window)
    assert got and expected and expected.valid.all()
    assert not got.valid.any() and not got.image.any()
    assert hurt.damaged(*window)


@pytest.mark.parametrize("how", SPOILERS)
def test_damaged_heights_are_told_where_they_are_asked_for_and_only_there(copied_map: Path, built_map: Path, how: str) -> None:
    """What lies under the rest of the DEM is as it was, and no damage is met there."""
    for file in (copied_map / "0/dem/c").glob("*/1"):
        spoil(file, how)
    reference, sound = ReferenceMap.open(copied_map), ReferenceMap.open(built_map)
    grid, ground = reference.grid, reference.terrain()
    west, east = grid.cut(0, 0, 200, grid.height - 1), grid.cut(grid.width - 100, 0, 100, 100)
    np.testing.assert_array_equal(ground.on_grid(west), sound.terrain().on_grid(west))
    # one ray of several meets the ground, and where the others go nobody asks
    rays = np.array([[0.1, 0.05, -1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    point, hit = ground.intersect(np.array([*west.to_map(50, 50), 2000.0]), rays)
    assert hit.tolist() == [True, False, False]
    assert point[0, 2] == pytest.approx(sound.terrain().height(*point[:1, :2].T)[0], abs=1e-3)
    assert not reference.damaged(0, 0, 200, 200)
    for _ in range(2):
        refused(Reason.MAP_DAMAGED, ground.on_grid, east)
        refused(Reason.MAP_DAMAGED, ground.height, *grid.to_map(grid.width - 5, 50))
        refused(Reason.MAP_DAMAGED, ground.intersect, np.array([*east.to_map(50, 50), 2000.0]), rays)
    assert reference.damaged(grid.width - 20, 40, 20, 20)
    np.testing.assert_array_equal(ground.on_grid(west), sound.terrain().on_grid(west))


def test_a_gap_of_the_dem_is_not_filled_from_what_is_damaged(copied_map: Path) -> None:
    reference = ReferenceMap.open(copied_map)
    header, reader = reference.header, reference._readers["dem"]
    side = reader.chunk[0]
    values, _ = reader.read(0, 0, *reader.array.shape)
    values[:, 60:side] = UNKNOWN_HEIGHT  # at the edge of the first chunk, far from its own heights at the other end
    for row, col in np.ndindex(2, 2):
        part = values[row * 2 * side:, col * 2 * side:][:2 * side, :2 * side]
        if part.size:
            write_shard(copied_map, Path("0/dem/c", str(row), str(col)), header, plan(header, 0)["dem"], part)
    sound = ReferenceMap.open(copied_map).terrain()
    near, far = (header.dem_grid.cut(col, 70, 1, 1) for col in (70, side - 8))
    assert np.isfinite(sound.height(*far.to_map(0, 0)))
    hurt = ReferenceMap.open(copied_map)
    hurt._readers["dem"].damaged.add((0, 1))
    ground = hurt.terrain()
    assert ground.height(*near.to_map(0, 0)) == sound.height(*near.to_map(0, 0))
    refused(Reason.MAP_DAMAGED, ground.height, *far.to_map(0, 0))


@pytest.mark.parametrize("height", [np.nan, np.inf, -np.inf, -30000.0, 1e30])
def test_heights_that_cannot_be_are_damage(copied_map: Path, height: float) -> None:
    header = ReferenceMap.open(copied_map).header
    array = plan(header, 0)["dem"]
    values = np.full((8, 8), 200, np.float32)
    values[3, 3] = height
    write_shard(copied_map, Path("0/dem/c/0/0"), header, array, values)
    refused(Reason.MAP_DAMAGED, ReferenceMap.open(copied_map).terrain().height, *header.dem_grid.to_map(3, 3))


def test_descriptors_that_are_no_numbers_are_damage(copied_map: Path) -> None:
    reference = ReferenceMap.open(copied_map)
    values = reference._readers["descriptors"].read(0, 0, 256, 256)[0]
    values[1, 5, 5] = np.nan
    write_shard(copied_map, Path("0/descriptors/c/0/0/0"), reference.header, plan(reference.header, 0)["descriptors"], values)
    got = ReferenceMap.open(copied_map).descriptors(0, 0, 20, 20)
    assert not got.valid.any() and np.isfinite(got.array).all()


@pytest.mark.parametrize("name", ["zarr.json", "0/descriptors/zarr.json", "0/sar/zarr.json"])
@pytest.mark.parametrize("how", ["a lost tail", "nothing left", "gone", "all ones"])
def test_map_without_its_metadata_is_refused(copied_map: Path, name: str, how: str) -> None:
    spoil(copied_map / name, how)
    with pytest.raises(InputError, match=str(copied_map)):
        ReferenceMap.open(copied_map)


def change_header(path: Path, sign: bool, **values: Any) -> None:
    document = json.loads((path / "zarr.json").read_bytes())
    attributes = document["attributes"] | values
    if sign:
        attributes["sha256"] = digest({key: value for key, value in attributes.items() if key != "sha256"})
    (path / "zarr.json").write_text(json.dumps(document | {"attributes": attributes}))


def test_header_that_was_altered_or_is_of_another_format_is_refused(copied_map: Path) -> None:
    change_header(copied_map, sign=True, vertical_datum="EGM96 height")
    ReferenceMap.open(copied_map)  # the way of altering it is sound
    change_header(copied_map, sign=False, vertical_datum="EGM2008 height")
    with pytest.raises(InputError, match="damaged"):
        ReferenceMap.open(copied_map)
    change_header(copied_map, sign=True, version=99)
    with pytest.raises(InputError, match="newer"):
        ReferenceMap.open(copied_map)
    change_header(copied_map, sign=True, version=1)
    with pytest.raises(InputError, match=r"older .* build it again"):
        ReferenceMap.open(copied_map)


def test_opening_needs_the_manifest_to_be_there_but_does_not_read_it(copied_map: Path) -> None:
    (copied_map / "manifest.json").write_bytes(b"\xff not JSON")
    ReferenceMap.open(copied_map).descriptors(0, 0, 20, 20)
    assert verify_map(copied_map) == ["manifest.json"]
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        map_info(copied_map)
    (copied_map / "manifest.json").unlink()
    with pytest.raises(InputError, match="unfinished"):
        ReferenceMap.open(copied_map)
