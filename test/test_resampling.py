"""Rasters laid on a map's grid: where their pixels land, and what is valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from geotiffs import DEGREES, MERCATOR, UTM, source_under, speckle, to_pixels, write
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from promptmid_core.georaster import MapFrame, check_raster, ground_resolution, map_frame, resample


@pytest.mark.parametrize("place", [MERCATOR, UTM, DEGREES])
@pytest.mark.parametrize(("gsd", "sigma"), [(None, 3.0), (7.0, 3.0), (22.0, 8.0)])
def test_blobs_land_where_pyproj_puts_them(tmp_path: Path, place: Any, gsd: float | None, sigma: float) -> None:
    centres = np.array([(60.3, 50.7), (240.0, 61.5), (150.25, 140.0), (52.6, 230.1), (243.4, 238.8)])
    rows, cols = np.mgrid[0:300, 0:300]
    image = sum(np.exp(-((cols - u) ** 2 + (rows - v) ** 2) / (2 * sigma**2)) for u, v in centres).astype(np.float32)
    path = write(tmp_path / "blobs.tif", image, place)
    frame = map_frame(path)

    seen = resample(path, frame, gsd)

    expected = np.column_stack(to_pixels(place, frame, seen.grid, centres[:, 0], centres[:, 1]))
    reach = int(np.ceil(4 * sigma * ground_resolution(path) / seen.grid.gsd))
    for u, v in expected:
        c, r = round(u), round(v)
        near = np.s_[r - reach:r + reach + 1, c - reach:c + reach + 1]
        weight = seen.image[near].astype(float)
        down, across = np.mgrid[near]
        assert abs((weight * across).sum() / weight.sum() - u) < 0.05
        assert abs((weight * down).sum() / weight.sum() - v) < 0.05


@pytest.mark.parametrize("hole", [0.0, np.nan])
@pytest.mark.parametrize("resampling", ["cubic", "bilinear", "nearest"])
def test_nodata_neither_bleeds_nor_grows(tmp_path: Path, hole: float, resampling: str) -> None:
    pixels = np.full((200, 220), 100, np.float32)
    rng = np.random.default_rng(1)
    known = rng.random(pixels.shape) > 0.1
    known[60:90, 100:150] = False
    pixels[~known] = hole
    path = write(tmp_path / "sar.tif", pixels, nodata=None if np.isnan(hole) else hole)
    frame = map_frame(path)

    seen = resample(path, frame, resampling=resampling)

    np.testing.assert_allclose(seen.image[seen.valid], 100, atol=1e-3)
    assert not seen.image[~seen.valid].any()
    u, v = source_under(MERCATOR, frame, seen.grid)
    inside = (u > -0.5) & (v > -0.5) & (u < 219.5) & (v < 199.5)
    nearest = known[np.clip(np.round(v).astype(int), 0, 199), np.clip(np.round(u).astype(int), 0, 219)] & inside
    # on the border between two source pixels either answer is right
    border = np.minimum(np.abs(u % 1 - 0.5), np.abs(v % 1 - 0.5)) < 1e-3
    assert (seen.valid == nearest)[~border].all()
    assert border.mean() < 0.01


def test_nodata_and_nan_in_one_raster_are_both_invalid(tmp_path: Path) -> None:
    pixels = np.full((60, 60), 5, np.float32)
    pixels[10:20, 10:20], pixels[40:50, 40:50] = np.nan, -1
    seen = resample(write(tmp_path / "sar.tif", pixels, UTM, nodata=-1), MapFrame("EPSG:32611", (370000.0, 3770000.0)))
    assert (~seen.valid).sum() == 200
    assert not seen.valid[10:20, 10:20].any() and not seen.valid[40:50, 40:50].any()


def test_alpha_band_is_a_mask_and_black_only_where_every_band_is(tmp_path: Path) -> None:
    rgb = np.full((4, 60, 60), 9, np.uint8)
    rgb[3] = 255
    rgb[3, :10] = 0
    path = write(tmp_path / "rgba.tif", rgb, UTM, photometric="RGB", alpha="YES")
    with rasterio.open(path) as source:
        assert source.colorinterp[3] is ColorInterp.alpha
    check_raster(path, "optical")
    seen = resample(path, MapFrame("EPSG:32611", (370000.0, 3770000.0)))
    assert seen.image.shape == (60, 60, 3)
    assert not seen.valid[:10].any() and seen.valid[10:].all()

    rgb[0, 20:30] = 0
    rgb[:, 40:50] = 0
    seen = resample(write(tmp_path / "rgb.tif", rgb[:3], UTM, nodata=0), MapFrame("EPSG:32611", (370000.0, 3770000.0)))
    assert seen.valid[20:30].all() and not seen.valid[40:50].any()
    assert not seen.image[20:30, :, 0].any()


def test_raster_in_the_frame_is_left_as_it_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 65535, (150, 170)).astype(np.uint16)
    path = write(tmp_path / "sar.tif", pixels, ("EPSG:32611", 370003.7, 3770001.3, 8.0))
    frame = map_frame(path)
    seen = resample(path, frame)
    np.testing.assert_allclose(seen.image, pixels, atol=0.02)
    assert seen.valid.all()
    assert seen.grid.to_transform(frame.origin) == pytest.approx((8, 0, 370003.7, 0, -8, 3770001.3))


def test_south_up_raster_gives_the_same_map(tmp_path: Path) -> None:
    pixels = speckle()
    north = write(tmp_path / "north.tif", pixels)
    south = write(tmp_path / "south.tif", pixels[::-1], transform=Affine(10, 0, MERCATOR[1], 0, 10, MERCATOR[2] - 2000))
    check_raster(south, "sar")
    frame = map_frame(north)
    assert map_frame(south) == frame
    one, other = resample(north, frame), resample(south, frame)
    assert one.grid == other.grid
    assert (one.valid == other.valid).all()
    np.testing.assert_allclose(one.image, other.image, atol=0.1)


def test_coarser_grid_averages_what_is_valid(tmp_path: Path) -> None:
    pixels = speckle(160, 200)
    pixels[:40, :40] = np.nan
    pixels[40:42, 40:44] = np.nan  # half of one map pixel
    pixels[80:83, 80:84] = np.nan  # more than half of another
    path = write(tmp_path / "sar.tif", pixels, ("EPSG:32611", 370000.0, 3770000.0, 2.0))
    frame = MapFrame("EPSG:32611", (370000.0, 3770000.0))
    seen = resample(path, frame, 8.0)
    assert seen.grid.shape == (40, 50)
    blocks = pixels.reshape(40, 4, 50, 4).transpose(0, 2, 1, 3).reshape(40, 50, 16)
    share = np.isfinite(blocks).mean(axis=2)
    assert (seen.valid == (share >= 0.5)).all()
    np.testing.assert_allclose(seen.image[seen.valid], np.nanmean(blocks[share >= 0.5], axis=1), rtol=1e-5)


@pytest.mark.parametrize("gsd", [6.0, 33.0])
def test_class_codes_stay_class_codes(tmp_path: Path, gsd: float) -> None:
    codes = np.array([10, 50, 80, 1000], np.uint16)
    path = write(tmp_path / "landcover.tif", np.random.default_rng(2).choice(codes, (200, 220)))
    seen = resample(path, map_frame(path), gsd, resampling="nearest")
    assert set(np.unique(seen.image[seen.valid])) == set(codes)


def test_overshoot_stays_within_the_pixel_type_and_scale_is_applied(tmp_path: Path) -> None:
    checks = np.kron(np.indices((20, 20)).sum(axis=0) % 2, np.ones((5, 5))).astype(np.uint8) * 255
    path = write(tmp_path / "checks.tif", checks)
    seen = resample(path, map_frame(path), 5.0)
    assert (seen.image.min(), seen.image.max()) == (0, 255)
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = (0.5,), (-10.0,)
    scaled = resample(path, map_frame(path), 5.0, resampling="nearest")
    assert set(np.unique(scaled.image[scaled.valid])) == {-10.0, 117.5}
