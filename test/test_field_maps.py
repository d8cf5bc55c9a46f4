"""Maps as the field breaks them: what cannot be is told in one sentence, and no map is made, or taken, of nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finite import share
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin
from refusals import told
from small_maps import BoxMean, write
from test_regions import EAST, WEST, raster

from promptmid_core import cli
from promptmid_core.errors import InputError
from promptmid_core.files import digest
from promptmid_core.georaster import map_frame, transformation
from promptmid_core.refmap import ReferenceMap, map_info, read_regions, region_path, verify_map
from promptmid_core.refmap.build import BuildOptions, Sources, append_region, build_map
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.format.lock import LOCK_FILE, locked
from promptmid_core.refmap.format.manifest import Journal
from promptmid_core.refmap.sar import SarProduct

pytestmark = pytest.mark.slow

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
        assert f"'{named}" in said or (named == "scenes" and "'inputs'" in said) or "which is no number of JSON" in said
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


@settings(max_examples=share(80), deadline=None)
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
    ("content.landuse", set_to({"water": 0.5})), ("content.landuse", set_to({"9" * 5000: 0.5})), ("files", set_to({"a": "0"})),
    *(("files", set_to({name: "0" * 64})) for name in ("/etc/hostname", "../map/zarr.json", "0/./x", "", ".", "a//b", "a\0b")),
])
def test_manifest_that_cannot_be_is_refused_by_its_field(copied_map: Path, path: str, change: Any) -> None:
    changed(copied_map / "manifest.json", "", path, change)
    with pytest.raises(InputError, match=rf"manifest\.json .*('{path.partition('.')[0]}|NaN, which).*build the map again"):
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
    ("regions.1.path", set_to("/etc")), ("regions.1.path", set_to("regions/../../elsewhere")),
    ("regions.1.crs", set_to("EPSG:0")),
    ("regions.1.crs", set_to("EPSG:4326")), ("regions.1.origin", set_to([1e300, 0.0])), ("regions.1.bounds", set_to([1e9] * 4)),
    ("regions.1.footprint", set_to([[1e300, 0.0]])), ("regions.1.name", set_to("x" * 300)),
    ("version", set_to("one")), ("version", set_to(0)),
])
def test_table_of_regions_that_cannot_be_is_refused_by_its_field(of_regions: Path, tmp_path: Path, path: str,
                                                                 change: Any) -> None:
    copy = Path(shutil.copytree(of_regions, tmp_path / "map"))
    changed(copy / "regions.json", "", path, change)
    with pytest.raises(InputError, match=rf"regions\.json .*('{path.partition('.')[0]}|NaN, which).*map append"):
        read_regions(copy)
    assert verify_map(copy) == ["regions.json"]


def test_region_whose_folder_is_a_link_is_refused_and_a_map_that_is_one_is_not(of_regions: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(of_regions, tmp_path / "map"))
    (tmp_path / "link").symlink_to(copy, target_is_directory=True)
    assert region_path(tmp_path / "link", "east") == tmp_path / "link/regions/east"
    (copy / "regions/east").rename(tmp_path / "elsewhere")
    (copy / "regions/east").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    said = told(region_path, copy, "east")
    assert said.startswith(f"{copy}/regions/east leads out of its place through a link; ")
    assert told(map_info, copy) == said
    assert verify_map(copy) == ["regions.json"]
    (copy / "regions").rename(tmp_path / "regions")
    (copy / "regions").symlink_to(tmp_path / "regions", target_is_directory=True)
    (tmp_path / "regions/east").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "regions/east")
    assert "through a link" in told(read_regions, copy)


@pytest.mark.parametrize("content", ["[" * 4096, "[]", "{}", '{"pid": 1, "host": "a", "host": "b"}', "\0", '{"pid": 1e999}'])
def test_a_lock_that_names_nobody_is_taken(tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK_FILE).write_text(content)
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()
    assert not (tmp_path / LOCK_FILE).exists()


def test_journal_with_a_line_of_something_else_is_read(built_map: Path, tmp_path: Path) -> None:
    for line in ("5", "[]", "{}", '{"tile": 1}', '{"tile": {"col": "a"}}', "[" * 100_000, "\udcff"):
        Journal(tmp_path).file.write_text(line + "\n", errors="surrogateescape")
        assert Journal(tmp_path).finished() == {}


SIDE = 200


def scattered(path: Path, share: float, **options: Any) -> Path:
    """A raster of which so many pixels are valid, one here and one there."""
    rng = np.random.default_rng(3)
    pixels = np.where(rng.random((400, 400)) < share, rng.integers(1, 255, (400, 400)), 0).astype(np.uint8)
    return write(path, pixels, nodata=0, crs="EPSG:32611", transform=from_origin(*WEST, 10, 10), **options)


def steep(path: Path) -> Path:
    """Ridges, each of which rises to the east by more than a radar that looks there can see into."""
    heights = np.tile(np.arange(500, dtype=np.float32) % 8 * 40, (500, 1))
    return write(path, heights, crs="EPSG:32611", transform=from_origin(WEST[0] - 500, WEST[1] + 500, 10, 10))


def test_a_build_without_a_valid_pixel_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    sar, out = scattered(tmp_path / "sar.tif", 0.05), tmp_path / "map"
    plain, coarse = BuildOptions(BoxMean()), BuildOptions(BoxMean(), gsd=40.0)
    layover = BuildOptions(BoxMean(), SarProduct(incidence_deg=30, look_deg=90))
    full = raster(tmp_path / "full.tif", "EPSG:32611", WEST, side=400)
    far = np.full((900, 900), -9999, np.float32)
    far[890:, 890:] = 12
    low = write(tmp_path / "low.tif", far, nodata=-9999, crs="EPSG:32611", transform=from_origin(*WEST, 10, 10))
    for sources, options, named in (
            (Sources(sar), coarse, r"sar\.tif gives the map no valid pixel: at 40 m per pixel"),
            (Sources([full, scattered(tmp_path / "other.tif", 0.04)]), coarse, r"other\.tif gives the map no valid pixel"),
            (Sources([full, raster(tmp_path / "next.tif", "EPSG:32611", (WEST[0] + 1200, WEST[1]), 1, 300)], dem=steep(
                tmp_path / "dem.tif")), layover, r"full\.tif and the 1 other rasters give .* layover"),
            (Sources(full, dem=steep(tmp_path / "dem.tif")), layover, r"full\.tif gives .* layover and shadow by --look-deg"),
            (Sources(full, dem=low), plain, r"low\.tif holds no height where .*full\.tif lies")):
        with pytest.raises(InputError, match=named):
            build_map(sources, out, options)
        assert not out.exists()
    out.mkdir()
    with pytest.raises(InputError, match="no valid pixel"):
        build_map(Sources(sar), out, coarse)
    assert list(out.iterdir()) == []
    build_map(Sources(full), out, plain)


def test_a_map_with_little_data_is_told_by_the_build_and_by_doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = np.zeros((600, 600), np.uint8)
    pixels[:100, :100] = np.random.default_rng(1).integers(1, 255, (100, 100))
    sar = write(tmp_path / "sar.tif", pixels, nodata=0, crs="EPSG:32611", transform=from_origin(*WEST, 10, 10))
    assert cli.main(["map", "build", str(sar), str(tmp_path / "map"), "--descriptor", "structural"]) == 0
    said = "map is all but empty: 2.7"
    assert said in capsys.readouterr().err
    cli.main(["doctor", "--json", "--map", str(tmp_path / "map")])
    assert [sentence for sentence in json.loads(capsys.readouterr().out)["problems"] if said in sentence]


def test_a_dem_of_few_heights_is_told_by_the_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sar = raster(tmp_path / "sar.tif", "EPSG:32611", WEST, side=300)
    for part, is_told in ((0.03, True), (0.4, True), (0.7, False)):
        heights = np.full((320, 320), -9999, np.float32)
        heights[:10 + int(300 * part)] = 12
        dem = write(tmp_path / "dem.tif", heights, nodata=-9999, crs="EPSG:32611",
                    transform=from_origin(WEST[0] - 100, WEST[1] + 100, 10, 10))
        out = tmp_path / f"map{part}"
        assert cli.main(["map", "build", str(sar), str(out), "--dem", str(dem), "--descriptor", "structural"]) == 0
        said = capsys.readouterr().err
        assert (f"warning: {out} has heights on {part:.2%} of it, where 100.00% has SAR pixels" in said) is is_told
        assert map_info(out)["dem_fraction"] == pytest.approx(part, abs=1e-4)


@pytest.mark.parametrize(("side", "is_told"), [(255, True), (256, False)])
def test_a_map_smaller_than_a_patch_is_told_by_the_build(tmp_path: Path, side: int, is_told: bool,
                                                         capsys: pytest.CaptureFixture[str]) -> None:
    sar, out = raster(tmp_path / "sar.tif", "EPSG:32611", WEST, side=side), tmp_path / "map"
    assert cli.main(["map", "build", str(sar), str(out), "--descriptor", "structural"]) == 0
    said = f"warning: {out} has {side} x {side} px, less than the patch of 256 px that a frame is matched by"
    assert (said in capsys.readouterr().err) is is_told


def test_accuracy_of_the_datum_stands_in_the_map_and_in_its_uncertainty(tmp_path: Path,
                                                                        capsys: pytest.CaptureFixture[str]) -> None:
    old = raster(tmp_path / "nad27.tif", "EPSG:26711", WEST, side=SIDE)
    new = raster(tmp_path / "wgs84.tif", "EPSG:32611", WEST, 1, SIDE)
    taken = transformation(old, map_frame(old))
    assert taken.accuracy_m and taken.accuracy_m >= 5
    for rasters in (old, [new, old]):
        out = tmp_path / f"map_{isinstance(rasters, list)}"
        reference = build_map(Sources(rasters), out, BuildOptions(BoxMean()))
        assert reference.registration_sigma_m == taken.accuracy_m
        assert ReferenceMap.open(out).header.transformation == taken
        assert map_info(out)["transformation"] == {"name": taken.name, "accuracy_m": taken.accuracy_m}
    assert cli.main(["map", "info", str(out)]) == 0
    told = capsys.readouterr().out
    assert f"by {taken.name}, accurate to {taken.accuracy_m:g} m" in told
    heights = np.add.outer(np.arange(SIDE), np.arange(SIDE)).astype(np.float32)
    dem = write(tmp_path / "dem.tif", heights, crs="EPSG:26711", transform=from_origin(*WEST, 10, 10))
    product, alone = SarProduct(terrain_corrected="no", incidence_deg=40), tmp_path / "heights"
    sigma = build_map(Sources(old, dem=dem), alone, BuildOptions(BoxMean(), product, crs="EPSG:26711")).registration_sigma_m
    both = build_map(Sources(old, dem=dem), tmp_path / "both", BuildOptions(BoxMean(), product)).registration_sigma_m
    assert map_info(alone)["transformation"] is None and sigma > 30
    assert both == pytest.approx(np.hypot(sigma, taken.accuracy_m), rel=0.01)


def test_a_datum_that_nobody_knows_is_told_and_none_that_is_the_maps_own(tmp_path: Path,
                                                                         capsys: pytest.CaptureFixture[str]) -> None:
    unknown = raster(tmp_path / "unknown.tif", "+proj=utm +zone=11 +ellps=clrk66 +units=m +no_defs", WEST, side=SIDE)
    out = tmp_path / "unknown"
    assert cli.main(["map", "build", str(unknown), str(out), "--descriptor", "structural"]) == 0
    assert "lies on the ground is unknown" in capsys.readouterr().err
    told = map_info(out)["transformation"]
    assert "allpark" in told["name"] and told["accuracy_m"] is None
    same = raster(tmp_path / "same.tif", "EPSG:32611", WEST, side=SIDE)
    out = build_map(Sources(same), tmp_path / "same", BuildOptions(BoxMean())).path
    assert map_info(out)["transformation"] is None
    assert "transformation" not in json.loads((out / "zarr.json").read_text())["attributes"]


def test_two_lines_build_a_map_of_the_products_own_descriptor(tmp_path: Path) -> None:
    sar = raster(tmp_path / "sar.tif", "EPSG:32611", WEST, side=100)
    reference = build_map(Sources(str(sar)), str(tmp_path / "map"))
    assert (reference.descriptor_name, reference.header.store) == ("promptmid:compact", "float16")
    with pytest.raises(InputError, match="no SAR raster is given"):
        build_map(Sources([]), tmp_path / "none")
