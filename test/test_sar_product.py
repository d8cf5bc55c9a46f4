"""SAR products as the field delivers them: whatever their values, bands and speckle, the descriptor sees the same amplitude."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import radians, tan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.transform import from_origin
from small_maps import NORTH, PIXEL, WEST, BoxMean, whole, write

from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import DescriptorMap, Patch
from promptmid_core.georaster import RasterFacts, RasterView, map_frame
from promptmid_core.prompts.prompt import Prompt
from promptmid_core.refmap import ReferenceMap, map_info
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.refmap.pyramid import averaged
from promptmid_core.refmap.sar import SarProduct
from promptmid_core.refmap.sar.amplitude import AmplitudeScale
from promptmid_core.refmap.sar.layover import hidden
from promptmid_core.refmap.sar.speckle import lee, multilooked
from promptmid_core.refmap.sar.view import SarView
from promptmid_core.simulation.world.illumination import shadow
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import World, simulate_world

pytestmark = pytest.mark.slow

Array = NDArray[np.float32]


def speckled(shape: tuple[int, int], looks: float, seed: int = 0) -> Array:
    """Intensities of two fields, one four times as bright, under speckle of so many looks."""
    scene = np.ones(shape)
    scene[:, shape[1] // 2:] = 4
    return (scene * np.random.default_rng(seed).gamma(looks, 1 / looks, shape)).astype(np.float32)


def bands(path: Path, *pixels: NDArray[Any], labels: tuple[str, ...] = (), **options: Any) -> Path:
    profile = {"crs": "EPSG:3395", "transform": from_origin(WEST, NORTH, PIXEL, PIXEL)} | options
    with rasterio.open(path, "w", driver="GTiff", width=pixels[0].shape[1], height=pixels[0].shape[0], count=len(pixels),
                       dtype=pixels[0].dtype, **profile) as target:
        target.write(np.stack(pixels))
        for i, label in enumerate(labels, 1):
            target.set_band_description(i, label)
    return path


def seen(sar: Path, out: Path, product: SarProduct | None = None) -> Patch:
    descriptor = BoxMean()
    build_map(Sources(sar), out, BuildOptions(descriptor, product or SarProduct()))
    return descriptor.corner


@pytest.mark.parametrize(("dtype", "scale", "label", "expected", "why"), [
    ("uint8", 40, "", "amplitude", "digital numbers"),
    ("uint16", 400, "", "amplitude", "digital numbers"),
    ("int16", 400, "", "amplitude", "digital numbers"),
    ("float32", 0.05, "", "intensity", "calibrated"),
    ("float32", 400, "Intensity_VV", "intensity", "label 'Intensity_VV'"),
    ("float32", 0.2, "Amplitude_VH", "amplitude", "label 'Amplitude_VH'"),
    ("float32", None, "", "db", "negative"),
    ("float32", None, "Sigma0_VV_db", "db", "label 'Sigma0_VV_db'"),
])
def test_auto_takes_what_the_product_is_and_says_why(tmp_path: Path, dtype: str, scale: float | None, label: str, expected: str,
                                                     why: str) -> None:
    power = speckled((96, 120), 4)
    values = 10 * np.log10(power) - 18 if scale is None else scale * (power if expected == "intensity" else np.sqrt(power))
    sar = bands(tmp_path / "sar.tif", values.astype(dtype), labels=(label,) if label else ())
    patch = seen(sar, tmp_path / "map")
    told = map_info(tmp_path / "map")["amplitude"]
    assert told["scale"] == expected and why in told["reason"]
    reference = seen(bands(tmp_path / "reference.tif", np.sqrt(power) * 100), tmp_path / "reference",
                     SarProduct(scale="amplitude"))
    both = patch.valid & reference.valid
    assert both.mean() > 0.9 and np.median(patch.image[both]) == pytest.approx(1, abs=0.05)
    # values were interpolated in their own scale, and digits are few
    assert np.median(np.abs(patch.image - reference.image)[both] / reference.image[both]) < 0.06


def test_a_scale_that_is_given_is_taken(tmp_path: Path) -> None:
    power = speckled((96, 120), 4)
    sar = bands(tmp_path / "sar.tif", (power * 1000).astype(np.uint16))
    right = seen(sar, tmp_path / "right", SarProduct(scale="intensity"))
    wrong = seen(sar, tmp_path / "wrong")
    np.testing.assert_allclose(right.image**2, wrong.image, rtol=1e-3, atol=1e-4)
    assert map_info(tmp_path / "right")["amplitude"]["reason"] == "given"
    with pytest.raises(InputError, match="--sar-scale db"):
        AmplitudeScale.of(sar, RasterFacts("float32", 1.0, -30, 3, -12.0), "intensity")


@pytest.mark.parametrize("scale", ["amplitude", "intensity", "db"])
def test_two_polarisations_are_joined_by_their_power(tmp_path: Path, scale: str) -> None:
    vv, vh = speckled((96, 120), 4, 1), speckled((96, 120), 4, 2) / 5
    as_product = {"amplitude": lambda p: np.sqrt(p) * 50, "intensity": lambda p: p, "db": lambda p: 10 * np.log10(p) - 30}[scale]
    sar = bands(tmp_path / "sar.tif", as_product(vv).astype(np.float32), as_product(vh).astype(np.float32))
    joined = seen(sar, tmp_path / "joined", SarProduct(scale=scale, combine="span"))
    whole_power = seen(bands(tmp_path / "whole.tif", as_product(vv + vh).astype(np.float32)), tmp_path / "whole",
                       SarProduct(scale=scale))
    both = joined.valid & whole_power.valid
    assert np.median(np.abs(joined.image / whole_power.image - 1)[both]) < 0.06
    assert map_info(tmp_path / "joined")["sar"]["bands"] == [1, 2]
    second = seen(sar, tmp_path / "second", SarProduct(scale=scale, band=2))
    alone = seen(bands(tmp_path / "vh.tif", as_product(vh).astype(np.float32)), tmp_path / "vh", SarProduct(scale=scale))
    np.testing.assert_array_equal(second.image, alone.image)


def test_two_bands_without_a_choice_are_refused_with_both_ways_out(tmp_path: Path) -> None:
    sar = bands(tmp_path / "sar.tif", *[np.ones((60, 60), np.uint8)] * 2)
    with pytest.raises(InputError, match=r"2 bands .*--band N or two with --combine span"):
        build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()))
    with pytest.raises(InputError, match="no band 3; its bands are 1, 2"):
        build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean(), product=SarProduct(band=3)))


def test_lee_smooths_fields_and_keeps_their_border() -> None:
    image = speckled((200, 200), 4)
    filtered = lee(image, np.ones(image.shape, bool), 4)
    left, right = np.s_[20:180, 20:80], np.s_[20:180, 120:180]
    for field_ in (left, right):
        assert filtered[field_].mean() == pytest.approx(image[field_].mean(), rel=0.02)
        looks_before, looks_after = (a[field_].mean() ** 2 / a[field_].var() for a in (image, filtered))
        assert looks_after > 4 * looks_before
    sharp = filtered[20:180, 96:104].mean(axis=0)
    boxed = multilooked(image, np.ones(image.shape, bool), 7)[20:180, 96:104].mean(axis=0)
    assert np.abs(np.diff(sharp)).max() > 1.3 * np.abs(np.diff(boxed)).max()


@settings(max_examples=20, deadline=None)
@given(looks=st.floats(1, 20), seed=st.integers(0, 99))
def test_filters_look_at_valid_pixels_alone_and_stay_within_them(looks: float, seed: int) -> None:
    image = speckled((40, 50), 4, seed)
    valid = np.random.default_rng(seed).random(image.shape) > 0.3
    spoilt = np.where(valid, image, np.float32(1e6))
    for one, other in ((lee(image, valid, looks), lee(spoilt, valid, looks)),
                       (multilooked(image, valid, 5), multilooked(spoilt, valid, 5))):
        np.testing.assert_array_equal(one[valid], other[valid])
        assert one[valid].min() >= image[valid].min() * (1 - 1e-5) and one[valid].max() <= image[valid].max() * (1 + 1e-5)


@dataclass(frozen=True)
class Amplitudes(BoxMean):
    """Descriptors that are the amplitude itself, so that a seam in it shows."""

    fingerprint: str = "amplitudes"
    seen: list[Patch] = field(default_factory=list, compare=False)

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        cells = np.s_[:patch.grid.height // 2 * 2:2, :patch.grid.width // 2 * 2:2]
        array = np.stack([patch.image[cells]] * 2)
        return DescriptorMap(array, patch.valid[cells], patch.grid.every(2), 2, self.groups(prompt.modality))


@pytest.fixture(scope="module")
def hills(tmp_path_factory: Any) -> tuple[Path, Path]:
    """SAR with an undeclared swath edge of zeros, and the DEM of steep ridges across several tiles."""
    folder = tmp_path_factory.mktemp("hills")
    sar = np.clip(np.sqrt(speckled((600, 640), 4)) * 60, 1, 255).astype(np.uint8)
    rows, cols = np.mgrid[0:600, 0:640]
    sar[cols < 40 + rows // 20] = 0
    sar[100:103, 300:303] = 0  # dark ground
    dem = (150 * np.abs(((rows + 2 * cols) % 240) - 120) / 40).astype(np.float32)
    return write(folder / "sar.tif", sar), write(folder / "dem.tif", dem)


def test_no_seams_whatever_is_filtered_and_masked(hills: tuple[Path, Path], tmp_path: Path) -> None:
    sar, dem = hills
    product = SarProduct(speckle="lee", looks=4, multilook=3, incidence_deg=35, look_deg=100)
    reference = build_map(Sources(sar, dem=dem), tmp_path / "map", BuildOptions(Amplitudes(), product=product))
    got = reference.descriptors(*whole(reference))
    patch = whole_patch(sar, dem, tmp_path, product)
    expected = Amplitudes().describe(patch, reference.prompt(0, 0, 1, 1))
    np.testing.assert_array_equal(got.valid, expected.valid)
    np.testing.assert_allclose(got.array[0][got.valid], expected.array[0][got.valid], rtol=1e-3)
    assert 0.3 < got.valid.mean() < 0.9


def test_coarser_levels_are_the_mean_of_what_was_filtered_and_masked(hills: tuple[Path, Path], tmp_path: Path) -> None:
    sar, dem = hills
    product = SarProduct(speckle="lee", looks=4, multilook=3, incidence_deg=35, look_deg=100)
    reference = build_map(Sources(sar, dem=dem), tmp_path / "map", BuildOptions(Amplitudes(), product=product, gsd=5.0, levels=2))
    assert reference.grid.width > reference.header.tile_px
    stored, scale = reference.image(0, 0, *reference.grid.shape[::-1]), AmplitudeScale("amplitude", 1.0, "")
    view = SarView(whole_view(sar), replace(scale, median=reference.header.amplitude.median), product, None)
    mean, valid = averaged(*(part[:part.shape[0] // 2 * 2, :part.shape[1] // 2 * 2]
                             for part in (view.amplitude(stored.image, stored.valid), stored.valid)))
    coarse = reference.at(1).image(0, 0, *reference.at(1).grid.shape[::-1])
    np.testing.assert_array_equal(coarse.valid, valid)
    np.testing.assert_allclose(coarse.image, mean, rtol=1e-3)
    assert 0.3 < valid.mean() < 0.9


def whole_view(sar: Path) -> RasterView:
    return RasterView.of(sar, map_frame(sar, None))


def whole_patch(sar: Path, dem: Path, folder: Path, product: SarProduct) -> Patch:
    """The map's amplitude read in one window."""
    views: list[SarView] = []

    @dataclass(frozen=True)
    class Spy(Amplitudes):
        def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
            raise InputError("enough")

    from promptmid_core.refmap.build import tile

    original = tile.TileTask.make

    def make(self: Any, *arguments: Any) -> Any:
        views.append(self.scenes[0].sar)
        return original(self, *arguments)

    with pytest.MonkeyPatch.context() as patched, pytest.raises(InputError, match="enough"):
        patched.setattr(tile.TileTask, "make", make)
        build_map(Sources(sar, dem=dem), folder / "spy", BuildOptions(Spy(), product=product))
    image, amplitude = views[0].read(0, 0, views[0].view.grid.width, views[0].view.grid.height)
    return Patch(amplitude, image.valid, image.grid)


def test_empty_ground_beside_the_swath_is_masked_and_dark_ground_is_not(hills: tuple[Path, Path], tmp_path: Path) -> None:
    reference = build_map(Sources(hills[0]), tmp_path / "map", BuildOptions(Amplitudes()))
    patch = reference.image(0, 0, reference.grid.width, reference.grid.height)
    scale = reference.grid.width / 640
    assert not patch.valid[50:450, :round(36 * scale)].any()
    assert patch.valid[20:480, round(80 * scale):-20].all()


def test_a_wall_shadows_what_lies_behind_and_lies_over_what_lies_before() -> None:
    """A plateau of 100 m seen by a radar that looks east: shadow of h tan(i) behind it, layover of h / tan(i) before it."""
    for incidence in (30, 45, 60):
        heights = np.zeros((9, 200), np.float32)
        heights[:, 80:120] = 100
        mask = hidden(heights, 5.0, radians(incidence), radians(90))
        shadow_cells, over = 100 * tan(radians(incidence)) / 5, 100 / tan(radians(incidence)) / 5
        line = mask[4]
        assert np.flatnonzero(line[120:]).size == pytest.approx(shadow_cells, abs=1.5) and line[120]
        assert np.flatnonzero(line[:80]).size == pytest.approx(over, abs=1.5) and line[79]
        assert np.flatnonzero(line[80:120]).size == pytest.approx(over, abs=1.5)  # the plateau's own front mixes with it
        turned = hidden(heights.T.copy(), 5.0, radians(incidence), radians(180))
        np.testing.assert_array_equal(turned.T, mask)
        np.testing.assert_array_equal(hidden(heights, 5.0, radians(incidence), radians(270))[:, ::-1],
                                      hidden(np.ascontiguousarray(heights[:, ::-1]), 5.0, radians(incidence), radians(90)))


def test_gentle_and_unknown_ground_hides_nothing() -> None:
    rows, cols = np.mgrid[0:50, 0:60]
    slope = (2.0 * cols + rows).astype(np.float32)
    assert not hidden(slope, 10.0, radians(39), radians(79)).any()
    slope[10:20, 10:30] = np.nan
    assert not hidden(slope, 10.0, radians(39), radians(79)).any()
    assert not hidden(np.full((5, 5), np.nan, np.float32), 10.0, radians(39), radians(79)).any()


@pytest.fixture(scope="module")
def world(tmp_path_factory: Any) -> World:
    """A world whose relief is made three times as high, so that a steep radar has something to hide."""
    return simulate_world(tmp_path_factory.mktemp("world"), WorldOptions.of(seed=5, size_px=512))


def test_shadow_is_where_the_simulation_has_it(world: World) -> None:
    """The renderer's own shadow, which is written quite differently, on a relief raised to have some."""
    with rasterio.open(world.dem) as source:
        heights = 6 * source.read(1)
    dark = shadow(heights, world.gsd_m, world.radar.look + np.pi, np.pi / 2 - radians(60)) > 0
    mask = hidden(heights, world.gsd_m, radians(60), world.radar.look)
    assert dark.mean() > 0.02
    assert mask[dark].mean() > 0.97
    assert dark[40:-40, 40:-40][~mask[40:-40, 40:-40]].mean() < 0.002


def test_a_product_that_is_not_terrain_corrected_states_its_error(world: World, tmp_path: Path) -> None:
    with rasterio.open(world.dem) as source:
        sigma = float(source.read(1).std())
    product = SarProduct(terrain_corrected="no", incidence_deg=39)
    reference = build_map(Sources(world.sar, dem=world.dem), tmp_path / "no", BuildOptions(load("structural"), product=product))
    assert reference.registration_sigma_m == pytest.approx(sigma / tan(radians(39)), rel=0.02)
    assert map_info(tmp_path / "no")["registration_sigma_m"] == reference.registration_sigma_m
    assert map_info(tmp_path / "no")["sar"]["terrain_corrected"] == "no"
    corrected = build_map(Sources(world.sar, dem=world.dem), tmp_path / "yes",
                          BuildOptions(load("structural"), product=replace(product, terrain_corrected="yes")))
    assert corrected.registration_sigma_m == 0


@pytest.mark.parametrize(("product", "named"), [
    (SarProduct(scale="linear"), "--sar-scale linear"),
    (SarProduct(combine="span", band=1), "one of these"),
    (SarProduct(combine="ratio"), "--combine span"),
    (SarProduct(multilook=2), "odd"),
    (SarProduct(speckle="frost"), "frost"),
    (SarProduct(speckle="lee"), "--looks"),
    (SarProduct(terrain_corrected="maybe"), "maybe"),
    (SarProduct(incidence_deg=90), "90"),
    (SarProduct(look_deg=79), "--incidence-deg"),
    (SarProduct(look_deg=790, incidence_deg=39), "790"),
    (SarProduct(look_deg=79, incidence_deg=39), "--dem"),
    (SarProduct(terrain_corrected="no", incidence_deg=39), "--dem"),
])
def test_what_makes_no_sense_is_refused_before_any_work(tmp_path: Path, product: SarProduct, named: str) -> None:
    with pytest.raises(InputError, match=named):
        build_map(Sources(tmp_path / "sar.tif"), tmp_path / "map", BuildOptions(BoxMean(), product=product))


def test_other_words_make_another_map(hills: tuple[Path, Path], tmp_path: Path) -> None:
    build_map(Sources(hills[0]), tmp_path / "map", BuildOptions(BoxMean()))
    with pytest.raises(InputError, match="other inputs or options"):
        build_map(Sources(hills[0]), tmp_path / "map", BuildOptions(BoxMean(), product=SarProduct(multilook=3)))
    assert isinstance(ReferenceMap.open(tmp_path / "map"), ReferenceMap)
