"""`promptmid train`: networks from data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptmid_core.cli.output import Bar
from promptmid_core.cli.parsing import command, group, names
from promptmid_core.errors import InputError
from promptmid_core.files import make_folder, write_json, write_whole

if TYPE_CHECKING:
    import numpy as np

    from promptmid_core.networks.backbones import Backbones

DATA = "--data pairs ../data world --sources ombria-floods,sen12-landuse"


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    stages = group(commands, "train", "train the networks of the descriptor promptmid")
    _stage(stages, "promptdm", _promptdm, "stage 1: teach a diffusion network both sensors and their prompts",
           f"promptmid train promptdm --model CONFIG.yaml {DATA} --out promptdm", "full")
    _stage(stages, "aggregate", _aggregate, "stage 2: train the aggregation upon frozen backbones: the profile full",
           f"promptmid train aggregate --model promptdm/config.yaml {DATA} --out aggregated", "full")
    _stage(stages, "distill", _distill, "stage 3: train the onboard network after a teacher, the profile full",
           f"promptmid train distill --model aggregated/full/profile.yaml {DATA} --out distilled", "compact")
    _stage(stages, "student", _student, "train the onboard network from pairs alone",
           f"promptmid train student {DATA} --out trained", "compact")


def _stage(stages: Any, name: str, run: Any, text: str, example: str, recipe: str) -> None:
    option = command(stages, name, run, text, example).add_argument
    if name != "student":
        option("--model", type=Path, required=True, metavar="CONFIG.yaml", help="describes the checkpoints; docs/training.md")
        option("--allow-download", action="store_true", help="checkpoints that are ids of a model hub may be fetched")
    if name == "aggregate":
        option("--without", type=names, default=[], metavar="A,B",
               help="for ablations: diffusion or vision, a branch, or gate, which weighs the granularities; default: none")
    option("--data", type=Path, nargs="+", required=True, metavar="DIR",
           help="folders with pairs.csv, or with optical.tif, sar.tif and landcover.tif of one place")
    option("--sources", type=names, metavar="A,B", help="of a data set of several sources; default: all")
    option("--recipe", default=recipe, metavar="NAME|FILE.yaml", help=f"a recipe of the package, or a file; default: {recipe}")
    option("--out", type=Path, required=True, metavar="DIR",
           help="gets a folder a cycle with checkpoint and curve, and the result; the same command resumes there")


def _promptdm(args: argparse.Namespace) -> None:
    _check_installed("diffusers", "peft", "transformers")
    import yaml

    from promptmid_core.files import sha256
    from promptmid_core.networks.backbones import UNET, WEIGHTS
    from promptmid_core.training.loop import is_first
    from promptmid_core.training.promptdm import train_promptdm
    from promptmid_core.training.record import run_record

    backbones, recipe, scenes = _backbones(args), *_recipe_and_scenes(args)
    make_folder(args.out)
    with Bar("promptdm", "step") as progress:
        tuned_unet = train_promptdm(recipe, backbones, scenes, _prompts_of(backbones), args.out, progress)
    if not is_first():
        return
    found = sha256(tuned_unet / UNET / WEIGHTS[UNET])
    tuned = backbones.values() | {"unet": str(tuned_unet.resolve()), "sha256": backbones.sha256 | {UNET: found}}
    write_json(args.out / "run.json", run_record(recipe, scenes), args.out)
    write_whole(args.out / "config.yaml", yaml.safe_dump(tuned, sort_keys=False), args.out)
    print(f"{args.out / 'config.yaml'}: the model with the tuned U-Net; train the aggregation upon it with --model")


def _aggregate(args: argparse.Namespace) -> None:
    _check_installed("diffusers", "transformers")
    from dataclasses import replace

    from promptmid_core.training.aggregate import train_aggregation
    from promptmid_core.training.loop import is_first
    from promptmid_core.training.publish import publish_teacher
    from promptmid_core.training.record import run_record

    if unknown := set(args.without) - {"diffusion", "vision", "gate"}:
        raise InputError(f"--without {','.join(sorted(unknown))} is no part; parts are diffusion, vision and gate")
    backbones = _backbones(args)
    backbones = replace(backbones, without=tuple({*backbones.without, *args.without} - {"gate"}),
                        gated=backbones.gated and "gate" not in args.without)
    recipe, scenes = _recipe_and_scenes(args)
    prompts = _prompts_of(backbones)
    make_folder(args.out)
    with Bar("aggregate", "step") as progress:
        teacher, temperature = train_aggregation(recipe, backbones, scenes, prompts, args.out, progress)
    if not is_first():
        return
    profile = args.out / "full"
    publish_teacher(teacher, prompts, temperature, "full", recipe, profile, run_record(recipe, scenes))
    print(f"{profile}: use it as promptmid:full with --model {profile / 'profile.yaml'}")


def _distill(args: argparse.Namespace) -> None:
    _check_installed("diffusers", "transformers")
    from promptmid_core.networks.teacher import load_teacher
    from promptmid_core.runtime.profile import Profile
    from promptmid_core.training.publish import temperature_of
    from promptmid_core.training.student import as_describer

    profile = Profile.read(args.model)
    if profile.windows is None:
        raise InputError(f"{args.model} is not the profile of a teacher; name the profile.yaml that "
                         "'promptmid train aggregate' made")
    weights = profile.check(f"{profile.name}.safetensors")
    teacher = load_teacher(profile.network, profile.prompts.shape[-1], weights)
    _train_student(args, as_describer(teacher, profile.prompts, temperature_of(weights)))


def _student(args: argparse.Namespace) -> None:
    _train_student(args, None)


def _train_student(args: argparse.Namespace, teacher: Any) -> None:
    _check_installed("onnxscript")
    import numpy as np

    from promptmid_core.prompts.embeddings import load_encoder
    from promptmid_core.prompts.vocabulary import Vocabulary
    from promptmid_core.training.loop import is_first
    from promptmid_core.training.publish import publish, stressed
    from promptmid_core.training.record import run_record
    from promptmid_core.training.student import train_student

    recipe, scenes = _recipe_and_scenes(args)
    exact = Vocabulary.encoded(load_encoder("minilm")).embeddings
    assert exact is not None
    prompts = stressed(exact, recipe.prompt_strength).astype(np.float16).astype(np.float32)  # as a profile keeps them
    make_folder(args.out)
    with Bar("train", "step") as progress:
        student = train_student(recipe, scenes, prompts, args.out, progress, teacher)
    if not is_first():
        return
    profile = args.out / "compact"
    publish(student, prompts, "compact", recipe, profile, run_record(recipe, scenes))
    millions = sum(weights.numel() for weights in student.parameters()) / 1e6
    print(f"{profile}: {millions:.2f} million parameters; use it as promptmid:{profile}")


def _backbones(args: argparse.Namespace) -> Backbones:
    from promptmid_core.networks.backbones import Backbones

    backbones = Backbones.read(args.model)
    return backbones.downloaded() if args.allow_download else backbones


def _prompts_of(backbones: Backbones) -> np.ndarray:
    from promptmid_core.prompts.embeddings import ClipText
    from promptmid_core.prompts.vocabulary import Vocabulary

    embeddings = Vocabulary.encoded(ClipText(Path(backbones.diffusion))).embeddings
    assert embeddings is not None
    return embeddings


def _recipe_and_scenes(args: argparse.Namespace) -> tuple[Any, Any]:
    _check_installed("safetensors")
    from promptmid_core.training.recipe import Recipe
    from promptmid_core.training.scenes import read_scenes

    return Recipe.read(args.recipe), read_scenes(args.data, args.sources)


def _check_installed(*modules: str) -> None:
    from importlib import import_module

    for module in ("torch", *modules):
        try:
            import_module(module)
        except ImportError as error:
            raise InputError(f"training needs {error.name or module}, which is not installed; "
                             "pip install 'promptmid_ros[train]' brings it") from error
