"""The profile `full` on tiny checkpoints of the real classes: loaded, trained, described with, distilled."""

import hashlib
import json
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import yaml
from checkpoints import save_model
from optional import lacking

from promptmid_core.cli import main
from promptmid_core.descriptors import load, with_model
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid, Patch
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.runtime.backend import Wanted
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world

LACKING = lacking("torch", "accelerate", "diffusers", "onnx", "peft", "safetensors", "transformers")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}; no profile full")]
if not LACKING:
    import torch

    from promptmid_core.networks.backbones import Backbones
    from promptmid_core.networks.diffusion import DiffusionFeatures, load_unet, load_vae
    from promptmid_core.networks.teacher import build_teacher
    from promptmid_core.training.loop import STATE

SMOKE = {"network": {"encoder": [8, 8, 8, 12], "middle": 12, "coarse": 16, "blocks": [1, 1, 1]},
         "cycles": [{"steps": 4, "batch": 2, "rate": 1e-3, "warm_up": 1, "every": 2}],
         "seed": 1, "weight": 1.0, "evidence": [0.4, 0.5, 1.2, -5.0], "validation_samples": 16, "lora_rank": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    save_model(folder)
    simulate_world(folder / "world", WorldOptions.of(seed=3, size_px=384))
    (folder / "smoke.yaml").write_text(yaml.safe_dump(SMOKE))
    return folder


def train(folder, stage, model, out, *more):
    return main(["train", stage, "--model", str(folder / model), "--data", str(folder / "world"), "--recipe",
                 str(folder / "smoke.yaml"), "--out", str(folder / out), *more])


@pytest.fixture(scope="module")
def trained(folder):
    assert train(folder, "aggregate", "config.yaml", "aggregated") == 0
    return folder / "aggregated" / "full"


def patch(rows, cols, seed=0, left=0.0, top=0.0):
    image = np.random.default_rng(seed).gamma(4, 0.25, (rows, cols)).astype(np.float32)
    return Patch(image, np.ones((rows, cols), bool), Grid(left, top, 1.0, cols, rows))


def test_the_cut_network_gives_what_the_whole_one_has_there(folder):
    """Against the U-Net of diffusers itself, whose blocks are listened to."""
    backbones = Backbones.read(folder / "config.yaml")
    unet, vae = load_unet(backbones.folder("unet")), load_vae(backbones.folder("vae"))
    image, prompt = torch.randn(2, 3, 64, 64), torch.randn(2, 16, 32)
    heard = []
    hooks = [block.register_forward_hook(lambda _, __, output: heard.append(output)) for block in unet.up_blocks]
    with torch.no_grad():
        latents = vae.encode((image / 3).clamp(-1, 1)).latent_dist.mode() * vae.config.scaling_factor
        unet(latents, 50, encoder_hidden_states=prompt)
        for hook in hooks:
            hook.remove()
        for used in (1, 2):
            own = DiffusionFeatures(load_unet(backbones.folder("unet")), vae, 50, used)(image, prompt)
            assert len(own) == used
            for mine, theirs in zip(own, heard, strict=False):
                torch.testing.assert_close(mine, theirs)


def test_tiles_agree_with_the_whole(trained):
    """As the builder cuts them: a tile with its halo, against the level described whole."""
    descriptor = load(f"promptmid:{trained}")
    assert descriptor.halo == 64
    whole = patch(320, 384)
    prompt = Prompt(Modality.SAR, "cropland")
    all_cells = descriptor.describe(whole, prompt).array
    row, col, size, halo = 128, 192, 128, descriptor.halo
    around = Patch(whole.image[row - halo:row + size + halo, col - halo:], whole.valid[row - halo:row + size + halo, col - halo:],
                   Grid(col - halo, -(row - halo), 1.0, 384 - col + halo, size + 2 * halo))
    tile = descriptor.describe(around, prompt).array[:, halo // 2:(halo + size) // 2, halo // 2:]
    np.testing.assert_allclose(tile, all_cells[:, row // 2:(row + size) // 2, col // 2:], atol=2e-4)


def test_descriptors_are_what_the_interface_says(trained):
    descriptor = load(with_model("promptmid:full", trained / "profile.yaml"))
    seen = {landuse: descriptor.describe(patch(130, 150), Prompt(Modality.OPTICAL, landuse)) for landuse in (None, "water")}
    array = seen[None].only("learned").array
    assert array.shape == (16, 65, 75)
    lengths = np.linalg.norm(array, axis=0)
    assert 0 < lengths.min() <= lengths.max() <= 1 + 1e-4
    assert not np.array_equal(array, seen["water"].only("learned").array)
    assert descriptor.choice.backend == "torch"


def test_every_stage_runs_on_and_hands_on(folder, trained, capsys):
    """promptdm -> aggregate -> distill, each from what the one before wrote."""
    assert train(folder, "promptdm", "config.yaml", "promptdm") == 0
    tuned = Backbones.read(folder / "promptdm" / "config.yaml")
    before = load_unet(Backbones.read(folder / "config.yaml").folder("unet")).state_dict()
    after = load_unet(tuned.folder("unet")).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(".to_" in name for name in changed)  # the adapters are those of the attention
    assert train(folder, "aggregate", "promptdm/config.yaml", "again") == 0
    assert load(f"promptmid:{folder / 'again' / 'full'}").fingerprint != load(f"promptmid:{trained}").fingerprint
    assert train(folder, "distill", "again/full/profile.yaml", "distilled") == 0
    student = load(f"promptmid:{folder / 'distilled' / 'compact'}")
    assert student.describe(patch(64, 64), Prompt(Modality.SAR)).array.shape[1:] == (32, 32)


class Stop(BaseException):
    pass


def test_aggregation_resumes_bit_for_bit(folder, trained, monkeypatch):
    """Stopped between two checkpoints, as by a kill."""
    out = folder / "interrupted"

    def stopping(step, of):
        if step == 3:
            raise Stop

    monkeypatch.setattr("promptmid_core.cli.train.Bar", lambda *_: nullcontext(stopping))
    with pytest.raises(Stop):
        train(folder, "aggregate", "config.yaml", "interrupted")
    monkeypatch.undo()
    assert (out / "cycle-1" / STATE).exists()
    assert train(folder, "aggregate", "config.yaml", "interrupted") == 0
    digests = [hashlib.sha256((where / "full.safetensors").read_bytes()).hexdigest() for where in (out / "full", trained)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("part", ["diffusion", "vision", "gate"])
def test_a_part_left_out_is_not_run(folder, part):
    backbones = Backbones.read(folder / "config.yaml")
    backbones = replace(backbones, gated=False) if part == "gate" else replace(backbones, without=(part,))
    teacher = build_teacher(backbones, 32)
    assert (teacher.diffusion is None, teacher.vision is None, teacher.aggregation.gate is None) == (
        part == "diffusion", part == "vision", part == "gate")
    descriptors, _ = teacher.eval()(torch.zeros(1, 3, 64, 64), torch.zeros(1), torch.zeros(1, 16, 32))
    assert descriptors.shape == (1, 16, 32, 32)


@pytest.mark.parametrize(("change", "told"), [
    (lambda config: config.pop("sha256"), "no SHA-256 is pinned for .* add to sha256: 'unet: [0-9a-f]{64}'"),
    (lambda config: config["sha256"].update(vae="0" * 64), "is not the file that was pinned"),
    (lambda config: config.update(vision="nowhere"), "model.safetensors is not there"),
    (lambda config: config.update(side_px=100), "must be multiples of 64"),
    (lambda config: config.update(without=["diffusion", "vision"]), "leaves no branch"),
    (lambda config: config.update(up_blocks=3), "up_blocks is 3, but the U-Net has 2"),
    (lambda config: config.update(vision_layers=[3]), "the vision model has the layers 1 to 2"),
    (lambda config: config.update(colour="red"), "its words are diffusion, vision"),
])
def test_a_model_that_does_not_fit_is_refused(folder, change, told):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    change(config)
    path = folder / "changed.yaml"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match=told):
        build_teacher(Backbones.read(path), 32)


def test_prompts_of_another_checkpoint_are_refused(folder):
    with pytest.raises(InputError, match="attends to embeddings of 32 values, the text encoder gives 48"):
        build_teacher(Backbones.read(folder / "config.yaml"), 48)


def test_a_model_that_is_not_trained_is_told_so(folder, capsys):
    assert main(["bench", "nowhere", "--methods", "promptmid:full", "--model", str(folder / "config.yaml")]) == 1
    assert "train aggregate" in capsys.readouterr().err
    assert main(["bench", "nowhere", "--methods", "promptmid:full"]) == 1
    assert "--model CONFIG.yaml" in capsys.readouterr().err


def test_a_map_is_built_with_the_users_model(folder, trained, tmp_path, capsys):
    command = ["map", "build", str(folder / "world" / "sar.tif"), str(tmp_path / "map"), "--descriptor", "promptmid:full"]
    assert main([*command, "--model", str(trained / "profile.yaml"), "--levels", "1"]) == 0
    capsys.readouterr()
    assert main(["map", "info", str(tmp_path / "map"), "--json"]) == 0
    assert load(f"promptmid:{trained}").fingerprint in json.dumps(json.loads(capsys.readouterr().out))


def test_it_is_exported_whole_and_runs_from_that_file(trained, tmp_path, capsys):
    """Resizes, prompt and unit norm inside; the map's descriptor says which file it is."""
    file = tmp_path / "full16.onnx"
    command = ["export", "onnx", "--profile", "full", "--model", str(trained / "profile.yaml"), "--precision", "float16"]
    assert main([*command, "--out", str(file)]) == 0
    assert "images of 128 px" in capsys.readouterr().out
    own, exported = (load(f"promptmid:{trained}", wanted=wanted) for wanted in (
        Wanted("torch"), Wanted("onnxruntime", network=file)))
    prompt = Prompt(Modality.SAR, "forest")
    one, other = (each.describe(patch(128, 192), prompt).only("learned").array for each in (own, exported))
    cosine = (one * other).sum(0) / np.linalg.norm(one, axis=0) / np.linalg.norm(other, axis=0)
    assert np.percentile(cosine, 1) > 0.99
