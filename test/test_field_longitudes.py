"""Rasters with longitudes of any count, and maps across the date line: the same ground, and nothing lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyproj
import pytest
from field_rasters import raster
from numpy.typing import NDArray
from rasterio.transform import Affine
from small_maps import BoxMean

from promptmid_core.bench.cutting import cut_pairs
from promptmid_core.geometry import Grid
from promptmid_core.georaster import MapFrame, RasterView, check_raster, resample
from promptmid_core.prompts import ClassTable
from promptmid_core.refmap import map_info
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow


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
        flown.append(simulate_flight(given["optical"], tmp_path / name, FlightOptions.of(frames=2, seed=1, footprint_px=64,
                                     drift_px=5, yaw_error_deg=1, altitude_error_percent=1, image_size=(64, 64)),
                                     dem=given["dem"]))
    assert flown[1].least_valid_share == flown[0].least_valid_share > 0.95
    assert flown[1].distance_m == pytest.approx(flown[0].distance_m, abs=1e-3)
