"""Training: from data to a profile that flies, and on from where it was stopped."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from optional import lacking

from promptmid_core.cli import main
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid, Patch
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world

LACKING = lacking("torch", "accelerate", "safetensors")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}; no training")]
if not LACKING:
    import torch

    from promptmid_core.networks.encoder import Depthwise
    from promptmid_core.training.losses import peak_loss, score_surfaces
    from promptmid_core.training.publish import stressed
    from promptmid_core.training.recipe import Recipe
    from promptmid_core.training.samples import Geometry, Samples
    from promptmid_core.training.scenes import TrainingScene, read_scenes
    from promptmid_core.training.student import train_student


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "world"
    simulate_world(folder, WorldOptions.of(seed=3, size_px=512))
    return folder


@pytest.fixture(scope="module")
def prompts():
    return np.random.default_rng(0).normal(0, 0.05, (2, 10, 384)).astype(np.float32)


def dots(size=400):
    """A scene in which both sensors see the same points, the radar as bright, the camera as dark ones."""
    rng = np.random.default_rng(4)
    sar = np.full((size, size), 1.0, np.float32)
    sar[rng.integers(0, size, 900), rng.integers(0, size, 900)] = 9.0
    optical = np.repeat((220 - 20 * sar).astype(np.uint8)[..., None], 3, 2)
    return TrainingScene("dots", "0", "dots", optical, sar, np.ones((size, size), bool), np.zeros((size, size), np.uint8))


def test_a_sample_says_where_the_patch_lies():
    """Found again by plain correlation of what both sensors see."""
    samples = Samples([dots()], {}, 1, Geometry(raw_share=0.5, turn_error_deg=0, zoom_error=0), augmented=False)
    errors = []
    for number in range(24):
        sample = samples[number]
        patch, window = torch.from_numpy(-sample.optical)[None, :1], torch.from_numpy(sample.sar)[None, :1]
        scores = score_surfaces(patch, window)[0]
        row, col = np.unravel_index(int(scores.argmax()), scores.shape)
        errors.append(np.hypot(col - scores.shape[1] // 2 - sample.shift[0], row - scores.shape[0] // 2 - sample.shift[1]))
    assert np.median(errors) < 0.75
    assert max(errors) < 2


def test_a_sample_depends_on_seed_and_number_alone(world):
    scenes = read_scenes([world])
    first, again = Samples(scenes, {}, 5), Samples(scenes, {}, 5)
    again[3]
    for one, other in zip((first[9].optical, first[9].sar, first[9].shift), (again[9].optical, again[9].sar, again[9].shift),
                          strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first[9].optical, first[10].optical)


def test_the_loss_is_least_where_the_peak_is_right():
    scores = torch.zeros(1, 9, 9)
    scores[0, 6, 3] = 1.0  # 2 cells down, 1 left
    right, wrong = (float(peak_loss(scores, torch.tensor([shift]), torch.tensor(10.0))) for shift in ([-1.0, 2.0], [2.0, -1.0]))
    assert right < wrong - 1


def test_scores_are_normalised_correlations():
    random = torch.Generator().manual_seed(0)
    patch, window = torch.randn(2, 3, 6, 6, generator=random), torch.randn(2, 3, 10, 10, generator=random)
    scores = score_surfaces(patch, window)
    patch, window = (each - each.mean((2, 3), keepdim=True) for each in (patch, window))
    for row, col in np.ndindex(5, 5):
        part = window[..., row:row + 6, col:col + 6]
        wanted = torch.nn.functional.cosine_similarity(patch.flatten(1), part.flatten(1))
        torch.testing.assert_close(scores[:, row, col], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_convolutions_train_in_float32_beside_bfloat16(stride):
    torch.manual_seed(0)
    convolution = Depthwise(4, 5, stride)
    image = torch.randn(1, 4, 16, 16).bfloat16()
    plain = torch.nn.functional.conv2d(image.float(), convolution.weight, convolution.bias, stride, 2, groups=4)
    wanted = torch.autograd.grad(plain.square().sum(), convolution.weight)[0]
    with torch.autocast("cpu", torch.bfloat16):
        trained, flown = convolution(image), convolution.eval()(image)
    assert (trained.dtype, flown.dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(torch.autograd.grad(trained.square().sum(), convolution.weight)[0], wanted)


def test_world_has_prompts_by_its_land_cover(world):
    scene, = read_scenes([world])
    assert len(np.unique(scene.landuse)) > 3
    assert abs(float(np.median(scene.sar[scene.valid])) - 1) < 1e-3


def short(**changes):
    recipe = Recipe.read("smoke")
    return replace(recipe, cycles=recipe.cycles[:1], **changes)


def test_it_learns(world, prompts, tmp_path):
    recipe = short(validation_samples=16)
    recipe = replace(recipe, cycles=(replace(recipe.cycles[0], steps=60, every=30, rate=5e-3),))
    train_student(recipe, [dots(), *read_scenes([world])], prompts, tmp_path)
    with (tmp_path / "cycle-1" / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[1]["loss"]) < float(rows[0]["loss"]) - 0.1
    each = [float(rows[1][f"{source}_within_5px"]) for source in ("dots", "world")]
    assert float(rows[1]["validation_within_5px"]) == pytest.approx(np.mean(each))


def test_training_resumes_bit_for_bit(world, prompts, tmp_path):
    scenes, recipe = read_scenes([world]), short(validation_samples=16)
    whole = train_student(recipe, scenes, prompts, tmp_path / "whole")

    class Stopped(Exception):
        pass

    def stop(step, steps):
        if step == recipe.cycles[0].every + 2:
            raise Stopped

    with pytest.raises(Stopped):
        train_student(recipe, scenes, prompts, tmp_path / "stopped", stop)
    resumed = train_student(recipe, scenes, prompts, tmp_path / "stopped")
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    curves = [(tmp_path / run / "cycle-1" / "curve.csv").read_text().count("\n") for run in ("whole", "stopped")]
    assert curves[0] == curves[1]


def test_a_checkpoint_of_another_network_is_refused(world, prompts, tmp_path):
    scenes, recipe = read_scenes([world]), short(validation_samples=16)
    train_student(recipe, scenes, prompts, tmp_path)
    other = replace(recipe, network={**recipe.network, "coarse": 24})
    with pytest.raises(InputError, match="does not continue this training"):
        train_student(other, scenes, prompts, tmp_path)


def test_stressed_prompts_keep_the_neutral_one_and_move_the_others_away(prompts):
    moved = stressed(prompts, 2.0)
    np.testing.assert_array_equal(moved[:, 0], prompts[:, 0])
    np.testing.assert_allclose(moved[:, 1:] - moved[:, :1], 2 * (prompts[:, 1:] - prompts[:, :1]), atol=1e-6)


def test_from_data_to_a_profile_that_flies(world, tmp_path, capfd):
    out = tmp_path / "trained"
    command = ["train", "student", "--recipe", "smoke", "--data", str(world), "--out", str(out)]
    assert main(command) == 0, capfd.readouterr().err
    record = json.loads((out / "compact" / "run.json").read_text())
    assert record["learnt"] == {"world": 1}
    assert b'File "' not in (out / "compact" / "compact.onnx").read_bytes()
    descriptor = load(f"promptmid:{out / 'compact'}", threads=1)
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    described = descriptor.describe(Patch(image, np.ones((64, 64), bool), Grid(0, 0, 1, 64, 64)), Prompt(Modality.OPTICAL))
    assert described.array.shape == (35, 32, 32)
    assert descriptor.fingerprint != load("promptmid", threads=1).fingerprint
    # done already: nothing is trained again
    states = {path: path.stat().st_mtime_ns for path in out.glob("cycle-*/state.safetensors")}
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("cycle-*/state.safetensors")} == states


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--recipe", "smoke", "--data", "{nothing}"], "is no training data"),
    (["--recipe", "none-such", "--data", "{world}"], "there is no recipe none-such"),
])
def test_bad_input_is_one_sentence(world, tmp_path, capfd, arguments, sentence):
    filled = [text.format(nothing=tmp_path, world=world) for text in arguments]
    assert main(["train", "student", "--out", str(tmp_path / "out"), *filled]) == 1
    assert sentence in capfd.readouterr().err
