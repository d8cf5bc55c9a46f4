"""GeoTIFFs against points of known truth, and the rasters that must be refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_origin

from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid
from promptmid_core.georaster import MapFrame, RasterView, check_raster, ground_resolution, map_frame, resample, vertical_datum
from promptmid_core.georaster.positions import positions
from promptmid_core.georaster.sampling import cubic

# Los Angeles in World Mercator, UTM and degrees: (crs, west, north, pixel)
MERCATOR = ("EPSG:3395", -13183742.2, 4017420.3, 10.0)
UTM = ("EPSG:32611", 370000.0, 3770000.0, 8.0)
DEGREES = ("EPSG:4326", -118.4, 34.1, 1e-4)


def write(path: Path, pixels: NDArray[Any], place: tuple[str | None, float, float, float] = MERCATOR, **options: Any) -> Path:
    """A GeoTIFF of pixels (H, W) or (B, H, W)."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    crs, west, north, pixel = place
    profile = {"crs": crs, "transform": from_origin(west, north, pixel, pixel)} | options
    with rasterio.open(path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1], count=bands.shape[0],
                       dtype=bands.dtype, **profile) as target:
        target.write(bands)
    return path


def speckle(height: int = 200, width: int = 220, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).gamma(4, 25, (height, width)).astype(np.float32) + 1


def to_pixels(place: tuple[str, float, float, float], frame: MapFrame, grid: Grid, col: Any, row: Any) -> tuple[Any, Any]:
    """Source pixel -> grid pixel, by way of pyproj alone."""
    crs, west, north, pixel = place
    east, up = west + (np.asarray(col) + 0.5) * pixel, north - (np.asarray(row) + 0.5) * pixel
    x, y = pyproj.Transformer.from_crs(crs, frame.crs, always_xy=True).transform(east, up)
    return grid.to_pixel(np.asarray(x) - frame.origin[0], np.asarray(y) - frame.origin[1])


def source_under(place: tuple[str, float, float, float], frame: MapFrame, grid: Grid) -> tuple[Any, Any]:
    """The source column and row (fractions) under every grid pixel, by way of pyproj alone."""
    crs, west, north, pixel = place
    x, y = np.meshgrid(*grid.axes())
    east, up = pyproj.Transformer.from_crs(frame.crs, crs, always_xy=True).transform(x + frame.origin[0], y + frame.origin[1])
    return (east - west) / pixel - 0.5, (north - up) / pixel - 0.5


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


def rotated(path: Path) -> None:
    write(path, speckle(), transform=from_origin(*MERCATOR[1:3], 10, 10) @ Affine.rotation(3))


def masked(path: Path) -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write(path, speckle())
        with rasterio.open(path, "r+") as target:
            target.write_mask(np.zeros((200, 220), bool))


@pytest.mark.parametrize(("make", "kind", "named"), [
    (lambda p: None, "sar", "not a file"),
    (lambda p: p.write_text("no raster"), "sar", "no raster"),
    (lambda p: p.write_bytes(b""), "sar", "no raster"),
    (lambda p: write(p, speckle(), crs=None), "sar", "no CRS"),
    (lambda p: write(p, speckle(), transform=Affine.identity()), "sar", "no geotransform"),
    (rotated, "sar", "rotated"),
    (lambda p: write(p, speckle(), transform=from_origin(*MERCATOR[1:3], -10, 10)), "sar", "mirrored"),
    (lambda p: write(p, np.zeros((50, 50), np.uint8), nodata=0), "sar", "no valid pixel"),
    (lambda p: write(p, np.full((50, 50), np.nan, np.float32)), "sar", "no valid pixel"),
    (masked, "sar", "no valid pixel"),
    (lambda p: write(p, speckle().astype(np.complex64)), "sar", "complex64"),
    (lambda p: write(p, speckle().astype(np.uint32)), "sar", "uint32"),
    (lambda p: write(p, speckle()), "optical", "float32"),
    (lambda p: write(p, speckle()), "landcover", "float32"),
    (lambda p: write(p, np.ones((2, 50, 50), np.uint8)), "sar", "2 bands"),
    (lambda p: write(p, np.ones((5, 50, 50), np.uint8)), "optical", "5 bands"),
])
def test_raster_that_cannot_be_used_is_refused(tmp_path: Path, make: Any, kind: Any, named: str) -> None:
    path = tmp_path / "input.tif"
    make(path)
    with pytest.raises(InputError) as refusal:
        check_raster(path, kind)
    assert named in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64}


@pytest.mark.parametrize("options", [{}, TILED, {"compress": "deflate"}, {"compress": "jpeg"}, TILED | {"compress": "lzw"}])
@pytest.mark.parametrize("left", [-1, -64, -900, 0.9, 0.5, 0.1, 0.01])
def test_truncated_raster_is_refused_wherever_it_was_cut(tmp_path: Path, options: dict[str, Any], left: float) -> None:
    path = write(tmp_path / "sar.tif", speckle().astype(np.uint8), **options)
    check_raster(path, "sar")
    whole = path.read_bytes()
    path.write_bytes(whole[:int(left * len(whole)) if left > 0 else int(left)])
    with pytest.raises(InputError, match=str(path)):
        check_raster(path, "sar")


def test_damaged_block_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "sar.tif", speckle(), compress="lzw")
    content = bytearray(path.read_bytes())
    content[len(content) // 2:len(content) // 2 + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        check_raster(path, "sar")


def test_what_a_usable_raster_tells(tmp_path: Path) -> None:
    pixels = np.full((100, 100), 7, np.int16)
    pixels[:, :50] = -3
    pixels[:25] = -999
    facts = check_raster(write(tmp_path / "sar.tif", pixels, nodata=-999), "sar")
    assert (facts.dtype, facts.valid_fraction, facts.minimum, facts.maximum) == ("int16", 0.75, -3, 7)
    nan = speckle()
    nan[10:30] = np.nan
    assert check_raster(write(tmp_path / "float.tif", nan), "sar").valid_fraction == pytest.approx(0.9)


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


@settings(max_examples=12, deadline=None)
@given(col=st.integers(-40, 200), row=st.integers(-40, 200), width=st.integers(1, 150), height=st.integers(1, 150),
       gsd=st.sampled_from([8.3, 20.0]))
def test_a_window_equals_the_same_window_of_the_whole(tmp_path_factory: Any, col: int, row: int, width: int, height: int,
                                                       gsd: float) -> None:
    path = tmp_path_factory.getbasetemp() / "windows.tif"
    if not path.exists():
        pixels = speckle()
        pixels[50:80, 60:90] = np.nan
        write(path, pixels)
    view = RasterView.of(path, map_frame(path), gsd)
    around = view.read(-200, -200, 600, 600)
    window = view.read(col, row, width, height)
    place = np.s_[row + 200:row + 200 + height, col + 200:col + 200 + width]
    assert window.grid == view.grid.cut(col, row, width, height)
    known = around.valid[place]
    assert (window.valid != known).sum() <= 2  # a hole's border may pass between two pixels by 1e-4
    both = window.valid & known
    np.testing.assert_allclose(window.image[both], around.image[place][both], atol=0.05)


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


def test_raster_on_its_own_grid_is_taken_pixel_by_pixel(tmp_path: Path) -> None:
    pixels = speckle()
    pixels[30:40, 50:60] = np.nan
    path = write(tmp_path / "sar.tif", pixels, UTM)
    frame = map_frame(path)
    view = RasterView.of(path, frame)
    assert view.shift == (0, 0) and RasterView.of(path, frame, 9.0).shift is None
    seen = view.read(-3, 5, 230, 100)
    np.testing.assert_array_equal(seen.image[:, 3:223], np.nan_to_num(pixels[5:105]))
    np.testing.assert_array_equal(seen.valid[:, 3:223], np.isfinite(pixels[5:105]))
    assert not seen.valid[:, :3].any() and not seen.valid[:, 223:].any()
    moved = RasterView.of(path, frame, like=view.grid.cut(7, -2, 50, 50))
    assert moved.shift == (7, -2)
    assert RasterView.of(path, frame, like=Grid(view.grid.x + 0.5, view.grid.y, 8.0, 50, 50)).shift is None
    assert RasterView.of(write(tmp_path / "mercator.tif", pixels), frame).shift is None


@pytest.mark.parametrize("place", [MERCATOR, DEGREES, ("EPSG:4326", 29.0, 78.0, 1e-3)])
def test_places_between_the_nodes_are_where_pyproj_puts_them(tmp_path: Path, place: Any) -> None:
    path = write(tmp_path / "sar.tif", np.ones((600, 700), np.uint8), place)
    frame = map_frame(path)
    grid = RasterView.of(path, frame).grid
    u, v = source_under(place, frame, grid)

    def exact(col: Any, row: Any) -> tuple[Any, Any]:
        exact.calls.append(col.size)
        at = Grid(grid.x, grid.y, grid.gsd, 1, 1).to_map(col, row)
        east, up = pyproj.Transformer.from_crs(frame.crs, place[0], always_xy=True).transform(
            at[0] + frame.origin[0], at[1] + frame.origin[1])
        return (east - place[1]) / place[3] - 0.5, (place[2] - up) / place[3] - 0.5

    exact.calls = []
    got = positions(exact, 130, 70, 200, 150)
    for mine, true in zip(got, (u, v), strict=True):
        np.testing.assert_allclose(mine, true[70:220, 130:330], atol=3e-4)
    assert sum(exact.calls) < 100


def test_places_that_bend_too_much_are_all_asked_for() -> None:
    def bent(col: Any, row: Any) -> tuple[Any, Any]:
        return np.abs(col - 100.0), row + 0.0

    u, v = positions(bent, 90, 0, 20, 5)
    np.testing.assert_array_equal(u[0], np.abs(np.arange(90, 110) - 100))
    np.testing.assert_array_equal(v[:, 0], np.arange(5))


def test_cubic_is_keys_and_positions_are_a_64th_of_a_pixel_off_at_most() -> None:
    rng = np.random.default_rng(3)
    image, valid = rng.gamma(4, 25, (1, 60, 70)).astype(np.float32), np.ones((60, 70), bool)
    u, v = rng.uniform(3, 66, (200, 300)), rng.uniform(3, 56, (200, 300))
    seen, known = cubic(image, valid, u, v)
    rounded = [np.floor(place * 32 + 0.5) / 32 for place in (u, v)]
    np.testing.assert_allclose(seen[0], keys(image[0], *rounded), atol=1e-2)
    assert known.all()
    ramp = np.broadcast_to(np.arange(70, dtype=np.float32), (1, 60, 70))
    assert np.abs(cubic(np.ascontiguousarray(ramp), valid, u, v)[0][0] - u).max() <= 1 / 64 + 1e-5


def keys(image: Any, u: Any, v: Any) -> Any:
    """Keys' cubic of 4 x 4 pixels, as it is written in the paper."""
    def weight(distance: Any) -> Any:
        d = np.abs(distance)
        return np.where(d < 1, 1.5 * d**3 - 2.5 * d**2 + 1, np.where(d < 2, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2, 0))

    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    taps = [(top + i, left + j) for i in range(-1, 3) for j in range(-1, 3)]
    return sum(weight(v - row) * weight(u - col) * image[row, col] for row, col in taps)


def test_windows_agree_to_the_rounding_of_a_float(tmp_path: Path) -> None:
    pixels = speckle(300, 320)
    pixels[50:80, 60:90] = np.nan
    path = write(tmp_path / "sar.tif", pixels)
    view = RasterView.of(path, map_frame(path))
    whole, part = view.read(0, 0, 250, 250), view.read(37, 81, 100, 90)
    np.testing.assert_allclose(part.image, whole.image[81:171, 37:137], rtol=2e-6)
    np.testing.assert_array_equal(part.valid, whole.valid[81:171, 37:137])
