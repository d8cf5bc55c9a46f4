"""Rasters as the field delivers them: their faults are mended, or told in one sentence, and never taken for ground."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pyproj
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine
from small_maps import BoxMean

from promptmid_core.bench.cutting import cut_pairs
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid
from promptmid_core.georaster import MapFrame, RasterView, Transformation, check_raster, map_frame, resample, transformation
from promptmid_core.prompts import ClassTable
from promptmid_core.refmap import map_info
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.refmap.sar import SarProduct
from promptmid_core.refmap.sar.laying import laid
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow

DEGREES = Affine(1e-4, 0, -118.4, 0, -1e-4, 34.1)  # in Los Angeles
UTM = Affine(10, 0, 380_000, 0, -10, 3_770_000)


def raster(path: Path, pixels: NDArray[Any], crs: Any = "EPSG:4326", transform: Affine = DEGREES, **options: Any) -> Path:
    """A GeoTIFF of pixels (H, W) or (B, H, W)."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    profile = {"crs": crs, "transform": transform} | options
    with rasterio.open(path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1], count=bands.shape[0],
                       dtype=bands.dtype, **profile) as target:
        target.write(bands)
    return path


def speckle(shape: tuple[int, int] = (96, 120), seed: int = 0) -> NDArray[np.float32]:
    """Amplitudes of even ground, with a median of about 100."""
    return (np.sqrt(np.random.default_rng(seed).gamma(4, 0.25, shape)) * 100 + 1).astype(np.float32)


@pytest.mark.parametrize(("crs", "transform", "accuracy", "named"), [
    ("EPSG:4326", DEGREES, 0.0, "UTM zone 11N"),
    ("EPSG:4269", DEGREES, 4.0, "NAD83 to WGS 84"),
    ("EPSG:26711", UTM, 7.0, "NAD27 to WGS 84 (6)"),
    ("EPSG:32611", UTM, 0.0, "none"),
    ("+proj=longlat +ellps=clrk66 +no_defs", DEGREES, None, "Ballpark"),
])
def test_accuracy_of_a_datum_is_what_proj_knows_of_it(tmp_path: Path, crs: str, transform: Affine, accuracy: float | None,
                                                      named: str) -> None:
    sar = raster(tmp_path / "sar.tif", speckle(), crs, transform)
    taken = transformation(sar, map_frame(sar, "EPSG:32611"))
    assert taken.accuracy_m == accuracy and named in taken.name


def test_datum_of_the_map_itself_costs_no_accuracy(tmp_path: Path) -> None:
    sar = raster(tmp_path / "sar.tif", speckle(), "EPSG:26711", UTM)
    assert transformation(sar, MapFrame("EPSG:26711", (0.0, 0.0))) == Transformation(
        "none: the raster lies in the CRS of the map", 0.0)


# the same ground, near the date line, as rasters have it: (crs, transform, (height, width))
LINE = {
    "degrees to 180.03": ("EPSG:4326", Affine(1e-4, 0, 179.97, 0, -1e-4, 34.02), (400, 600)),
    "degrees from -180.03": ("EPSG:4326", Affine(1e-4, 0, -180.03, 0, -1e-4, 34.02), (400, 600)),
    "degrees to 540.03": ("EPSG:4326", Affine(1e-4, 0, 539.97, 0, -1e-4, 34.02), (400, 600)),
    "the Earth from 0": ("EPSG:4326", Affine(1 / 500, 0, 0, 0, -1 / 500, 34.02), (20, 180_000)),
    "the Earth from -180": ("EPSG:4326", Affine(1 / 500, 0, -180, 0, -1 / 500, 34.02), (20, 180_000)),
    "its nodes from -180 to 180": ("EPSG:4326", Affine(1 / 500, 0, -180 - 1e-3, 0, -1 / 500, 34.02), (20, 180_001)),
    "UTM zone 60": ("EPSG:32660", Affine(10, 0, 773_900, 0, -10, 3_768_200), (440, 560)),
    "UTM zone 1": ("EPSG:32601", Affine(10, 0, 220_150, 0, -10, 3_768_200), (440, 560)),
    "World Mercator": ("EPSG:3395", Affine(12, 0, 20_034_100, 0, -12, 4_007_400), (450, 560)),
    "Web Mercator": ("EPSG:3857", Affine(12, 0, 20_034_100, 0, -12, 4_031_000), (450, 560)),
    "Mercator from the line": ("+proj=merc +lon_0=180 +datum=WGS84", Affine(12, 0, -3_400, 0, -12, 4_007_400), (450, 560)),
}


def waves(lon: Any, lat: Any) -> NDArray[np.float32]:
    """Values that are known at every place, and nowhere twice nearby."""
    return (500 + 300 * np.sin(np.radians(lon % 360 - 180) * 2000) + 100 * np.sin(np.radians(lat) * 3000)).astype(np.float32)


def of_waves(path: Path, crs: str, transform: Affine, shape: tuple[int, int]) -> Path:
    col, row = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*(transform @ (col, row)))
    return raster(path, waves(lon, lat), crs, transform)


@pytest.mark.parametrize("name", LINE)
def test_nothing_is_lost_across_the_date_line(tmp_path: Path, name: str) -> None:
    path = of_waves(tmp_path / "sar.tif", *LINE[name])
    check_raster(path, "sar")
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32660", always_xy=True).transform(180.0, 34.0)
    frame, grid = MapFrame("EPSG:32660", (x, y)), Grid(-2000.0, 1500.0, 10.0, 400, 300)
    lon, lat = pyproj.Transformer.from_crs("EPSG:32660", "EPSG:4326", always_xy=True).transform(
        *(a + b for a, b in zip(np.meshgrid(*grid.axes()), (x, y), strict=True)))
    for resampling, gsd, slack in (("cubic", 10.0, 0.5), ("nearest", 10.0, 16.0), ("bilinear", 10.0, 0.5), ("cubic", 50.0, 0.5),
                                   ("nearest", 50.0, 16.0)):
        step = round(gsd / 10)
        view = RasterView.of(path, frame, like=grid.every(step), resampling=resampling)
        seen = view.read(0, 0, view.grid.width, view.grid.height)
        assert seen.valid.all() and view.overlaps()
        expected = waves(lon, lat)[:300 // step * step, :400 // step * step]
        blocks = expected.reshape(300 // step, step, 400 // step, step).mean(axis=(1, 3))
        assert np.abs(seen.image - blocks).max() < slack, (resampling, gsd)


@pytest.mark.parametrize("west", [-180.0, 180.0])
def test_side_of_the_date_line_that_is_there_is_used(tmp_path: Path, west: float) -> None:
    crs, _, shape = LINE["degrees from -180.03"]
    path = of_waves(tmp_path / "dem.tif", crs, Affine(1e-4, 0, west, 0, -1e-4, 34.02), shape)
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32660", always_xy=True).transform(180.0, 34.0)
    grid = Grid(-2003.0, 1500.0, 10.0, 400, 300)
    lon, _ = pyproj.Transformer.from_crs("EPSG:32660", "EPSG:4326", always_xy=True).transform(
        *(a + b for a, b in zip(np.meshgrid(*grid.axes()), (x, y), strict=True)))
    for resampling in ("cubic", "nearest", "bilinear"):
        seen = resample(path, MapFrame("EPSG:32660", (x, y)), like=grid, resampling=resampling)
        np.testing.assert_array_equal(seen.valid, lon < 0)


@pytest.mark.parametrize(("west", "share"), [(0.0, 1.0), (-180.0, 0.5)])
def test_map_across_the_date_line_has_the_heights_that_there_are(tmp_path: Path, west: float, share: float) -> None:
    sar = of_waves(tmp_path / "sar.tif", *LINE["degrees to 180.03"])
    dem = of_waves(tmp_path / "dem.tif", "EPSG:4326", Affine(1 / 500, 0, west, 0, -1 / 500, 34.03), (40, 100_000))
    build_map(Sources(sar, dem=dem), tmp_path / "map", BuildOptions(BoxMean()))
    info = map_info(tmp_path / "map")
    assert info["valid_fraction"] > 0.9 and info["dem_fraction"] == pytest.approx(share, abs=0.02)


@pytest.fixture(scope="module")
def los_angeles(tmp_path_factory: Any) -> dict[str, dict[str, Path]]:
    """Four rasters of a place with longitudes from -180 to 180, from 0 to 360, and one turn less."""
    folder, rng = tmp_path_factory.mktemp("longitudes"), np.random.default_rng(1)
    kinds = {
        "sar": (speckle((300, 340)), 1.0), "optical": (rng.integers(1, 255, (3, 300, 340)).astype(np.uint8), 1.0),
        "landcover": (rng.choice(np.array([10, 50, 80], np.uint8), (150, 170)), 2.0),
        "dem": (rng.uniform(50, 60, (60, 68)).astype(np.float32), 5.0),
    }
    return {str(turn): {
        name: raster(folder / f"{name}{turn}.tif", pixels, transform=Affine(1e-4 * size, 0, -118.4 + turn, 0, -1e-4 * size, 34.1))
        for name, (pixels, size) in kinds.items()} for turn in (0, 360, -360)}


@pytest.mark.parametrize("turn", ["360", "-360"])
@pytest.mark.parametrize("gsd", [None, 40.0])
def test_longitudes_of_any_count_make_the_same_map(los_angeles: dict[str, dict[str, Path]], tmp_path: Path, turn: str,
                                                   gsd: float | None) -> None:
    patches, infos = [], []
    for name in ("0", turn):
        given = los_angeles[name]
        sources = Sources(given["sar"], landcover=given["landcover"], dem=given["dem"])
        built = build_map(sources, tmp_path / name, BuildOptions(BoxMean(), gsd=gsd))
        patches.append(built.image(0, 0, built.grid.width, built.grid.height))
        infos.append(map_info(tmp_path / name))
    assert infos[0]["valid_fraction"] > 0.9 and infos[0]["dem_fraction"] > 0.9
    for key in ("valid_fraction", "described_fraction", "dem_fraction"):
        assert infos[1][key] == pytest.approx(infos[0][key], abs=1e-4)
    assert infos[1]["landuse"] == pytest.approx(infos[0]["landuse"], abs=1e-4)
    one, other = patches
    both = one.valid & other.valid
    # a position that lies between two 32nds of a pixel is rounded either way
    np.testing.assert_allclose(one.image[both], other.image[both], atol=5)
    assert np.abs(one.image - other.image)[both].mean() < 1e-2


@pytest.mark.parametrize("turn", ["360", "-360"])
def test_longitudes_of_any_count_make_the_same_pairs(los_angeles: dict[str, dict[str, Path]], tmp_path: Path, turn: str) -> None:
    table, images = ClassTable.load("worldcover"), []
    for name in ("0", turn):
        given = los_angeles[name]
        cut_pairs(given["optical"], given["sar"], tmp_path / name, side=96, landcover=given["landcover"], table=table)
        images.append({file.relative_to(tmp_path / name): cv2.imread(str(file)).astype(int)
                       for file in sorted((tmp_path / name).rglob("*.png"))})
    assert len(images[0]) >= 12 and images[0].keys() == images[1].keys()
    for name, image in images[0].items():
        assert np.abs(image - images[1][name]).mean() < 0.05


def test_longitudes_of_any_count_make_the_same_flight(los_angeles: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    flown = []
    for name in ("0", "360"):
        given = los_angeles[name]
        flown.append(simulate_flight(given["optical"], tmp_path / name, dem=given["dem"], frames=2, seed=1, footprint_px=64,
                                     drift_px=5, yaw_error_deg=1, altitude_error_percent=1, image_size=(64, 64)))
    assert flown[1].least_valid_share == flown[0].least_valid_share > 0.95
    assert flown[1].distance_m == pytest.approx(flown[0].distance_m, abs=1e-3)


PLACES = {"own": ("EPSG:32611", UTM), "reprojected": ("EPSG:4326", DEGREES)}
SCALES: dict[str, Any] = {
    "intensity": lambda a: (a / 100) ** 2 / 20, "db": lambda a: 20 * np.log10(a / 100) - 12, "amplitude": lambda a: a,
}


@pytest.mark.parametrize(("place", "hole"), [("own", 1), ("reprojected", 1), ("reprojected", 0)])
@pytest.mark.parametrize(("scale", "dtype", "nodata"), [
    ("intensity", "float32", -9999), ("db", "float32", -9999), ("amplitude", "uint16", 0), ("amplitude", "int16", -32768),
])
def test_nodata_of_one_band_is_nodata_of_what_is_joined(tmp_path: Path, place: str, scale: str, dtype: str, nodata: float,
                                                        hole: int) -> None:
    polarisations = np.stack([SCALES[scale](speckle((160, 200), seed)) for seed in (1, 2)]).astype(dtype)
    polarisations[hole, 60:100, 50:120] = nodata
    sar = raster(tmp_path / "sar.tif", polarisations, *PLACES[place], nodata=nodata)
    built = build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean(), product=SarProduct(scale, combine="span")))
    seen = built.image(0, 0, built.grid.width, built.grid.height)
    alone = resample(raster(tmp_path / "alone.tif", polarisations[hole], *PLACES[place], nodata=nodata), built.frame,
                     like=built.grid)
    assert 0.8 < alone.valid.mean() < 0.95
    np.testing.assert_array_equal(seen.valid, alone.valid)
    least, most = np.percentile(seen.image[seen.valid], (0, 100))
    assert most - least < 50 if scale == "db" else least > 0


HIGHEST = float(np.finfo(np.float32).max)
FILLS = [-9999.0, -HIGHEST, 32767.0, HIGHEST, 1e20, float("inf"), -32768.0, 9999.0]


@pytest.mark.parametrize(("scale", "fill", "place"), [
    *(("db", fill, "own") for fill in FILLS), ("db", 0.0, "own"), ("db", 0.0, "reprojected"), ("db", -9999.0, "reprojected"),
    ("intensity", -9999.0, "own"), ("intensity", -HIGHEST, "own"), ("intensity", 1e20, "reprojected"),
    ("amplitude", -9999.0, "reprojected"), ("amplitude", HIGHEST, "own"), ("amplitude", 0.0, "own"),
])
def test_fill_that_is_not_declared_is_no_ground(tmp_path: Path, scale: str, fill: float, place: str) -> None:
    values = SCALES[scale](speckle((160, 200))).astype(np.float32)
    truth = float(np.median(values[:, 60:]))
    values[:, :60] = fill
    values[50, 150] = fill  # and one pixel inside
    sar = raster(tmp_path / "sar.tif", values, *PLACES[place])
    built = build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean(), product=SarProduct(scale)))
    seen = built.image(0, 0, built.grid.width, built.grid.height)
    whole = resample(raster(tmp_path / "whole.tif", np.where(values == np.float32(fill), np.nan, values), *PLACES[place]),
                     built.frame, like=built.grid)
    # where there are zeros, those inside are dark ground or 0 dB, and the border's rim goes with it
    assert not (seen.valid & ~whole.valid).sum() > (1 if fill == 0 else 0)
    assert (whole.valid & ~seen.valid).mean() < (0.03 if fill == 0 else 1e-9)
    if fill or scale == "db":
        assert built.header.amplitude.median == pytest.approx(truth, abs=0.1 if scale == "db" else 0, rel=0.02)
    ground = values[:, 60:][values[:, 60:] != np.float32(fill)]
    assert seen.image[seen.valid].max() <= max(ground.max(), fill if fill == 0 else -np.inf)


@pytest.mark.parametrize("scale", SCALES)
def test_one_extreme_pixel_costs_itself_alone(tmp_path: Path, scale: str) -> None:
    for value in (HIGHEST, -HIGHEST, 1e30, -1e6):
        values = SCALES[scale](speckle((160, 200))).astype(np.float32)
        values[80, 100] = value
        sar = raster(tmp_path / f"{value}.tif", values, *PLACES["own"])
        built = build_map(Sources(sar), tmp_path / f"map{value}", BuildOptions(load("structural"), product=SarProduct(scale)))
        assert map_info(built.path)["valid_fraction"] == 1 - 1 / values.size


@pytest.mark.parametrize(("scale", "fill"), [("db", -9999.0), ("db", HIGHEST), ("intensity", -9999.0), ("amplitude", -HIGHEST),
                                             ("amplitude", HIGHEST), ("auto", -9999.0), ("auto", HIGHEST), ("auto", 0.0)])
def test_raster_of_little_else_than_fill_is_refused_with_its_cure(tmp_path: Path, scale: str, fill: float) -> None:
    values = SCALES["db"](speckle()).astype(np.float32)
    values[:, 50:] = fill
    sar = raster(tmp_path / "sar.tif", values, *PLACES["own"])
    with pytest.raises(InputError, match=rf"sar\.tif.*gdal_edit\.py -a_nodata {re.escape(f'{fill:.9g}')}"):
        build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean(), product=SarProduct(scale)))
    assert not (tmp_path / "map").exists()


def test_fill_is_named_in_the_numbers_of_the_file(tmp_path: Path) -> None:
    values = np.round(SCALES["db"](speckle()) * 100).astype(np.int16)
    values[:, 50:] = -32768
    sar = raster(tmp_path / "sar.tif", values, *PLACES["own"])
    with rasterio.open(sar, "r+") as target:
        target.scales = (0.01,)
    with pytest.raises(InputError, match="-a_nodata -32768 "):
        build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()))


@pytest.mark.parametrize("fill", [-9999.0, -HIGHEST, 32767.0, HIGHEST, -32768.0, float("inf")])
def test_fill_of_a_dem_is_no_height(tmp_path: Path, fill: float, caplog: pytest.LogCaptureFixture) -> None:
    sar = raster(tmp_path / "sar.tif", speckle((200, 200)), *PLACES["own"])
    heights = np.random.default_rng(3).uniform(-20, 300, (80, 80)).astype(np.float32)
    least, most = float(heights.min()), float(heights.max())
    heights[:30] = fill
    dem = raster(tmp_path / "dem.tif", heights, "EPSG:32611", Affine(30, 0, 379_800, 0, -30, 3_770_200))
    built = build_map(Sources(sar, dem=dem), tmp_path / "map", BuildOptions(BoxMean()))
    assert least <= built.header.dem_range[0] < built.header.dem_range[1] <= most
    terrain = built.terrain()
    x, y = np.meshgrid(*(axis[::7] for axis in built.grid.axes()))
    assert least <= terrain.height(x.ravel(), y.ravel()).min() <= terrain.height(x.ravel(), y.ravel()).max() <= most
    assert map_info(built.path)["dem_fraction"] == pytest.approx(1 - (900 - 200) / 2000, abs=0.02)
    assert np.isinf(fill) or f"37.50% of its valid pixels hold no height of the ground in metres ({fill:g} most" in caplog.text

    heights[:50] = fill
    mostly = raster(tmp_path / "mostly.tif", heights, "EPSG:32611", Affine(30, 0, 379_800, 0, -30, 3_770_200))
    if np.isfinite(fill):
        with pytest.raises(InputError, match=r"mostly\.tif.*gdal_edit\.py -a_nodata"):
            build_map(Sources(sar, dem=mostly), tmp_path / "other", BuildOptions(BoxMean()))


def test_fill_of_a_dem_is_no_ground_to_fly_over(los_angeles: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    heights = np.random.default_rng(1).uniform(50, 60, (60, 68)).astype(np.float32)
    heights[:20] = -9999
    dem = raster(tmp_path / "dem.tif", heights, transform=Affine(5e-4, 0, -118.4, 0, -5e-4, 34.1))
    with pytest.raises(InputError, match=r"dem\.tif has heights for only 6\d%"):
        simulate_flight(los_angeles["0"]["optical"], tmp_path / "flight", dem=dem, frames=2, seed=1, footprint_px=64, drift_px=5,
                        yaw_error_deg=1, altitude_error_percent=1, image_size=(64, 64))


def test_single_pixels_of_0_db_are_ground(tmp_path: Path) -> None:
    values = SCALES["db"](speckle((160, 200))).astype(np.float32)
    values[20:140:10, 20:180:10] = 0
    sar = raster(tmp_path / "sar.tif", values, *PLACES["own"])
    build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()))
    assert map_info(tmp_path / "map")["valid_fraction"] == 1


def used(given: dict[str, Path], out: Path, use: str) -> None:
    """Give rasters to what reads such: a map's build, the bench's cut, or a flight."""
    if use == "build":
        build_map(Sources(given["sar"], given["landcover"], given["dem"]), out, BuildOptions(BoxMean()))
    elif use == "cut":
        cut_pairs(given["optical"], given["sar"], out, side=96, landcover=given["landcover"], table=ClassTable.load("worldcover"))
    else:
        simulate_flight(given["optical"], out, dem=given["dem"], frames=2, seed=1, footprint_px=64, drift_px=5, yaw_error_deg=1,
                        altitude_error_percent=1, image_size=(64, 64))


USES = [("build", "sar"), ("build", "landcover"), ("build", "dem"), ("cut", "optical"), ("cut", "sar"), ("cut", "landcover"),
        ("flight", "optical"), ("flight", "dem")]


def refused(los_angeles: dict[str, dict[str, Path]], out: Path, use: str, name: str, bad: Path) -> str:
    """The sentence by which a raster is refused, with nothing left behind."""
    with pytest.raises(InputError) as refusal:
        used(los_angeles["0"] | {name: bad}, out, use)
    assert not out.exists() and "\n" not in str(refusal.value)
    str(refusal.value).encode()
    return str(refusal.value)


@pytest.mark.parametrize(("turn", "fits"), [(6e-16, True), (2e-5, True), (1e-4, False), (0.05, False)])
def test_rotation_of_less_than_a_hundredth_pixel_is_rounding(tmp_path: Path, turn: float, fits: bool) -> None:
    pixels = speckle((150, 200))
    transform = UTM @ Affine.rotation(np.degrees(turn))
    sar = raster(tmp_path / "sar.tif", pixels, "EPSG:32611", transform)
    if fits:
        built = build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()))
        seen = built.image(0, 0, built.grid.width, built.grid.height)
        # what is turned overhangs an upright rectangle by a part of a pixel, for which there may be a row more
        rows, cols = built.grid.height - 150, built.grid.width - 200
        assert 0 <= rows <= 1 and 0 <= cols <= 1 and seen.valid.mean() > 0.98
        moved = min((np.abs(seen.image[row:row + 150, col:col + 200] - pixels).mean(), row, col)
                    for row in range(rows + 1) for col in range(cols + 1))
        assert moved[0] < 0.5
    else:
        with pytest.raises(InputError, match=r"sar\.tif is rotated.*gdalwarp"):
            build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()))


@pytest.mark.parametrize(("use", "name"), USES)
def test_numbers_of_a_palette_are_no_values(los_angeles: dict[str, dict[str, Path]], tmp_path: Path, use: str, name: str) -> None:
    with rasterio.open(los_angeles["0"]["landcover"]) as source:
        numbers, transform = source.read(1), source.transform
    path = tmp_path / "palette.tif"
    with rasterio.open(path, "w", driver="GTiff", width=numbers.shape[1], height=numbers.shape[0], count=1, dtype="uint8",
                       crs="EPSG:4326", transform=transform) as target:
        target.write_colormap(1, {10: (0, 100, 0), 50: (250, 0, 0), 80: (0, 100, 200)})
        target.write(numbers, 1)
    if name == "landcover":
        used(los_angeles["0"] | {name: path}, tmp_path / "out", use)
    else:
        sentence = refused(los_angeles, tmp_path / "out", use, name, path)
        assert sentence.startswith(f"{path} ") and "gdal_translate -expand" in sentence


PLANETS = {
    "Moon": "+proj=longlat +R=1737400 +no_defs", "Mars": "+proj=longlat +a=3396190 +b=3376200 +no_defs",
    "Venus": "+proj=eqc +R=6051800 +units=m +no_defs",
}


@pytest.mark.parametrize(("use", "name", "planet"), [*((*use, "Moon") for use in USES), ("build", "sar", "Mars"),
                                                     ("build", "dem", "Venus")])
def test_raster_of_another_planet_is_refused(los_angeles: dict[str, dict[str, Path]], tmp_path: Path, use: str, name: str,
                                             planet: str) -> None:
    with rasterio.open(los_angeles["0"][name]) as source:
        pixels, transform = source.read(), source.transform
    bad = raster(tmp_path / f"{planet}.tif", pixels, PLANETS[planet], transform)
    assert "does not lie on the Earth" in refused(los_angeles, tmp_path / "out", use, name, bad)


@pytest.mark.parametrize("sphere", ["+proj=longlat +R=6371007.181 +no_defs", "+proj=longlat +R=6370997 +no_defs", "EPSG:4035",
                                    "EPSG:4267", "EPSG:4284", "EPSG:4313"])
def test_every_ellipsoid_of_the_earth_is_taken(tmp_path: Path, sphere: str) -> None:
    check_raster(raster(tmp_path / "sar.tif", speckle(), sphere), "sar")


def test_map_is_not_built_in_the_crs_of_another_planet(los_angeles: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a CRS of the Earth; use --crs EPSG:32611"):
        map_frame(los_angeles["0"]["sar"], "+proj=tmerc +R=1737400 +units=m")


def unreadable(folder: Path, what: str) -> Path:
    """A path that is no raster that can be read."""
    path = folder / "raster.tif"
    if what == "folder":
        path.mkdir()
    elif what == "link to nothing":
        path.symlink_to(folder / "nowhere")
    elif what == "link to itself":
        path.symlink_to(path)
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "name too long":
        return folder / ("r" * 300 + ".tif")
    elif what == "name not UTF-8":
        path = Path(os.fsdecode(os.fsencode(folder) + b"/K\xf6ln.tif"))
        raster(folder / "named.tif", speckle()).rename(path)
    return path


@pytest.mark.parametrize("what", ["folder", "link to nothing", "pipe", "name too long", "name not UTF-8"])
@pytest.mark.parametrize(("use", "name"), USES)
def test_path_that_is_no_raster_is_refused_and_not_waited_for(los_angeles: dict[str, dict[str, Path]], tmp_path: Path, use: str,
                                                              name: str, what: str) -> None:
    sentence = refused(los_angeles, tmp_path / "out", use, name, unreadable(tmp_path, what))
    assert str(tmp_path) in sentence
    # a build names what a link leads to
    told = {"folder": "is a folder", "link to nothing": "nowhere is not a file" if use == "build" else "is a link to nothing",
            "pipe": "is not a file", "name too long": "File name too long", "name not UTF-8": r"K\xf6ln.tif has a name that"}
    assert told[what] in sentence


@pytest.mark.parametrize("what", ["folder", "link to nothing", "link to itself", "pipe", "name too long", "name not UTF-8"])
def test_scene_beside_others_that_is_no_raster_is_refused_too(los_angeles: dict[str, dict[str, Path]], tmp_path: Path,
                                                              what: str) -> None:
    rasters = {"sar": los_angeles["0"]["sar"], "sar2": unreadable(tmp_path, what)}
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        laid(rasters, SarProduct(), 2, crs=None, gsd=None)


@pytest.mark.parametrize("locked", ["file", "folder"])
def test_raster_that_may_not_be_read_is_refused(locked: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        inner = folder / "inner"
        inner.mkdir()
        folder.chmod(0o755)
        path = raster(inner / "sar.tif", speckle())
        check_raster(path, "sar")
        (path if locked == "file" else inner).chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)  # permissions do not hold for root
        try:
            with pytest.raises(InputError, match=r"sar\.tif cannot be read \(Permission denied\)"):
                check_raster(path, "sar")
        finally:
            if root:
                os.seteuid(0)
            inner.chmod(0o755)


PROGRAM = """
import sys
from pathlib import Path
{before}
from promptmid_core.cli import main
sys.exit(main(sys.argv[1:]))
"""


def command(*arguments: object, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM.format(before=before), *map(str, arguments)], check=False, text=True,
                          capture_output=True, env=os.environ | environment)


@pytest.fixture(scope="module")
def other_proj(tmp_path_factory: Any) -> Path:
    """The data of a PROJ whose database is older than any library that is used."""
    folder = tmp_path_factory.mktemp("proj")
    with contextlib.closing(sqlite3.connect(folder / "proj.db")) as database:
        database.execute("create table metadata (key text, value text)")
        database.execute("insert into metadata values ('DATABASE.LAYOUT.VERSION.MAJOR', '1')")
        database.execute("insert into metadata values ('DATABASE.LAYOUT.VERSION.MINOR', '0')")
        database.commit()
    return folder


@pytest.mark.parametrize(("use", "variable"), [
    ("build", "PROJ_LIB"), ("build", "PROJ_DATA"), ("cut", "PROJ_DATA"), ("flight", "PROJ_LIB"), ("world", "PROJ_DATA"),
])
def test_data_of_another_proj_are_named_before_any_work(los_angeles: dict[str, dict[str, Path]], tmp_path: Path, other_proj: Path,
                                                        variable: str, use: str) -> None:
    given, out = los_angeles["0"], tmp_path / "out"
    arguments = {
        "build": ("map", "build", given["sar"], out, "--descriptor", "structural"),
        "cut": ("bench", "cut", given["optical"], given["sar"], out, "--side", "96"),
        "flight": ("simulate", "flight", "--optical", given["optical"], "--out", out),
        "world": ("simulate", "world", "--out", out, "--size-px", "256"),
    }[use]
    done = command(*arguments, **{variable: str(other_proj)})
    assert done.returncode == 1 and not out.exists()
    assert f"{variable}={other_proj}" in done.stderr and f"unset {variable}" in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("named", [True, False])
def test_pyproj_that_has_no_data_of_its_own_is_told_of_too(tmp_path: Path, other_proj: Path, named: bool) -> None:
    """That of a distribution has none in its folder, and goes by the variable as rasterio does everywhere."""
    found = Path(pyproj.__file__).parent
    shutil.copytree(found, tmp_path / "pyproj", ignore=shutil.ignore_patterns("proj_dir", "__pycache__"))
    if found.with_name("pyproj.libs").is_dir():
        (tmp_path / "pyproj.libs").symlink_to(found.with_name("pyproj.libs"))
    program = ("import sys; sys.path.insert(0, sys.argv[1])\nfrom promptmid_core.errors import InputError\n"
               "from promptmid_core.georaster import MapFrame\nfrom promptmid_core.georaster.geodetic import Geodetic\n"
               "try:\n    Geodetic(MapFrame('EPSG:32611', (0.0, 0.0)), 'unknown')\nexcept InputError as error:\n    print(error)")
    where = str(other_proj if named else tmp_path / "nowhere")
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, text=True, capture_output=True,
                          env=os.environ | {"PROJ_DATA": where})
    assert f"PROJ_DATA={where}" in done.stdout and "unset PROJ_DATA" in done.stdout and not done.stderr, done.stderr


@pytest.mark.parametrize("what", ["polarisation", "part", "polarisation with a rim of its own", "neighbour"])
def test_scene_that_adds_nothing_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str) -> None:
    vv, vh = speckle((300, 320)), speckle((300, 320), 1) / 4
    vv[:60] = vh[:60] = np.nan
    vv[100, 100] = np.nan
    if what == "polarisation with a rim of its own":
        vh[59] = 30
    else:
        vh[100, 100] = np.nan
    transform = UTM @ Affine.translation(160, 0) if what == "neighbour" else UTM
    if what == "part":
        vh = vh[70:200, 150:300]
        transform = UTM @ Affine.translation(150, 70)
    files = [raster(tmp_path / "vv.tif", vv, "EPSG:32611", UTM), raster(tmp_path / "vh.tif", vh, "EPSG:32611", transform)]
    if what in ("polarisation", "part"):
        with pytest.raises(InputError, match=r"vh\.tif adds nothing to the map.*gdalbuildvrt -separate .*vv\.tif .*--combine"):
            build_map(Sources(files), tmp_path / "map", BuildOptions(BoxMean()))
        assert not (tmp_path / "map").exists()
        return
    build_map(Sources(files), tmp_path / "map", BuildOptions(BoxMean()))
    assert map_info(tmp_path / "map")["scenes"][1]["share"] > 0
    assert ("vh.tif adds next to nothing" in caplog.text) == (what != "neighbour")
