"""Sentinel-1 products in their folders, metadata of agencies beside rasters, and what a map then knows and from where."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geotiffs import MERCATOR, UTM, speckle, write
from rasterio.transform import Affine
from safes import LINES, SAMPLES, place, write_safe
from small_maps import BoxMean

from promptmid_core.cli import main
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid
from promptmid_core.georaster import RasterView, check_raster, covering_grid, map_frame, raster_identity, resample
from promptmid_core.georaster.proj import transformer
from promptmid_core.georaster.source import opened
from promptmid_core.products import Acquisition, acquisition_of, unpacked
from promptmid_core.refmap import map_info
from promptmid_core.refmap.build import BuildOptions, Sources, build_map, repair_map
from promptmid_core.refmap.sar import SarProduct

NUMBERS = (speckle(LINES, SAMPLES) * 4).astype(np.uint16)


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_safe(tmp_path_factory.mktemp("s1") / "S1A_IW_GRDH.SAFE", {"VV": NUMBERS, "VH": NUMBERS // 2})


def flat_dem(path: Path, safe: Path, height: float) -> Path:
    """Ground of one height, from one degree west and north of the product on."""
    lon, lat = place(0, 0, 0)
    return write(path, np.full((400, 400), height, np.float32), ("EPSG:4326", lon - 0.5, lat + 0.5, 0.0025))


@pytest.mark.parametrize("height", [None, 0.0, 900.0, 2400.0])
def test_pixels_lie_where_the_radar_saw_them(safe: Path, tmp_path: Path, height: float | None) -> None:
    frame = map_frame(safe)
    grid = covering_grid(safe, frame)
    dem = None if height is None else flat_dem(tmp_path / "dem.tif", safe, height)
    view = RasterView.of(safe, frame, like=grid, kind="sar", dem=dem)
    lines, pixels = [20.0, 80.0, 140.0], [25.0, 90.0, 150.0]
    places = [place(line, pixel, height or 0.0) for line, pixel in zip(lines, pixels, strict=True)]
    x, y = transformer("EPSG:4326", frame.crs).transform(*np.transpose(places))
    col, row = grid.to_pixel(x - frame.origin[0], y - frame.origin[1])
    for line, pixel, across, down in zip(lines, pixels, col, row, strict=True):
        first = int(across), int(down)
        with opened(safe) as source:
            u, v = view._positions(source, *first, 2, 2)
        t, s = across - first[0], down - first[1]
        weights = np.outer([1 - s, s], [1 - t, t])
        assert (u * weights).sum() == pytest.approx(pixel, abs=0.05)
        assert (v * weights).sum() == pytest.approx(line, abs=0.05)


def test_numbers_become_backscatter_by_the_tables_without_noise(tmp_path: Path) -> None:
    numbers = np.full((LINES, SAMPLES), 1000, np.uint16)
    numbers[50, 60] = 100
    safe = write_safe(tmp_path / "A.SAFE", {"VV": numbers}, sigma=500.0, noise=190_000.0)
    facts = check_raster(safe, "sar")
    assert facts.median == pytest.approx(np.sqrt(1e6 - 190_000) / 500)
    # less than the noise: a hundredth of the power stays
    assert facts.minimum == pytest.approx(np.sqrt(0.01 * 1e4) / 500)


def test_a_map_of_a_product_is_built_repaired_and_tells_where_it_knows_from(safe: Path, tmp_path: Path) -> None:
    sources = Sources(safe, dem=flat_dem(tmp_path / "dem.tif", safe, 700.0))
    out = tmp_path / "map"
    build_map(sources, out, BuildOptions(BoxMean(), SarProduct(band=1, incidence_deg=45.0)))
    info = map_info(out)
    assert info["acquired"] == ["2023-05-01T12:00:00Z"]
    facts = {name: (fact["value"], fact["source"]) for name, fact in info["facts"].items()}
    assert facts["incidence_deg"] == (45.0, "option") and facts["look_deg"] == (90.5, "metadata")
    assert facts["looks"] == (5.0, "metadata") and facts["polarisation"] == ("VH VV", "metadata")
    assert "orbit" in facts["placement"][0] and facts["relief_sigma_m"] == (0.0, "measured")
    shard = next(iter(sorted((out / "0" / "sar").rglob("c/*/*"))))
    whole = shard.read_bytes()
    shard.unlink()
    assert repair_map(out, sources, BoxMean()) and shard.read_bytes() == whole


def test_an_option_that_contradicts_the_metadata_counts_and_is_told(safe: Path, tmp_path: Path,
                                                                    caplog: pytest.LogCaptureFixture) -> None:
    build_map(Sources(safe), tmp_path / "map", BuildOptions(BoxMean(), SarProduct(band=1, looks=40.0)))
    assert "--looks 40.0 contradicts" in caplog.text
    facts = map_info(tmp_path / "map")["facts"]
    assert facts["looks"] == {"value": 40.0, "source": "option", "by": "--looks"}
    assert facts["relief_sigma_m"]["value"] is None and "--dem" in facts["relief_sigma_m"]["by"]


def test_a_product_is_told_by_all_that_is_read_of_it(safe: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(safe, tmp_path / "B.SAFE"))
    assert raster_identity(copy) == raster_identity(safe)
    table = next((copy / "annotation" / "calibration").glob("noise-*"))
    table.write_text(table.read_text().replace("0.0 0.0", "1.0 0.0"))
    assert raster_identity(copy) != raster_identity(safe)


def pack(file: Path, safe: Path) -> Path:
    """The product in a zip file, as agencies deliver it, with what nobody needs."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in sorted(safe.rglob("*")):
            archive.write(member, f"{safe.name}/{member.relative_to(safe)}")
        archive.writestr(f"{safe.name}/preview/quick-look.png", b"picture")
        archive.writestr(f"{safe.name}/annotation/../../evil.xml", b"<a/>")
    return file


def test_a_product_that_is_still_packed_is_unpacked_beside_its_file(safe: Path, tmp_path: Path) -> None:
    packed, said = pack(tmp_path / "S1A.zip", safe), list[str]()
    folder = unpacked(packed, said.append)
    assert folder == tmp_path / safe.name and raster_identity(folder) == raster_identity(safe)
    assert {path.name for path in tmp_path.iterdir()} == {"S1A.zip", safe.name} and not (folder / "preview").exists()
    assert unpacked(packed, said.append) == folder and len(said) == 2 and "which stays" in said[0] and "already" in said[1]
    assert unpacked(safe) == safe
    # the command takes it as it comes
    words = ["map", "build", str(packed), str(tmp_path / "map"), "--band", "1", "--descriptor", "structural", "--levels", "1"]
    assert main(words) == 0 and map_info(tmp_path / "map")["acquired"] == ["2023-05-01T12:00:00Z"]
    next(folder.rglob("*.tiff")).write_bytes(b"other")
    with pytest.raises(InputError, match="is another or missing"):
        unpacked(packed)


@pytest.mark.parametrize(("harm", "words"), [
    (lambda f: f.write_bytes(f.read_bytes()[:-500]), "cut short or damaged"),
    (lambda f: f.write_bytes(f.read_bytes()[:40_000] + b"other" + f.read_bytes()[40_005:]), "cut short or damaged"),
    (lambda f: zipfile.ZipFile(f, "w").writestr("A/sar.tif", b"II*"), r"no Sentinel-1 product.*GeoTIFF in it"),
    (lambda f: zipfile.ZipFile(f, "a").writestr("B.SAFE/manifest.safe", b""), "2 Sentinel-1 products"),
    (lambda f: zipfile.ZipFile(f, "w").writestr("A.SAFE/manifest.safe", b""), "lacks the annotation"),
])
def test_a_packed_product_that_is_not_whole_or_none_is_refused(safe: Path, tmp_path: Path, harm: Any, words: str) -> None:
    packed = pack(tmp_path / "S1A.zip", safe)
    harm(packed)
    with pytest.raises(InputError, match=words) as refusal:
        unpacked(packed)
    assert "\n" not in str(refusal.value) and [path.name for path in tmp_path.iterdir()] == ["S1A.zip"]
    with pytest.raises(InputError):
        check_raster(packed, "sar", (1,))


@pytest.mark.parametrize(("harm", "words"), [
    (lambda s: shutil.rmtree(s / "measurement"), "measurement/.*pixels themselves"),
    (lambda s: shutil.rmtree(s / "annotation" / "calibration"), "calibration.*backscatter"),
    (lambda s: [f.unlink() for f in (s / "annotation").glob("*.xml")], "no annotation"),
    (lambda s: [f.write_text("<product/>") for f in (s / "annotation").glob("*.xml")], "no whole annotation"),
    (lambda s: [f.write_text("<!DOCTYPE a><a/>") for f in (s / "annotation").glob("*.xml")], "defines entities"),
    (lambda s: [f.write_text(f.read_text().replace("sigmaNought", "x")) for f in s.rglob("calibration-*")], "sigmaNought"),
    (lambda s: [f.write_bytes(b"") for f in s.rglob("*.tiff")], "no raster in a format"),
])
def test_a_product_that_is_not_whole_is_refused(safe: Path, tmp_path: Path, harm: Any, words: str) -> None:
    copy = Path(shutil.copytree(safe, tmp_path / "B.SAFE"))
    harm(copy)
    with pytest.raises(InputError, match=words) as refusal:
        check_raster(copy, "sar", (1,))
    assert "\n" not in str(refusal.value)


UMBRA = {"vendor": "Umbra Space", "collects": [{
    "startAtUTC": "2023-04-01T10:11:12.345Z", "angleIncidenceDegrees": 41.5, "angleAzimuthDegrees": 284.0,
    "polarizations": ["VV"],
    "satelliteTrack": "ASCENDING", "observationDirection": "RIGHT"}]}
CAPELLA = {"product_type": "GEC", "collect": {
    "start_timestamp": "2022-01-02T03:04:05.678900Z", "radar": {"transmit_polarization": "H", "receive_polarization": "H"},
    "image": {"range_looks": 1, "azimuth_looks": 9,
              "center_pixel": {"incidence_angle": 33.0, "target_position": [6378137.0, 0.0, 0.0]}},
    "state": {"state_vectors": [{"position": [6.9e6, -4e5, 0.0]}]}}}
STAC = {"stac_version": "1.0.0", "properties": {
    "datetime": "2021-06-07T08:09:10+02:00", "sar:polarizations": ["VV", "VH"], "sar:looks_equivalent_number": 4.4,
    "view:incidence_angle": 39.0, "view:azimuth": 79.0}}
ICEYE = ("<Metadata><acquisition_start_utc>2020-02-03T04:05:06.7</acquisition_start_utc><look_side>left</look_side><heading>350.0"
         "</heading><incidence_center>27.5</incidence_center><polarization>VV</polarization><range_looks>2</range_looks>"
         "<azimuth_looks>3</azimuth_looks><product_type>SpotlightGRD</product_type></Metadata>")


@pytest.mark.parametrize(("raster", "file", "content", "told"), [
    ("X_GEC.tif", "X_METADATA.json", json.dumps(UMBRA), ("2023-04-01T10:11:12Z", 41.5, 104.0, None, ("VV",), "no")),
    ("X.tif", "X_extended.json", json.dumps(CAPELLA), ("2022-01-02T03:04:05Z", 33.0, 90.0, 9.0, ("HH",), "no")),
    ("X.tif", "X.json", json.dumps(STAC), ("2021-06-07T06:09:10Z", 39.0, 79.0, 4.4, ("VV", "VH"), None)),
    ("X.tif", "X.xml", ICEYE, ("2020-02-03T04:05:06Z", 27.5, 260.0, 6.0, ("VV",), "no")),
], ids=["Umbra", "Capella", "STAC", "ICEYE"])
def test_metadata_beside_a_raster_are_read(tmp_path: Path, raster: str, file: str, content: str, told: tuple[Any, ...]) -> None:
    path = write(tmp_path / raster, speckle(), UTM)
    assert acquisition_of(path) is None
    alone = raster_identity(path)
    (tmp_path / file).write_text(content)
    assert acquisition_of(path) == Acquisition(file, *told)
    assert raster_identity(path) != alone


@pytest.mark.parametrize(("content", "words"), [
    ("{", "no JSON"), (json.dumps(UMBRA | {"collects": [{"angleIncidenceDegrees": 240}]}), "angleIncidenceDegrees"),
    (json.dumps(UMBRA | {"collects": [{"startAtUTC": "yesterday"}]}), "no time"),
])
def test_metadata_that_cannot_be_are_refused(tmp_path: Path, content: str, words: str) -> None:
    path = write(tmp_path / "X_GEC.tif", speckle(), UTM)
    (tmp_path / "X_METADATA.json").write_text(content)
    with pytest.raises(InputError, match=words):
        acquisition_of(path)


def test_other_files_beside_a_raster_are_none(tmp_path: Path) -> None:
    path = write(tmp_path / "X.tif", speckle(), UTM)
    for name, content in (("X.json", '{"a": 1}'), ("X.xml", "<a/>")):
        (tmp_path / name).write_text(content)
    assert acquisition_of(path) is None
    (tmp_path / "X.json").write_text("{")
    assert acquisition_of(path) is None


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_border_of_zeros_has_no_part_in_the_median(tmp_path: Path, share: float) -> None:
    pixels = speckle()
    width = round(220 * share)
    pixels[:, :width] = 0
    pixels[80:84, 215:218] = 0  # dark ground
    path = write(tmp_path / "sar.tif", pixels)
    facts = check_raster(path, "sar")
    assert facts.border == pytest.approx(share, abs=0.05)
    assert facts.median == pytest.approx(np.median(pixels[:, width:]), rel=0.03)
    build_map(Sources(path), tmp_path / "map", BuildOptions(BoxMean()))
    info = map_info(tmp_path / "map")
    assert info["facts"]["border"]["source"] == "measured"
    assert info["valid_fraction"] == pytest.approx(1 - share, abs=0.04)


def test_zeros_inside_are_no_border(tmp_path: Path) -> None:
    pixels = speckle()
    pixels[60:140, 60:160] = 0
    facts = check_raster(write(tmp_path / "sar.tif", pixels, MERCATOR), "sar")
    assert facts.border == 0 and facts.median == pytest.approx(np.median(pixels), rel=0.01)


def test_a_turned_map_shows_what_the_upright_one_shows(tmp_path: Path) -> None:
    row, col = np.mgrid[0:300, 0:300]
    image = (100 + 40 * np.sin(col / 9) * np.cos(row / 11)).astype(np.float32)
    upright = write(tmp_path / "up.tif", image, UTM)
    frame = map_frame(upright)
    plain = resample(upright, frame, 8.0)
    x0, y0 = UTM[1] + 1200, UTM[2] - 1200
    turned = Affine.translation(x0, y0) @ Affine.rotation(37) @ Affine.scale(8, -8) @ Affine.translation(-90, -90)
    u, v = np.meshgrid(np.arange(180) + 0.5, np.arange(180) + 0.5)
    x, y = turned @ (u, v)
    across, down = (x - UTM[1]) / 8 - 0.5, (UTM[2] - y) / 8 - 0.5
    path = write(tmp_path / "turned.tif", (100 + 40 * np.sin(across / 9) * np.cos(down / 11)).astype(np.float32), crs=UTM[0],
                 transform=turned)
    grid: Grid = plain.grid
    seen = resample(path, frame, like=grid)
    inner = seen.valid.copy()
    inner[:-4] &= seen.valid[4:]
    inner[4:] &= seen.valid[:-4]
    inner[:, :-4] &= seen.valid[:, 4:]
    inner[:, 4:] &= seen.valid[:, :-4]
    assert inner.sum() > 15_000 and np.abs(seen.image - plain.image)[inner].max() < 0.3
