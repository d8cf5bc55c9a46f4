"""The descriptor promptmid: its network, its profile, and that a map's tiles agree."""

import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations

import numpy as np
import pytest
import rasterio

from promptmid_core.descriptors import load
from promptmid_core.descriptors.inputs import SAR_REACH, optical_input, sar_input
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid, Patch
from promptmid_core.matching.surface import score_surface
from promptmid_core.prompts.prompt import LAND_USES, Modality, Prompt
from promptmid_core.runtime.profile import COMPACT, Profile
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world

SAR, OPTICAL = Prompt(Modality.SAR), Prompt(Modality.OPTICAL)


@pytest.fixture(scope="module")
def promptmid():
    return load("promptmid", threads=1)


def patch(image, valid=None):
    size = image.shape[:2]
    valid = np.ones(size, bool) if valid is None else valid
    return Patch(image, valid, Grid(0, 0, 1.0, size[1], size[0]))


@pytest.fixture(scope="module")
def amplitude():
    """Fields of different brightness under speckle, (320, 480)."""
    rng = np.random.default_rng(5)
    fields = np.kron(rng.uniform(0.4, 2.0, (10, 15)), np.ones((32, 32)))
    return np.asarray(fields * np.sqrt(rng.gamma(4, 1 / 4, fields.shape)), np.float32)


def learned(described):
    return described.only("learned")


def test_a_third_group_stands_beside_the_structural_ones(promptmid, amplitude):
    described = promptmid.describe(patch(amplitude), SAR)
    assert [group.name for group in described.groups] == ["gradient", "radiometry", "learned"]
    assert described.array.shape == (sum(group.channels for group in described.groups), 160, 240)
    assert np.isfinite(described.array).all()
    length = np.linalg.norm(learned(described).array, axis=0)
    assert 0 < length.min() < length.max() <= 1 + 1e-4


def test_a_tile_is_described_as_the_whole_is(promptmid, amplitude):
    whole = promptmid.describe(patch(amplitude), SAR).array
    halo, stride = promptmid.halo, promptmid.stride
    tile = promptmid.describe(patch(amplitude[160 - halo:, 160 - halo:320 + halo]), SAR).array
    inner = tile[:, halo // stride:, halo // stride:(160 + halo) // stride]
    expected = whole[:, 80:, 80:160]
    # half a step of float16 at unit size
    assert np.abs(inner - expected).max() < 2.0 ** -12


def test_what_lies_beyond_the_reach_does_not_matter(promptmid, amplitude):
    changed = amplitude.copy()
    changed[:, 240 + promptmid.halo:] = 1.0
    before, after = (promptmid.describe(patch(image), SAR).array[:, :, :120] for image in (amplitude, changed))
    assert np.abs(before - after).max() < 1e-5
    assert np.abs(promptmid.describe(patch(changed), SAR).array - promptmid.describe(patch(amplitude), SAR).array).max() > 0.1


@pytest.mark.parametrize("size", [(64, 64), (61, 75), (9, 130)])
def test_any_size_is_described(promptmid, size):
    image = np.random.default_rng(1).integers(0, 255, (*size, 3), np.uint8)
    assert promptmid.describe(patch(image), OPTICAL).array.shape[1:] == (size[0] // 2, size[1] // 2)


def test_grey_and_colour_alike_are_the_same(promptmid):
    grey = np.random.default_rng(2).integers(0, 255, (64, 64), np.uint8)
    one = learned(promptmid.describe(patch(grey), OPTICAL)).array
    three = learned(promptmid.describe(patch(np.repeat(grey[..., None], 3, 2)), OPTICAL)).array
    np.testing.assert_allclose(one, three, atol=1e-5)


def test_gain_and_offset_of_the_camera_do_not_matter(promptmid):
    image = np.random.default_rng(3).integers(60, 180, (96, 96, 3)).astype(np.float32)
    known = np.ones((96, 96), bool)
    np.testing.assert_allclose(optical_input(image, known), optical_input(image * 1.3 + 10, known), atol=0.06)


def test_how_a_product_stretches_contrast_hardly_matters_to_what_is_seen_in_boxes(amplitude):
    usual, faint = sar_input(amplitude), sar_input(amplitude ** np.float32(0.25))
    assert faint[0].std() < 0.4 * usual[0].std()
    for one, other in zip(usual[1:], faint[1:], strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.95
        assert other.std() == pytest.approx(one.std(), rel=0.15)


def test_a_part_of_a_product_is_seen_as_in_the_whole(amplitude):
    whole, part = sar_input(amplitude), sar_input(amplitude[40:, 24:])
    inner = np.s_[:, SAR_REACH:-SAR_REACH, SAR_REACH:-SAR_REACH]
    np.testing.assert_allclose(part[inner], whole[:, 40:, 24:][inner], atol=1e-3)


def test_amplitude_is_bounded_whatever_the_reflector():
    values = sar_input(np.array([[0, 1, 1e6]], np.float32))
    np.testing.assert_allclose(values[0], [[-3, 0, 3]], atol=1e-4)


@pytest.mark.parametrize("modality", list(Modality))
def test_the_prompt_changes_descriptors(promptmid, tmp_path, modality):
    """The contract: with prompts permuted the median cosine is below 0.999."""
    world = simulate_world(tmp_path, WorldOptions.of(seed=1, size_px=256))
    with rasterio.open(world.sar if modality is Modality.SAR else world.optical) as source:
        pixels = source.read().transpose(1, 2, 0)
    image = pixels[..., 0] / np.float32(np.median(pixels)) if modality is Modality.SAR else pixels
    described = [learned(promptmid.describe(patch(image), Prompt(modality, word))).array.astype(float) for word in LAND_USES]
    said = np.all([each.any(axis=0) for each in described], axis=0)
    assert said.mean() > 0.99  # of a cell without confidence nothing is left
    cosines = [(one * other).sum(0)[said] / (np.linalg.norm(one, axis=0) * np.linalg.norm(other, axis=0))[said]
               for one, other in combinations(described, 2)]
    assert np.median(cosines) < 0.999


def test_a_land_use_without_a_prompt_is_refused(promptmid, amplitude):
    with pytest.raises(InputError, match="knows no prompt 'a SAR image of moon'"):
        promptmid.describe(patch(amplitude), Prompt(Modality.SAR, "moon"))


def test_it_can_be_sent_to_another_process(promptmid, amplitude):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(promptmid.describe, patch(amplitude), SAR).result()
    np.testing.assert_array_equal(there.array, promptmid.describe(patch(amplitude), SAR).array)


def test_torch_gives_the_same_answer(promptmid, amplitude):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from promptmid_core.runtime.torch_network import TorchNetwork

    inputs = sar_input(amplitude)[None], np.ones(1, np.float32), promptmid.profile.embedding(SAR)
    (one, sure), (other, also) = promptmid.network(*inputs), TorchNetwork(promptmid.profile)(*inputs)
    assert ((one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)).min() > 0.99999
    np.testing.assert_allclose(sure, also, atol=1e-4)


def test_a_window_of_the_same_image_is_found(promptmid, amplitude):
    window = promptmid.describe(patch(amplitude[:192, :192]), SAR)
    inside = promptmid.describe(patch(amplitude[52:148, 44:140]), SAR)
    scores = score_surface(learned(inside), learned(window))
    row, col = np.unravel_index(scores.argmax(), scores.shape)
    assert (row * 2, col * 2) == (52, 44)


def test_the_network_does_not_tell_where_it_was_made():
    data = (COMPACT / "compact.onnx").read_bytes()
    assert b'File "' not in data
    assert b"site-packages" not in data


def test_the_profile_that_is_shipped_is_small():
    size = sum((COMPACT / name).stat().st_size for name in Profile.read(COMPACT).files)
    assert size < 12e6


@pytest.mark.parametrize("name", ["compact.onnx", "prompts.npy"])
def test_a_changed_file_is_refused(tmp_path, name):
    folder = tmp_path / "compact"
    shutil.copytree(COMPACT, folder)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name} is not the file that .*profile.yaml names"):
        load(f"promptmid:{folder}")


def test_a_folder_that_is_no_profile_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"profile.yaml cannot be read \(No such file"):
        load(f"promptmid:{tmp_path}")
