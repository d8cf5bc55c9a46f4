"""The reference map: what is built is what is read."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_maps import HEIGHT, NORTH, WEST, WIDTH, BoxMean, contents, whole

from promptmid_core.geometry import Patch
from promptmid_core.georaster import map_frame, resample
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.refmap import ReferenceMap, map_info
from promptmid_core.refmap.chunks import ChunkReader
from promptmid_core.refmap.format.arrays import UNKNOWN_HEIGHT
from promptmid_core.refmap.tile import Tile


def test_descriptors_are_those_of_the_map_described_whole(built_map: Path, map_inputs: dict[str, Path]) -> None:
    reference = ReferenceMap.open(built_map)
    assert min(reference.grid.shape) > 512  # several tiles each way, so that their seams are in it
    sar = resample(map_inputs["sar"], map_frame(map_inputs["sar"]))
    assert sar.grid == reference.grid
    with rasterio.open(map_inputs["sar"]) as source:
        values = source.read(1)
    amplitude = np.where(sar.valid, sar.image / np.median(values[values > 0]), 0).astype(np.float32)
    expected = BoxMean().describe(Patch(amplitude, sar.valid, sar.grid), Prompt(Modality.SAR))

    got = reference.descriptors(*whole(reference))

    assert got.array.dtype == np.float32
    assert got.grid == expected.grid == reference.grid.every(2)
    assert (got.valid != expected.valid).mean() < 1e-4
    both = got.valid & expected.valid
    assert 0.9 < both.mean() < 0.99
    np.testing.assert_allclose(got.array[:, both], expected.array[:, both], rtol=1e-3, atol=1e-3)
    assert not got.array[:, ~got.valid].any()


def test_image_is_the_product_on_the_map_grid(built_map: Path, map_inputs: dict[str, Path]) -> None:
    reference = ReferenceMap.open(built_map)
    expected = resample(map_inputs["sar"], reference.frame, like=reference.grid.cut(500, 380, 90, 140))
    got = reference.image(500, 380, 90, 140)
    assert got.grid == expected.grid
    assert (got.valid == expected.valid).all()
    np.testing.assert_allclose(got.image, expected.image, atol=0.51)


def test_window_reaching_beyond_the_map_is_masked_there(built_map: Path) -> None:
    reference = ReferenceMap.open(built_map)
    inner, outer = reference.descriptors(0, 0, 60, 40), reference.descriptors(-20, -10, 80, 50)
    assert outer.grid == reference.grid.cut(-20, -10, 80, 50).every(2)
    np.testing.assert_array_equal(outer.array[:, 5:, 10:], inner.array)
    np.testing.assert_array_equal(outer.valid[5:, 10:], inner.valid)
    assert not outer.valid[:5].any() and not outer.valid[:, :10].any() and not outer.array[:, :5].any()
    for far in ((-4000, 0), (0, 4000), (10**6, 10**6)):
        assert not reference.descriptors(*far, 40, 40).valid.any()
        assert not reference.image(*far, 40, 40).valid.any()
    assert not reference.damaged(-4000, -4000, 10000, 10000)


@pytest.mark.parametrize("window", [(1, 0, 40, 40), (0, 3, 40, 40), (0, 0, 41, 40), (0, 0, 40, 7)])
def test_window_off_the_stride_is_an_error(built_map: Path, window: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="stride"):
        ReferenceMap.open(built_map).descriptors(*window)


@settings(max_examples=25, deadline=None)
@given(col=st.integers(-60, 300), row=st.integers(-60, 300), width=st.integers(1, 200), height=st.integers(1, 200))
def test_small_cache_gives_the_same(built_map: Path, col: int, row: int, width: int, height: int) -> None:
    kept, forgetful = readers(built_map)
    window = (2 * col, 2 * row, 2 * width, 2 * height)
    for _ in range(2):
        one, other = kept.descriptors(*window), forgetful.descriptors(*window)
        np.testing.assert_array_equal(one.array, other.array)
        np.testing.assert_array_equal(one.valid, other.valid)
    assert len(forgetful._cache._kept) <= 1


def readers(path: Path, kept: dict[Path, tuple[ReferenceMap, ReferenceMap]] = {}) -> tuple[ReferenceMap, ReferenceMap]:  # noqa: B006
    return kept.setdefault(path, (ReferenceMap.open(path), ReferenceMap.open(path, cache_bytes=0)))


def test_window_ahead_is_read_in_the_background(built_map: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[tuple[str, tuple[int, int]]] = []
    load = ChunkReader._load

    def noted(reader: ChunkReader, index: tuple[int, int]) -> Any:
        loads.append((threading.current_thread().name, index))
        return load(reader, index)

    monkeypatch.setattr(ChunkReader, "_load", noted)
    reference, plain = ReferenceMap.open(built_map, prefetch=True), ReferenceMap.open(built_map)
    expected = plain.descriptors(320, 0, 200, 100)
    loads.clear()
    for col in (0, 0, 160):  # a chunk has 256 pixels
        reference.descriptors(col, 0, 200, 100)
    assert reference._prefetch
    reference._prefetch.wait()
    assert [index for name, index in loads if name.startswith("prefetch")] == [(0, 2), (0, 2)]  # of descriptors and their mask
    before = len(loads)
    np.testing.assert_array_equal(reference.descriptors(320, 0, 200, 100).array, expected.array)
    reference.descriptors(-4000, 0, 200, 100)  # a jump is not flown on
    reference._prefetch.wait()
    assert len(loads) == before


def test_info_tells_what_the_map_is(built_map: Path, map_inputs: dict[str, Path]) -> None:
    info, reference = map_info(built_map), ReferenceMap.open(built_map)
    json.dumps(info)
    assert info["crs"] == "EPSG:32611" and tuple(info["origin"]) == reference.frame.origin == map_frame(map_inputs["sar"]).origin
    assert info["gsd_m"] == reference.gsd and info["size_px"] == [reference.grid.width, reference.grid.height]
    x_min, y_min, x_max, y_max = info["bounds"]
    assert (x_max - x_min) * (y_max - y_min) / 1e6 == pytest.approx(info["area_km2"])
    assert info["area_km2"] == pytest.approx(WIDTH * HEIGHT * 8.3**2 / 1e6, rel=0.05)
    pixels, cells = reference.image(0, 0, *info["size_px"]), reference.descriptors(*whole(reference))
    assert (info["valid_fraction"], info["described_fraction"]) == (pixels.valid.mean(), cells.valid.mean())
    assert info["descriptor"] == {
        "name": "boxmean", "stride": 2, "fingerprint": "boxmean-1", "channels": 2, "groups": ["mean", "spread"]}
    assert info["vertical_datum"] == reference.vertical_datum == "EGM96 height"
    assert info["bytes"] == sum(len(content) for name, content in contents(built_map).items() if name != "manifest.json")
    assert info["bytes_per_km2"] == pytest.approx(info["bytes"] / info["area_km2"])
    assert info["landuse"].keys() == {"10", "80"} and sum(info["landuse"].values()) == pytest.approx(1)
    assert info["landuse"]["10"] == pytest.approx(0.5, abs=0.02)
    assert info["inputs"]["dem"]["path"] == str(map_inputs["dem"])
    assert info["levels"] == 1 and info["build_seconds"] >= 0 and info["versions"]["zarr"] == zarr.__version__


def test_landuse_and_terrain_lie_where_the_rasters_do(built_map: Path, map_inputs: dict[str, Path]) -> None:
    reference = ReferenceMap.open(built_map)
    codes = reference.landuse(*whole(reference))
    assert codes is not None
    expected = resample(map_inputs["landcover"], reference.frame, like=codes.grid, resampling="nearest")
    np.testing.assert_array_equal(codes.image, expected.image)
    np.testing.assert_array_equal(codes.valid, expected.valid)
    assert 0.4 < codes.valid.mean() < 0.6

    def height(col: Any, row: Any) -> Any:
        """The map's height at a pixel of the DEM, by way of pyproj."""
        to_map = pyproj.Transformer.from_crs(3395, reference.frame.crs, always_xy=True)
        east, north = to_map.transform(WEST + 30 * (np.asarray(col) + 0.5), NORTH - 30 * (np.asarray(row) + 0.5))
        return reference.terrain().height(east - reference.frame.origin[0], north - reference.frame.origin[1])

    col, row = np.meshgrid(np.linspace(40, WIDTH // 3 - 3, 9), np.linspace(2, HEIGHT // 3 - 3, 9))
    np.testing.assert_allclose(height(col, row), 100 + 2.0 * col + 1.0 * row, atol=0.05)
    assert map_info(built_map)["dem_gsd_m"] == pytest.approx(2 * reference.gsd)
    assert height(31.5, 31.5) == pytest.approx(100 + 3 * 31.5, abs=10)  # the gap holds the heights around it


def test_other_readers_find_plain_zarr(built_map: Path) -> None:
    reference = ReferenceMap.open(built_map)
    group = zarr.open_group(built_map, mode="r")
    assert group.attrs["frame"] == {"crs": "EPSG:32611", "origin": list(reference.frame.origin)}
    sar, cells = group["0/sar"], group["0/descriptors"]
    assert sar.metadata.dimension_names == ("y", "x")
    assert cells.metadata.dimension_names == ("channel", "cell_y", "cell_x")
    assert cells.dtype == np.float16 and sar.dtype == np.uint8
    for array in (sar, cells):
        inner = array.metadata.to_dict()["codecs"][0]
        assert inner["name"] == "sharding_indexed"
        assert [codec["name"] for codec in inner["configuration"]["codecs"]] == ["bytes", "zstd", "crc32c"]
    transform = group.attrs["transform"]
    assert transform == pytest.approx(reference.grid.to_transform(reference.frame.origin))
    assert group["0/x"][0] == pytest.approx(transform[2] + transform[0] / 2)
    assert group["0/y"][-1] == pytest.approx(transform[5] + transform[4] * (reference.grid.height - 0.5))


def test_xarray_opens_a_level_without_our_code(built_map: Path) -> None:
    xarray = pytest.importorskip("xarray", reason="comes with the extra [dev]")
    reference = ReferenceMap.open(built_map)
    with xarray.open_zarr(built_map, group="0", consolidated=False) as level:
        assert level.sar.dims == ("y", "x") and level.descriptors.dims == ("channel", "cell_y", "cell_x")
        # a place by its easting and northing, in the CRS that the level names
        assert pyproj.CRS(level.attrs["crs"]) == pyproj.CRS("EPSG:32611") and level.attrs["gsd_m"] == reference.gsd
        col, row = 301, 207
        x, y = (float(v) + o for v, o in zip(reference.grid.to_map(col, row), reference.frame.origin, strict=True))
        here = level.sel(x=x + 2, y=y - 2, cell_x=x, cell_y=y, method="nearest")
        assert float(here.sar) == reference.image(col, row, 1, 1).image[0, 0] > 0
        cells = reference.descriptors(col // 2 * 2, row // 2 * 2, 2, 2)
        np.testing.assert_array_equal(here.descriptors.values, cells.array[:, 0, 0].astype(np.float16))
        assert bool(here.descriptors_valid) == cells.valid[0, 0]


def test_tiles_cover_the_map_once(built_map: Path) -> None:
    header = ReferenceMap.open(built_map).header
    covered = np.zeros(header.grid.shape, int)
    for tile in header.tiles():
        assert tile == Tile(tile.col, tile.row, tile.width, tile.height) and tile.col % 512 == tile.row % 512 == 0
        covered[tile.row:tile.row + tile.height, tile.col:tile.col + tile.width] += 1
    assert (covered == 1).all()


def test_no_search_for_a_height_goes_round_the_world(built_map: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all around is unknown, so far and no further."""
    import promptmid_core.refmap.heights as heights

    reference = ReferenceMap.open(built_map)
    reader, asked = reference._readers["dem"], []

    def unknown(row: int, col: int, height: int, width: int) -> tuple[NDArray[Any], NDArray[Any]]:
        asked.append(height * width)
        return np.full((height, width), UNKNOWN_HEIGHT, np.float32), np.ones((height, width), bool)

    monkeypatch.setattr(reader, "read", unknown)
    found = reference.terrain().height(*reference.grid.to_map(100, 100))
    assert found == pytest.approx(reference.header.dem_range[0])
    assert max(asked) == (2 * heights.MOST_REACH + 1) ** 2 * reader.chunk[0] * reader.chunk[1]
