"""Fill that is declared for one band, or not at all: no value of it is taken for ground."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from field_rasters import PLACES, SCALES, raster, speckle
from rasterio.transform import Affine
from small_maps import BoxMean

from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.georaster import resample
from promptmid_core.refmap import map_info
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.refmap.sar import SarProduct
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow


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
                                             ("amplitude", HIGHEST), ("auto", -9999.0), ("auto", HIGHEST)])
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
        simulate_flight(los_angeles["0"]["optical"], tmp_path / "flight", FlightOptions.of(frames=2, seed=1, footprint_px=64,
                        drift_px=5, yaw_error_deg=1, altitude_error_percent=1, image_size=(64, 64)), dem=dem)


def test_single_pixels_of_0_db_are_ground(tmp_path: Path) -> None:
    values = SCALES["db"](speckle((160, 200))).astype(np.float32)
    values[20:140:10, 20:180:10] = 0
    sar = raster(tmp_path / "sar.tif", values, *PLACES["own"])
    build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()))
    assert map_info(tmp_path / "map")["valid_fraction"] == 1


@pytest.mark.parametrize("value", [1e300, -np.finfo(np.float64).max, 3.5e38])
def test_values_beyond_float32_are_named_as_that_and_not_as_nodata(tmp_path: Path, value: float,
                                                                  caplog: pytest.LogCaptureFixture) -> None:
    values = SCALES["amplitude"](speckle()).astype(np.float64)
    values[:20] = value
    sar = raster(tmp_path / "sar.tif", values, *PLACES["own"])
    built = build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()))
    share = 20 / len(values)
    assert f"{share:.2%} of its valid pixels hold no value that float32 can hold, in which rasters are read" in caplog.text
    assert f"({value:g} most often" in caplog.text
    number = re.search(r"-a_nodata (\S+)", caplog.text)
    assert number and float(number[1]) == value
    assert map_info(built.path)["valid_fraction"] == pytest.approx(1 - share)
    values[:] = value
    raster(tmp_path / "sar.tif", values, *PLACES["own"])
    with pytest.raises(InputError, match=r"sar\.tif: 100\.00% of its valid pixels hold no value that float32 .*divide them"):
        build_map(Sources(sar), tmp_path / "other", BuildOptions(BoxMean()))
    assert not (tmp_path / "other").exists()
