"""The frame of a map, the resolution on its ground, and the datum of its heights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from geotiffs import MERCATOR, speckle, write

from promptmid_core.errors import InputError
from promptmid_core.georaster import ground_resolution, map_frame, vertical_datum


def test_ground_resolution_of_known_places(tmp_path: Path) -> None:
    pixels = np.ones((100, 100), np.uint8)
    # World Mercator at the equator is true to scale; at 60 degrees its metre is cos(60) wide, but for the flattening
    assert ground_resolution(write(tmp_path / "a.tif", pixels, ("EPSG:3395", 0.0, 500.0, 10.0))) == pytest.approx(10.0, abs=1e-4)
    north = pyproj.Transformer.from_crs(4326, 3395, always_xy=True).transform(0, 60)[1]
    sixty = ground_resolution(write(tmp_path / "b.tif", pixels, ("EPSG:3395", -500.0, north + 500, 10.0)))
    assert sixty == pytest.approx(10 * 0.5 / np.sqrt(1 - 0.00669438 * 0.75), rel=1e-5)
    # UTM on its central meridian has scale 0.9996
    meridian = write(tmp_path / "c.tif", pixels, ("EPSG:32611", 499500.0, 3770000.0, 10.0))
    assert ground_resolution(meridian) == pytest.approx(10 / 0.9996, abs=1e-4)
    assert 8.2 < ground_resolution(write(tmp_path / "d.tif", pixels)) < 8.4
    # US survey feet
    feet = write(tmp_path / "e.tif", pixels, ("EPSG:2229", 6.48e6, 1.84e6, 10.0))
    assert ground_resolution(feet) == pytest.approx(3.048, rel=2e-4)


def test_frame_is_the_utm_zone_and_shared_by_rasters_of_one_extent(tmp_path: Path) -> None:
    sar = write(tmp_path / "sar.tif", speckle(300, 400))
    fine = write(tmp_path / "optical.tif", np.ones((3, 600, 800), np.uint8), (*MERCATOR[:3], 5.0))
    frame = map_frame(sar)
    assert frame.crs == "EPSG:32611"
    assert frame == map_frame(fine)
    x, y = pyproj.Transformer.from_crs(3395, 32611, always_xy=True).transform(MERCATOR[1] + 2000, MERCATOR[2] - 1500)
    assert frame.origin == (round(x, -3), round(y, -3))
    southern = write(tmp_path / "south.tif", speckle(), ("EPSG:4326", 151.0, -33.8, 1e-4))
    assert map_frame(southern).crs == "EPSG:32756"


@pytest.mark.parametrize(("crs", "named"), [
    ("EPSG:3395", "EPSG:32611"), ("EPSG:3857", "EPSG:32611"), ("EPSG:4326", "EPSG:32611"), ("EPSG:2229", "not in metres"),
    ("EPSG:32613", "use --crs EPSG:32611"), ("EPSG:999999", "EPSG:32611"), ("EPSG:32611+5773", "not a plain projected CRS"),
    ("EPSG:2065", "east and north"),
])
def test_crs_that_makes_no_map_is_refused(tmp_path: Path, crs: str, named: str) -> None:
    path = write(tmp_path / "sar.tif", speckle())
    with pytest.raises(InputError) as refusal:
        map_frame(path, crs)
    assert named in str(refusal.value)
    assert crs in str(refusal.value)


def test_raster_across_two_zones_is_told_which_projection_to_use(tmp_path: Path) -> None:
    across = write(tmp_path / "across.tif", np.ones((20, 400), np.uint8), ("EPSG:4326", -116.5, 1.0, 0.01))
    with pytest.raises(InputError, match="projection of its own") as refusal:
        map_frame(across)
    advised = str(refusal.value).split("'")[1]
    assert abs(map_frame(across, advised).origin[0] - 500000) <= 5000  # the advice itself works

    continent = write(tmp_path / "continent.tif", np.ones((200, 400), np.uint8), ("EPSG:4326", -120.0, 50.0, 0.1))
    with pytest.raises(InputError, match="regions"):
        map_frame(continent)


def test_coordinates_off_the_earth_are_refused(tmp_path: Path) -> None:
    mislabelled = write(tmp_path / "sar.tif", speckle(), ("EPSG:4326", 370000.0, 3770000.0, 10.0))
    with pytest.raises(InputError, match="no place on the Earth"):
        map_frame(mislabelled)


def test_vertical_datum_is_what_the_file_says(tmp_path: Path) -> None:
    heights = speckle(20, 20)
    assert vertical_datum(write(tmp_path / "a.tif", heights)) == "unknown"
    assert vertical_datum(write(tmp_path / "b.tif", heights, ("EPSG:4326+5773", -118.4, 34.1, 1e-4))) == "EGM96 height"
    assert "WGS 84" in vertical_datum(write(tmp_path / "c.tif", heights, ("EPSG:4979", -118.4, 34.1, 1e-4)))
    feet = write(tmp_path / "d.tif", heights)
    with rasterio.open(feet, "r+") as target:
        target.units = ("ft",)
    with pytest.raises(InputError, match="metres"):
        vertical_datum(feet)
