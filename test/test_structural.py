"""The structural descriptor: what it must not depend on, and what it must."""


import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptmid_core.descriptors import load
from promptmid_core.descriptors.cells import whole_cells
from promptmid_core.descriptors.radiometry import _memberships
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid, Patch
from promptmid_core.prompts.prompt import Modality, Prompt

OPTICAL, SAR = Prompt(Modality.OPTICAL), Prompt(Modality.SAR)
STRUCTURAL = load("structural")


def patch_of(image: np.ndarray, valid: np.ndarray | None = None) -> Patch:
    height, width = image.shape[:2]
    return Patch(image, np.ones((height, width), bool) if valid is None else valid, Grid(0, 0, 10.0, width, height))


def scene(size: int = 128, seed: int = 0) -> np.ndarray:
    """Fields of random brightness with sharp borders, float32 around 100."""
    rng = np.random.default_rng(seed)
    image = np.full((size, size), 100, np.float32)
    for _ in range(25):
        centre, extent = rng.uniform(0, size, 2), rng.uniform(8, 30, 2)
        box = cv2.boxPoints(
            ((float(centre[0]), float(centre[1])), (float(extent[0]), float(extent[1])), float(rng.uniform(0, 90)))
        )
        cv2.fillConvexPoly(image, box.astype(np.int32), float(rng.uniform(40, 200)))
    return image


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'sift'; known are structural"):
        load("sift")


def test_shape_stride_and_norm() -> None:
    described = STRUCTURAL.describe(patch_of(scene().astype(np.uint8)), OPTICAL)
    assert described.array.shape == (19, 64, 64)
    assert described.groups == STRUCTURAL.groups(Modality.OPTICAL)
    assert described.array.dtype == np.float32
    assert described.grid.gsd == 20.0
    assert described.grid.bounds == (-5.0, -1275.0, 1275.0, 5.0)
    by_strength, by_direction = described.array[:5], described.array[5:10]
    assert np.linalg.norm(by_strength, axis=0).max() < 1
    assert np.linalg.norm(by_direction, axis=0).max() < 0.701
    assert described.valid.all()


def test_both_modalities_have_the_same_groups() -> None:
    sar = STRUCTURAL.describe(patch_of(scene() / 100), SAR)
    optical = STRUCTURAL.describe(patch_of(scene().astype(np.uint8)), OPTICAL)
    assert [group.name for group, _ in sar.parts()] == [group.name for group, _ in optical.parts()] == ["gradient", "radiometry"]
    assert [len(channels) for _, channels in sar.parts()] == [10, 4]


def test_colour_is_told_from_colour_of_the_same_brightness() -> None:
    """Two fields that differ in colour alone: no gradient of grey tells them apart, the colour's channels do."""
    image = np.full((128, 128, 3), 90, np.uint8)
    image[:, ::32] += np.random.default_rng(0).integers(0, 9, (128, 4, 3), dtype=np.uint8)
    image[40:90, 40:90] = (120, 75, 88)
    described = STRUCTURAL.describe(patch_of(image), OPTICAL)
    colour = described.array[10:]
    inside, outside = colour[:, 25:40, 25:40].mean(axis=(1, 2)), colour[:, 5:15, 5:15].mean(axis=(1, 2))
    assert np.abs(inside - outside).max() > 0.3


def test_a_grey_image_has_all_its_channels_from_brightness() -> None:
    grey = STRUCTURAL.describe(patch_of(scene().astype(np.uint8)), OPTICAL).array[10:]
    assert (grey.std(axis=(1, 2)) > 0.01).sum() > 5


def test_a_flat_patch_says_nothing() -> None:
    described = STRUCTURAL.describe(patch_of(np.full((64, 64, 3), 77, np.uint8)), OPTICAL)
    assert np.isfinite(described.array).all()
    assert np.abs(described.array).max() < 1e-3


def test_an_optical_edge_is_the_same_in_the_negative() -> None:
    """The sign of a gradient says nothing across modalities."""
    bright = STRUCTURAL.describe(
        patch_of(np.full((64, 64), 40, np.uint8) + np.uint8(120) * (np.arange(64) > 31).astype(np.uint8)), OPTICAL
    )
    dark = STRUCTURAL.describe(
        patch_of(np.full((64, 64), 160, np.uint8) - np.uint8(120) * (np.arange(64) > 31).astype(np.uint8)), OPTICAL
    )
    on_edge = np.s_[:10, 8:24, 15:17]
    assert np.abs(bright.array[on_edge] - dark.array[on_edge]).max() < 0.02


@settings(max_examples=10, deadline=None)
@given(st.floats(0.0, 3.0))
def test_a_turned_edge_turns_the_harmonics(angle: float) -> None:
    """Cosine and sine of twice the angle of the gradient, and of four times."""
    y, x = np.mgrid[-32:32, -32:32]
    side = np.tanh((x * np.cos(angle) + y * np.sin(angle)) / 2)
    described = STRUCTURAL.describe(patch_of((128 + 80 * side).astype(np.uint8)), OPTICAL)
    _, c2, s2, c4, s4 = described.array[:5, 15:17, 15:17].mean(axis=(1, 2))
    assert (
        np.arctan2(s2, c2) == pytest.approx(np.arctan2(np.sin(2 * angle), np.cos(2 * angle)), abs=0.06)
        or np.pi - abs(angle * 2 % (2 * np.pi) - np.pi) < 0.1
    )
    assert np.hypot(c4, s4) > 0.02


def test_sar_gradients_do_not_depend_on_speckle_strength_times_brightness() -> None:
    """A ratio gradient responds to speckle alike on dark and on bright ground; a difference would be ten times stronger."""
    rng = np.random.default_rng(3)
    speckle = rng.gamma(4, 0.25, (128, 256)).astype(np.float32)
    level = np.where(np.arange(256) < 128, 0.5, 2.0).astype(np.float32)
    image = np.sqrt(speckle) * level
    strength = np.linalg.norm(STRUCTURAL.describe(patch_of(image), SAR).array[:5], axis=0)
    dark, bright = strength[:, 10:54].mean(), strength[:, 74:118].mean()
    assert bright / dark < 1.6


def test_optical_and_sar_views_of_the_same_ground_agree_better_than_of_other_ground() -> None:
    def likeness(a: np.ndarray, b: np.ndarray) -> float:
        a, b = a - a.mean(axis=(1, 2), keepdims=True), b - b.mean(axis=(1, 2), keepdims=True)
        return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))

    rng = np.random.default_rng(5)
    here, there = scene(seed=1), scene(seed=2)
    radar = (255 - here) / 128 * np.sqrt(rng.gamma(4, 0.25, here.shape))
    sar = STRUCTURAL.describe(patch_of(radar.astype(np.float32)), SAR).array[:5]
    same = likeness(STRUCTURAL.describe(patch_of(here.astype(np.uint8)), OPTICAL).array[:5], sar)
    other = likeness(STRUCTURAL.describe(patch_of(there.astype(np.uint8)), OPTICAL).array[:5], sar)
    assert same > 0.3
    assert abs(other) < 0.1


def test_a_hole_is_not_valid_and_its_rim_is_no_edge() -> None:
    image = (100 + 5 * np.random.default_rng(1).standard_normal((128, 128))).astype(np.float32)
    valid = np.ones((128, 128), bool)
    valid[40:80, 40:80] = False
    described = STRUCTURAL.describe(patch_of(np.where(valid, image, 0) / 100, valid), SAR)
    whole = STRUCTURAL.describe(patch_of(image / 100), SAR)
    assert not described.valid[20:40, 20:40].any()
    assert described.valid[:12, :12].all()
    strongest = np.linalg.norm(described.array, axis=0)[described.valid].max()
    assert strongest < 1.5 * np.linalg.norm(whole.array, axis=0).max()


def test_a_tile_with_its_halo_equals_the_whole() -> None:
    image = (scene(256, 7) / 100).astype(np.float32)
    whole = STRUCTURAL.describe(patch_of(image), SAR).array
    halo = STRUCTURAL.halo
    tile = STRUCTURAL.describe(patch_of(image[64 - halo : 128 + halo, 96 - halo : 160 + halo]), SAR).array
    inner = tile[:, halo // 2 : -(halo // 2), halo // 2 : -(halo // 2)]
    assert np.abs(inner - whole[:, 32:64, 48:80]).max() < 1e-5


def test_the_fingerprint_names_the_parameters() -> None:
    from dataclasses import replace

    from promptmid_core.descriptors.structural import Structural

    assert Structural().fingerprint == STRUCTURAL.fingerprint
    assert replace(Structural(), strength_sigma=1.5).fingerprint != STRUCTURAL.fingerprint


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_a_cell_is_whole_where_all_of_its_pixels_are_valid(stride: int) -> None:
    valid = np.random.default_rng(5).random((23, 31)) > 0.05
    height, width = 23 // stride, 31 // stride
    squares = valid[:height * stride, :width * stride].reshape(height, stride, width, stride)
    assert np.array_equal(whole_cells(valid, stride), squares.all(axis=(1, 3)))
    assert np.array_equal(whole_cells(np.ones((23, 31), bool), stride), np.ones((height, width), bool))


@pytest.mark.parametrize("levels", [1000, 3])
def test_memberships_are_triangles_between_the_quantiles(levels: int) -> None:
    """Also of an image of few grey levels, where several quantiles are one."""
    rng = np.random.default_rng(levels)
    axis, valid = (rng.integers(0, levels, (40, 50)) / 4).astype(np.float32), rng.random((40, 50)) > 0.2
    middles = np.maximum.accumulate(np.quantile(axis[valid].astype(float), np.linspace(0, 1, 4)) + np.arange(4) * 1e-4)
    place = np.interp(axis, middles, np.arange(4))
    for i, member in enumerate(_memberships(axis, valid, 4)):
        assert member == pytest.approx(np.maximum(0, 1 - np.abs(place - i)), abs=2e-3 if levels < 10 else 1e-5)
