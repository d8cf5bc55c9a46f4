"""Maps as the field breaks them: what cannot be is told in one sentence, and no map is made, or taken, of nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_maps import BoxMean
from test_regions import EAST, raster

from promptmid_core import cli
from promptmid_core.errors import InputError
from promptmid_core.files import digest
from promptmid_core.refmap import ReferenceMap, map_info, read_regions, verify_map
from promptmid_core.refmap.build import BuildOptions, Sources, append_region
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.format.manifest import Journal

# the headers of maps that were built before their metadata were typed
HEADERS: dict[str, Any] = json.loads((Path(__file__).parent / "map_headers.json").read_text())
NAN, INFINITE, DEEP = float("nan"), float("inf"), [[[[[[[[0]]]]]]]]


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_maps_built_before_are_read_and_written_to_the_byte(name: str) -> None:
    assert json.dumps(Header.from_dict(HEADERS[name], Path("map")).to_dict()) == json.dumps(HEADERS[name])


def changed(file: Path, within: str, path: str, change: Callable[[Any, Any], None]) -> None:
    """Change what lies at a path of a JSON file, in the object `within` it, and give that a checksum that holds again."""
    document = json.loads(file.read_bytes())
    sealed = document[within] if within else document
    values, (*way, last) = sealed, path.split(".")
    for step in way:
        values = values[int(step) if isinstance(values, list) else step]
    change(values, int(last) if isinstance(values, list) else last)
    sealed["sha256"] = digest({key: value for key, value in sealed.items() if key != "sha256"})
    file.write_text(json.dumps(document))


def set_to(value: Any) -> Callable[[Any, Any], None]:
    def change(values: Any, last: Any) -> None:
        values[last] = value
    return change


def gone(values: Any, last: Any) -> None:
    del values[last]


IMPOSSIBLE = [
    ("frame", set_to([])), ("frame.crs", set_to("")), ("frame.crs", gone), ("frame.origin", set_to([1.0])),
    ("frame.origin", set_to([1.0, NAN])), ("grid.x", set_to(INFINITE)), ("grid.gsd", set_to(0)), ("grid.gsd", set_to(-10.0)),
    ("grid.gsd", set_to(NAN)), ("grid.gsd", set_to("10")), ("grid.gsd", set_to(10**400)), ("grid.width", set_to(-640)),
    ("grid.height", set_to(0)), ("grid.height", set_to(True)), ("grid.width", set_to(1e3)), ("grid.depth", set_to(1)),
    ("vertical_datum", set_to(None)), ("descriptor.stride", set_to(0)), ("descriptor.stride", set_to(2.0)),
    ("descriptor.groups", set_to([])), ("descriptor.groups.0.channels", set_to(-1)),
    ("descriptor.groups.0.measure", set_to("likeness")), ("descriptor.groups.0.bound", set_to(0)),
    ("descriptor.fingerprint", gone), ("amplitude.median", set_to(0)), ("amplitude.scale", set_to("linear")),
    ("amplitude.decibel", set_to(True)), ("sar_dtype", set_to("complex64")), ("sar.multilook", set_to(0)),
    ("sar.bands", set_to([])), ("sar.bands", set_to([0])), ("sar.looks", set_to(NAN)), ("registration_sigma_m", set_to(-1.0)),
    ("registration_sigma_m", set_to(NAN)), ("has_landuse", set_to("yes")), ("has_landuse", set_to(False)),
    ("dem_stride", set_to(-2)), ("dem_stride", set_to(7)), ("dem_range", set_to([])), ("dem_range", set_to([100.0, NAN])),
    ("dem_range", set_to([100.0, -100.0])), ("levels", set_to(0)), ("levels", set_to(10**9)), ("levels", set_to(10)),
    ("store", set_to("int4")), ("vocabulary", set_to(DEEP)), ("vocabulary.land_uses", set_to(["moor"])),
    ("vocabulary.prompts.SAR", gone), ("vocabulary.classes.10", set_to("moor")), ("vocabulary.classes.70000", set_to(None)),
    ("vocabulary.embeddings", set_to([2, 3])), ("inputs", set_to({})), ("inputs.sar", set_to("")), ("options.gsd_m", set_to(-1)),
    ("options", gone), ("scenes", set_to([])), ("scenes", set_to([{"name": "sar9", "gain_db": 0.0}])), ("transform", set_to([])),
    ("transform.0", set_to(1.0)), ("unheard_of", set_to(1)), ("version", set_to("five")), ("version", gone),
]


@pytest.mark.parametrize(("path", "change"), IMPOSSIBLE)
def test_header_that_cannot_be_is_refused_by_file_field_and_cure(copied_map: Path, path: str, change: Any,
                                                                 capsys: pytest.CaptureFixture[str]) -> None:
    changed(copied_map / "zarr.json", "attributes", path, change)
    for use in (ReferenceMap.open, map_info):
        with pytest.raises(InputError, match="build the map again") as refusal:
            use(copied_map)
        said = str(refusal.value)
        assert said.startswith(str(copied_map / "zarr.json")) and "\n" not in said and len(said) < 400
        named = path.partition(".")[0]
        assert f"'{named}" in said or (named == "scenes" and "'inputs'" in said)
    assert cli.main(["map", "info", str(copied_map)]) == 1
    assert "Traceback" not in capsys.readouterr().err


def leaves(values: Any, path: str = "") -> list[str]:
    """The paths of all that a JSON object holds."""
    steps = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    found = []
    for step, value in steps:
        below = f"{path}.{step}" if path else str(step)
        found += [below, *leaves(value, below)]
    return found


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_header_with_anything_in_it_opens_or_is_refused(built_map: Path, data: st.DataObject) -> None:
    file = built_map / "zarr.json"
    sound = file.read_bytes()
    path = data.draw(st.sampled_from([path for path in leaves(json.loads(sound)["attributes"]) if path != "sha256"]))
    junk = [None, True, 0, -1, 1, 10**9, 10**400, 0.5, NAN, INFINITE, "", "x", [], [0], {}, {"x": 1}, DEEP]
    try:
        changed(file, "attributes", path, data.draw(st.sampled_from([gone, *map(set_to, junk)])))
        ReferenceMap.open(built_map).descriptors(0, 0, 4, 4)
    except InputError as refusal:
        assert "\n" not in str(refusal)
    finally:
        file.write_bytes(sound)


@pytest.mark.parametrize("name", ["zarr.json", "manifest.json"])
def test_json_nested_without_end_is_refused(copied_map: Path, name: str) -> None:
    (copied_map / name).write_text("[" * 100_000)
    with pytest.raises(InputError, match=str(copied_map)):
        map_info(copied_map)
    if name == "manifest.json":
        assert verify_map(copied_map) == [name]


@pytest.mark.parametrize(("path", "change"), [
    ("content.valid_fraction", set_to("most")), ("content.valid_fraction", set_to(NAN)), ("content.landuse", set_to([])),
    ("content.bytes", gone), ("built.time", set_to(7)), ("built", gone), ("files", set_to({"0/sar/c/0/0": 1})),
])
def test_manifest_that_cannot_be_is_refused_by_its_field(copied_map: Path, path: str, change: Any) -> None:
    changed(copied_map / "manifest.json", "", path, change)
    with pytest.raises(InputError, match=rf"manifest\.json .*'{path.partition('.')[0]}.*build the map again"):
        map_info(copied_map)
    assert verify_map(copied_map) == ["manifest.json"]
    ReferenceMap.open(copied_map)


@pytest.fixture(scope="module")
def of_regions(built_map: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copytree(built_map, tmp_path_factory.mktemp("regions") / "map"))
    sar = raster(tmp_path_factory.mktemp("east") / "east.tif", "EPSG:32612", EAST, side=100)
    append_region(path, Sources(sar), BuildOptions(BoxMean()))
    return path


@pytest.mark.parametrize(("path", "change"), [
    ("regions", set_to([])), ("regions", set_to({})), ("regions.1.path", set_to("../../elsewhere")),
    ("regions.1.name", set_to("main")), ("regions.1.name", set_to("../east")),
    ("regions.1.bounds", set_to([1.0])), ("regions.1.origin", set_to([NAN, 0.0])),
    ("regions.1.footprint", set_to([[1.0, 2.0], [3.0]])), ("regions.1.crs", gone), ("regions.1.colour", set_to("red")),
    ("version", set_to("one")), ("version", set_to(0)),
])
def test_table_of_regions_that_cannot_be_is_refused_by_its_field(of_regions: Path, tmp_path: Path, path: str,
                                                                 change: Any) -> None:
    copy = Path(shutil.copytree(of_regions, tmp_path / "map"))
    changed(copy / "regions.json", "", path, change)
    with pytest.raises(InputError, match=rf"regions\.json .*'{path.partition('.')[0]}.*map append"):
        read_regions(copy)
    assert verify_map(copy) == ["regions.json"]


def test_journal_with_a_line_of_something_else_is_read(built_map: Path, tmp_path: Path) -> None:
    for line in ("5", "[]", "{}", '{"tile": 1}', '{"tile": {"col": "a"}}', "[" * 100_000):
        Journal(tmp_path).file.write_text(line + "\n")
        assert Journal(tmp_path).finished() == {}
