"""Worlds that repeat themselves or show nothing: what repeats does so in both images, and nothing else tells fields apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio

from promptmid_core.arrays import Float32
from promptmid_core.georaster import check_raster
from promptmid_core.simulation.world.landscape import Landscape
from promptmid_core.simulation.world.options import PATTERNS, WorldOptions
from promptmid_core.simulation.world.patterns import MILE_M, pattern_land
from promptmid_core.simulation.world.simulate import World, simulate_world


def land(pattern: str, seed: int = 1, **values: Any) -> Landscape:
    return pattern_land(np.random.default_rng(seed), WorldOptions.of(pattern=pattern, size_px=512, **values))


def images(world: World) -> tuple[Float32, Float32]:
    """Brightness of the optical image, and amplitude of the SAR image in dB."""
    with rasterio.open(world.optical) as optical, rasterio.open(world.sar) as sar:
        return optical.read().mean(axis=0).astype(np.float32), (20 * np.log10(sar.read(1))).astype(np.float32)


def strongest(image: Float32) -> tuple[float, float]:
    """The strongest wave of an image in cycles per pixel: right and down, of the half plane to the right."""
    size = len(image)
    window = cv2.createHanningWindow((size, size), cv2.CV_32F)
    power = np.abs(np.fft.rfft2((image - image.mean()) * window))
    power[:5, :5] = power[-5:, :5] = 0
    down, right = np.unravel_index(int(power.argmax()), power.shape)
    return float(right / size), float(np.fft.fftfreq(size)[down])


@pytest.mark.parametrize(("px", "seed"), [(16, 2), (24, 3), (37, 4), (60, 5)])
def test_a_chequer_has_fields_of_the_size_asked_for_in_both_images(tmp_path: Path, px: int, seed: int) -> None:
    world = simulate_world(tmp_path, WorldOptions.of(seed=seed, size_px=512, pattern="chequer", pattern_px=px))
    optical, sar = (strongest(image) for image in images(world))
    # its diagonals are what is most regular about a chequer
    assert np.hypot(*optical) == pytest.approx(np.sqrt(2) / (2 * px), abs=1.5 / 512)
    assert np.hypot(*sar) == pytest.approx(np.sqrt(2) / (2 * px), abs=1.5 / 512)
    along = abs(np.dot(optical, sar)) / np.hypot(*optical) / np.hypot(*sar)
    assert along > 0.97 or along < 0.25, "the same of its two diagonals, or the other"


def test_the_fields_of_a_chequer_are_of_two_kinds_and_nothing_else() -> None:
    plain = land("chequer", pattern_px=24)
    assert len(np.unique(plain.parcel)) == 2 and np.ptp(plain.dem) == 0 and plain.canopy.max() == plain.roof.max() == 0
    assert (plain.parcel == plain.parcel[0, 0]).mean() == pytest.approx(0.5, abs=0.03)
    assert np.array_equal(plain.worked(100, 0.3), plain.parcel), "no field is in halves at one time"


@pytest.mark.parametrize("n", [4, 10])
def test_one_field_in_so_many_is_odd(n: int) -> None:
    odd = land("chequer", pattern_px=16, odd_one_in=n)
    keys, counts = np.unique(odd.parcel, return_counts=True)
    assert len(keys) == 3 and counts.min() / odd.parcel.size == pytest.approx(1 / n, rel=0.3)
    even = land("chequer", pattern_px=16)
    assert (odd.parcel == even.parcel).mean() > 1 - 1.3 / n or len(np.unique(even.parcel)) == 2


def moved(field: Float32, right: float, down: float) -> Float32:
    move = np.array([[1, 0, right], [0, 1, down]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(field, move, field.shape[::-1], flags=flags), np.float32)[100:-100, 100:-100]


@pytest.mark.parametrize("seed", [1, 2])
def test_blocks_of_a_town_are_equal(seed: int) -> None:
    town = land("blocks", seed, pattern_px=32, gsd=5)
    assert len(np.unique(town.parcel)) == 1 and 0.1 < town.roof.mean() < 0.4 and 0.1 < town.paved.mean() < 0.5
    along = 32 * np.array([np.cos(town.axis[0, 0]), -np.sin(town.axis[0, 0])])
    here = town.roof[100:-100, 100:-100]
    same = np.corrcoef(here.ravel(), moved(town.roof, *along).ravel())[0, 1]
    half = np.corrcoef(town.paved[100:-100, 100:-100].ravel(), moved(town.paved, *along / 2).ravel())[0, 1]
    assert same > 0.9 and half < 0.7


def test_sections_are_square_miles_between_roads() -> None:
    sections = land("sections")
    mile = MILE_M / 10
    assert len(np.unique(sections.parcel)) == 4
    for axis in (0, 1):
        shifted = np.roll(sections.parcel, -round(mile), axis=axis)
        inside = np.s_[:-200, :-200]
        assert (shifted == sections.parcel)[inside].mean() > 0.98
        half = np.roll(sections.parcel, -round(mile / 2), axis=axis)
        assert (half == sections.parcel)[inside].mean() < 0.05
        lines = sections.paved.mean(axis=1 - axis)
        roads = np.flatnonzero(lines > 0.45)
        assert 3 <= np.count_nonzero(np.diff(roads) > 5) + 1 <= 4


@pytest.mark.parametrize(("pattern", "cover"), [("desert", (60, 40)), ("forest", (10,)), ("water", (80,))])
def test_land_without_features_is_of_one_cover(pattern: str, cover: tuple[int, ...]) -> None:
    bare = land(pattern)
    assert np.isin(bare.cover, cover).mean() > 0.9 and bare.roof.max() == bare.paved.max() == 0
    assert (np.ptp(bare.dem) > 20) == (pattern != "water")


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "land"])
def test_pattern_worlds_are_files_like_any_others(tmp_path: Path, pattern: str) -> None:
    options = WorldOptions.of(seed=7, size_px=256, pattern=pattern)
    one, same, other = (simulate_world(tmp_path / name, given) for name, given in
                        (("one", options), ("same", options), ("other", WorldOptions.of(seed=8, size_px=256, pattern=pattern))))
    assert check_raster(one.sar, "sar").valid_fraction == check_raster(one.optical, "optical").valid_fraction == 1
    assert check_raster(one.landcover, "landcover").valid_fraction == 1 and check_raster(one.dem, "dem").dtype == "float32"
    for name in ("optical", "sar", "landcover", "dem"):
        first, second = ((getattr(world, name)).read_bytes() for world in (one, same))
        assert first == second, name
    assert one.sar.read_bytes() != other.sar.read_bytes()


@pytest.mark.parametrize("gsd", [1.0, 5.0])
def test_patterns_are_made_of_small_pixels_too(gsd: float) -> None:
    for pattern in ("chequer", "blocks", "desert", "forest"):
        fine = land(pattern, gsd=gsd)
        assert fine.gsd_m == gsd and np.isfinite(fine.dem).all()
