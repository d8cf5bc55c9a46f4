"""Rasters that are no upright rectangles: rotated, sheared, mirrored, placed by control points or rational polynomials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from geotiffs import UTM, speckle, write
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from rasterio.transform import Affine, from_origin
from rasterio.warp import reproject

from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid
from promptmid_core.georaster import MapFrame, RasterView, check_raster, covering_grid, map_frame, resample
from promptmid_core.georaster.mapping import mapping_to
from promptmid_core.georaster.source import opened

NORTH_UP = from_origin(*UTM[1:3], UTM[3], UTM[3])
TURNED = NORTH_UP @ Affine.rotation(104) @ Affine.translation(-60, -90)
SHEARED = NORTH_UP @ Affine.shear(20, 8)
MIRRORED = NORTH_UP @ Affine.translation(220, 0) @ Affine.scale(-1, 1)
RPCS = RPC(height_off=300.0, height_scale=500.0, lat_off=34.05, lat_scale=0.02, long_off=-118.3, long_scale=0.02, line_off=100.0,
           line_scale=100.0, samp_off=110.0, samp_scale=110.0, line_num_coeff=[0.01, 0.1, -1.1, 0.02, 0.004, *[0.0] * 15],
           line_den_coeff=[1.0, 0.002, 0.001, *[0.0] * 17], samp_num_coeff=[0.02, 1.05, 0.15, 0.09, -0.003, *[0.0] * 15],
           samp_den_coeff=[1.0, 0.001, *[0.0] * 18], err_bias=None, err_rand=None)


def smooth(col: Any, row: Any) -> Any:
    """An image that interpolation does not change."""
    return 100 + 40 * np.sin(col / 17) * np.cos(row / 23)


def points(count: int) -> list[GroundControlPoint]:
    """A lattice of control points, of a raster that lies bent, as no polynomial of GDAL's does."""
    return [GroundControlPoint(row, col, *(TURNED @ (col + 6 * (row / 200)**3, row)), z=300.0)
            for row in np.linspace(0, 200, count) for col in np.linspace(0, 220, count)]


def gdal_places(profile: dict[str, Any], frame: MapFrame, grid: Grid, **options: Any) -> Any:
    """Columns and rows of the raster that GDAL's warp finds under a grid's pixels; NaN off the raster."""
    row, col = np.mgrid[0:200, 0:220].astype(np.float32)
    out = np.full((2, *grid.shape), np.nan, np.float32)
    reproject(np.stack([col, row]), out, dst_crs=frame.crs, dst_transform=Affine(*grid.to_transform(frame.origin)),
              dst_nodata=np.nan, resampling=rasterio.enums.Resampling.bilinear, tolerance=0, **profile, **options)
    return out


@pytest.mark.parametrize("transform", [TURNED, SHEARED, MIRRORED], ids=["turned", "sheared", "mirrored"])
@pytest.mark.parametrize("gsd", [8.0, 20.0])
def test_pixels_lie_where_the_geotransform_says(tmp_path: Path, transform: Affine, gsd: float) -> None:
    row, col = np.mgrid[0:200, 0:220]
    x, y = transform @ (col + 0.5, row + 0.5)
    across, up = (x - UTM[1]) / 8, (UTM[2] - y) / 8
    path = write(tmp_path / "sar.tif", smooth(across, up).astype(np.float32), crs=UTM[0], transform=transform)
    seen = resample(path, map_frame(path), gsd, kind="sar")
    east, north = np.meshgrid(*seen.grid.axes())
    wanted = smooth((east + seen.frame.origin[0] - UTM[1]) / 8, (UTM[2] - north - seen.frame.origin[1]) / 8)
    assert seen.valid.sum() * gsd**2 == pytest.approx(200 * 220 * abs(transform.determinant), rel=0.03)
    # beside the edge pixels are filled up; the gradient is 2.4 a pixel at most
    inner = cv2.erode(seen.valid.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0).astype(bool)
    assert inner.mean() > 0.3 and np.abs(seen.image - wanted)[inner].max() < (0.1 if gsd == 8 else 0.4)


def test_windows_of_a_turned_raster_agree(tmp_path: Path) -> None:
    path = write(tmp_path / "sar.tif", speckle(), crs=UTM[0], transform=TURNED)
    view = RasterView.of(path, map_frame(path), 20.0, kind="sar")
    whole, part = view.read(0, 0, view.grid.width, view.grid.height), view.read(17, 31, 40, 33)
    assert np.abs(whole.image[31:64, 17:57] - part.image).max() < 1e-2
    assert (whole.valid[31:64, 17:57] == part.valid).all()


@pytest.mark.parametrize("count", [2, 5], ids=["polynomial", "spline"])
def test_control_points_place_as_gdal_does(tmp_path: Path, count: int) -> None:
    gcps = points(count)
    path = write(tmp_path / "sar.tif", speckle(), crs=UTM[0], transform=Affine.identity(), gcps=gcps)
    frame = map_frame(path)
    grid = covering_grid(path, frame)
    method = {"SRC_METHOD": "GCP_TPS"} if count > 2 else {}
    told = gdal_places({"gcps": gcps, "src_crs": UTM[0]}, frame, grid, **method)
    check_against(path, frame, grid, told)


def test_rational_polynomials_place_as_gdal_does_at_the_heights_of_the_dem(tmp_path: Path) -> None:
    path = write(tmp_path / "sar.tif", speckle(), crs=None, transform=Affine.identity(), rpcs=RPCS)
    frame = map_frame(path)
    grid = covering_grid(path, frame)
    check_against(path, frame, grid, gdal_places({"rpcs": RPCS, "src_crs": "EPSG:4326"}, frame, grid, RPC_HEIGHT=300))
    dem = write(tmp_path / "dem.tif", np.full((80, 80), 812.0, np.float32), ("EPSG:4326", -118.34, 34.09, 1e-3))
    lifted = RasterView.of(path, frame, like=grid, kind="sar", dem=dem)
    with opened(path) as source:
        u, v = lifted._positions(source, 0, 0, grid.width, grid.height)
    told = gdal_places({"rpcs": RPCS, "src_crs": "EPSG:4326"}, frame, grid, RPC_HEIGHT=812)
    assert_alike(u, v, told)


def assert_alike(u: Any, v: Any, told: Any) -> None:
    """Half a pixel at the edge is left out, where bilinear numbers end; GDAL goes straight where that is within 1/8 pixel."""
    there = np.isfinite(told).all(axis=0) & (np.abs(u - 109.5) < 109) & (np.abs(v - 99.5) < 99)
    assert there.mean() > 0.3
    assert np.hypot(u - told[0], v - told[1])[there].max() < 0.25


def check_against(path: Path, frame: MapFrame, grid: Grid, told: Any) -> None:
    with opened(path) as source:
        row, col = np.mgrid[0:grid.height, 0:grid.width].astype(float)
        u, v = mapping_to(source, frame, grid)(col, row)
    assert_alike(u, v, told)
    # all four corners lie on the grid
    with opened(path) as source:
        there = RasterView.of(path, frame, like=grid, kind="sar").read(0, 0, grid.width, grid.height).valid
        inside = (np.abs(u - 109.5) <= 110) & (np.abs(v - 99.5) <= 100)
    assert (there == inside).mean() > 0.99


def test_complex_numbers_are_read_as_their_amplitude(tmp_path: Path) -> None:
    amplitude, phase = speckle(), np.random.default_rng(1).uniform(-np.pi, np.pi, (200, 220))
    path = write(tmp_path / "slc.tif", (amplitude * np.exp(1j * phase)).astype(np.complex64), UTM)
    facts = check_raster(path, "sar")
    assert facts.median == pytest.approx(np.median(amplitude), rel=1e-3)
    assert resample(path, map_frame(path), kind="sar").image == pytest.approx(amplitude, rel=1e-5)


@pytest.mark.parametrize(("options", "words"), [
    ({"crs": UTM[0], "gcps": points(5)[:5]}, "all lie on one line"),
    ({"crs": UTM[0], "gcps": points(5)[:2]}, "2 control points"),
    ({"crs": UTM[0], "transform": Affine(8, 16, 4e5, 4, 8, 4e6)}, "lie on one line"),
])
def test_a_placement_that_places_nothing_is_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    path = write(tmp_path / "sar.tif", speckle(), **({"transform": Affine.identity()} | options))
    with pytest.raises(InputError, match=words):
        check_raster(path, "sar")


@pytest.mark.parametrize("kind", ["landcover", "dem"])
def test_land_cover_and_heights_are_not_placed_by_control_points(tmp_path: Path, kind: Any) -> None:
    path = write(tmp_path / "in.tif", np.ones((200, 220), np.uint8), crs=UTM[0], transform=Affine.identity(), gcps=points(5))
    with pytest.raises(InputError, match="gdalwarp"):
        check_raster(path, kind)
