"""The coarser levels and the byte store: what is read at a level is that level described whole, and bytes lose little."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_maps import PIXEL, BoxMean, write

from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import ChannelGroup, Patch
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.refmap import ReferenceMap, map_info, verify_map
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.refmap.format.quantisation import decoded, encoded, scales
from promptmid_core.refmap.pyramid import averaged, default_levels, majority

WIDTH, HEIGHT = 1290, 1130  # no multiple of a tile on any level, nor of 4


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(2)
    sar = rng.gamma(4, 25, (HEIGHT, WIDTH)).clip(1, 255).astype(np.uint8)
    sar[300:500, 700:1000] = 0
    cover = rng.choice([10, 40, 80], (HEIGHT // 4, WIDTH // 4)).astype(np.uint8)
    dem = np.full((40, 40), 120, np.float32)
    return {"sar": write(folder / "sar.tif", sar, nodata=0), "landcover": write(folder / "landcover.tif", cover, 4 * PIXEL),
            "dem": write(folder / "dem.tif", dem, 40 * PIXEL)}


@pytest.fixture(scope="module")
def reference(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> ReferenceMap:
    out = tmp_path_factory.mktemp("built") / "map"
    return build_map(Sources(**inputs), out,
                     BuildOptions(BoxMean(), levels=3))


def whole(reference: ReferenceMap) -> tuple[int, int, int, int]:
    return 0, 0, reference.grid.width // 2 * 2, reference.grid.height // 2 * 2


def four(image: NDArray[Any]) -> NDArray[Any]:
    """Each 2 x 2 pixels along the last axis, a rest left out."""
    height, width = (side // 2 for side in image.shape)
    return image[:2 * height, :2 * width].reshape(height, 2, width, 2).swapaxes(1, 2).reshape(height, width, 4)


@pytest.mark.parametrize("level", [1, 2])
def test_level_is_the_mean_of_the_one_below_described_whole(reference: ReferenceMap, level: int) -> None:
    below, here = reference.at(level - 1), reference.at(level)
    assert (here.level, here.gsd, here.grid.shape) == (level, 2 * below.gsd, tuple(side // 2 for side in below.grid.shape))
    assert here.grid.bounds[0] == pytest.approx(reference.grid.bounds[0])
    assert here.grid.bounds[3] == pytest.approx(reference.grid.bounds[3])
    fine = below.image(0, 0, below.grid.width, below.grid.height)
    median = reference.header.amplitude.median
    amplitude, valid = four(fine.image / (1 if below.level else median)), four(fine.valid)
    known = valid.sum(axis=2) >= 2
    mean = np.where(known, (amplitude * valid).sum(axis=2) / np.maximum(valid.sum(axis=2), 1), 0)

    sar = here.image(0, 0, here.grid.width, here.grid.height)
    np.testing.assert_array_equal(sar.valid, known)
    np.testing.assert_allclose(sar.image, mean, rtol=1e-3, atol=1e-6)
    assert np.median(sar.image[sar.valid]) == pytest.approx(1, abs=0.15)

    expected = BoxMean().describe(Patch(mean.astype(np.float32), known, here.grid), Prompt(Modality.SAR))
    got = here.descriptors(*whole(here))
    assert got.grid == expected.grid
    np.testing.assert_array_equal(got.valid, expected.valid)
    np.testing.assert_allclose(got.array[:, got.valid], expected.array[:, got.valid], rtol=1e-3, atol=1e-3)
    assert not here.damaged(0, 0, here.grid.width, here.grid.height)


def test_landuse_of_a_level_is_the_most_frequent_below(reference: ReferenceMap) -> None:
    fine, coarse = (reference.at(level).landuse(0, 0, *reference.at(level).grid.shape[::-1]) for level in (0, 1))
    assert fine is not None and coarse is not None
    codes = four(np.where(fine.valid, fine.image, 65535))
    for row, col in np.random.default_rng(0).integers(0, coarse.image.shape, (200, 2)):
        votes = Counter(codes[row, col].tolist())
        best = min(code for code, count in votes.items() if count == max(votes.values()))
        assert (coarse.image[row, col] if coarse.valid[row, col] else 65535) == best


def test_damage_to_what_level_0_alone_stores_is_told_on_every_level(inputs: dict[str, Path], tmp_path: Path) -> None:
    built = build_map(Sources(inputs["sar"], landcover=inputs["landcover"]), tmp_path / "map", BuildOptions(BoxMean(), levels=3))
    (built.path / "0/landuse_mix/c/0/0/0").unlink()  # that of the first 512 px
    coarse = ReferenceMap.open(built.path).at(2)
    assert not coarse.damaged(0, 0, 20, 20)
    coarse.prompt(0, 0, 20, 20)
    assert coarse.damaged(0, 0, 20, 20)
    assert not coarse.damaged(140, 140, 20, 20)


def test_levels_share_terrain_and_facts(reference: ReferenceMap) -> None:
    assert reference.at(0) is reference and reference.at(2).at(0) is reference and reference.at(1) is reference.at(2).at(1)
    assert reference.at(1).terrain() is reference.terrain() and reference.levels == 3
    assert map_info(reference.path)["levels"] == 3
    assert verify_map(reference.path) == []
    for level in (-1, 3):
        with pytest.raises(ValueError, match="levels 0 to 2"):
            reference.at(level)
    for level in range(3):
        group = zarr.open_group(reference.path / str(level), mode="r")
        assert group.attrs["transform"] == pytest.approx(reference.at(level).grid.to_transform(reference.frame.origin))
        assert group["x"].shape == (reference.at(level).grid.width,)


@pytest.mark.parametrize(("size", "levels"), [
    ((100, 9000), 1), ((1023, 5000), 1), ((1024, 5000), 2), ((2047, 2048), 2), ((2048, 2048), 3), ((90000, 90000), 4)])
def test_coarsest_level_is_still_wide(size: tuple[int, int], levels: int) -> None:
    assert default_levels(*size) == levels


def test_levels_that_the_map_does_not_have_are_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    for levels in (0, 11):
        with pytest.raises(InputError, match=f"no {levels} levels"):
            build_map(Sources(inputs["sar"]), tmp_path / "map", BuildOptions(BoxMean(), levels=levels))
    with pytest.raises(InputError, match="not stored as int4"):
        build_map(Sources(inputs["sar"]), tmp_path / "map", BuildOptions(BoxMean(), store="int4"))


@given(bits=st.integers(0, 15), values=st.lists(st.floats(0, 1000, width=32), min_size=4, max_size=4))
def test_mean_is_that_of_the_valid_pixels(bits: int, values: list[float]) -> None:
    valid = np.array([bits >> i & 1 for i in range(4)], bool).reshape(2, 2)
    image = np.array(values, np.float32).reshape(2, 2)
    mean, known = averaged(image, valid)
    assert known.item() == (valid.sum() >= 2)
    assert mean.item() == pytest.approx(image[valid].mean() if known.item() else 0, rel=1e-5, abs=1e-30)


def test_majority_of_none_alike_is_the_least() -> None:
    assert majority(np.array([[9, 7, 1, 5], [8, 65535, 5, 1]], np.uint16)).tolist() == [[7, 1]]


@settings(deadline=None)
@given(values=st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=3))
def test_bytes_are_within_half_a_step_and_stop_at_the_bound(values: list[float]) -> None:
    groups = ChannelGroup("one", 2, bound=0.5), ChannelGroup("other", 1, bound=4.0)
    array = np.array(values, np.float32)[:, None, None]
    stored = encoded(array, "int8", groups)
    assert stored.dtype == np.int8
    bound = np.array([0.5, 0.5, 4.0], np.float32)[:, None, None]
    np.testing.assert_allclose(decoded(stored, groups), np.clip(array, -bound, bound), atol=4 / 127 / 2 * 1.001)
    np.testing.assert_allclose(scales(groups), bound.ravel() / 127)


def test_map_of_bytes_is_smaller_and_tells_its_scale(inputs: dict[str, Path], tmp_path: Path) -> None:
    maps = {store: build_map(Sources(inputs["sar"]), tmp_path / store, BuildOptions(load("structural"), store=store, levels=1))
            for store in ("float16", "int8")}
    (fine, coarse), window = maps.values(), (400, 400, 300, 300)
    half, byte = fine.descriptors(*window), coarse.descriptors(*window)
    np.testing.assert_array_equal(byte.valid, half.valid)
    steps = scales(coarse.header.descriptor.groups)[:, None, None]
    assert (np.abs(byte.array - half.array) <= 0.55 * steps + 1e-3).all()
    assert not byte.array[:, ~byte.valid].any()
    size = {name: sum(file.stat().st_size for file in (tmp_path / name / "0/descriptors").rglob("*") if file.is_file())
            for name in maps}
    assert size["int8"] < 0.6 * size["float16"]
    group = zarr.open_group(tmp_path / "int8" / "0", mode="r")
    assert group["descriptors"].dtype == np.int8
    np.testing.assert_array_equal(group["channel_scale"][:], steps.ravel())
    assert map_info(tmp_path / "int8")["store"] == "int8"
    assert verify_map(tmp_path / "int8") == []


def test_a_map_is_let_go_at_once(reference: ReferenceMap) -> None:
    """Not only when Python looks for circles: a node that opens its map again would hold several until then."""
    gc.collect()
    gc.disable()
    try:
        opened = ReferenceMap.open(reference.path, prefetch=True)
        assert opened.at(1).at(0).at(1).descriptors(0, 0, 64, 64).valid.any()
        assert opened.at(0) is opened
        assert opened.at(1) is opened.at(1)
        opened.terrain().height(np.array([100.0]), np.array([-100.0]))
        parts = [weakref.ref(part) for part in (opened, opened.at(1), opened._stored, opened.terrain())]
        before = threading.active_count()
        del opened
        assert [part() for part in parts] == [None] * 4
        for _ in range(1000):
            if threading.active_count() < before:
                break
            time.sleep(0.01)
        assert threading.active_count() <= before - 2  # what reads ahead, on both levels
    finally:
        gc.enable()


def test_halves_are_read_to_the_last_bit() -> None:
    """All of the numbers that there are, the smallest ones and both zeros among them."""
    halves = np.arange(2 ** 16, dtype=np.uint16).view(np.float16).reshape(4, 128, 128)
    finite = np.isfinite(halves)
    assert np.array_equal(decoded(halves, ())[finite].view(np.uint32), halves.astype(np.float32)[finite].view(np.uint32))
    assert decoded(halves[:0], ()).shape == (0, 128, 128)
