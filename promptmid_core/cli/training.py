"""`promptmid train`: networks from data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from promptmid_core.cli.output import Bar
from promptmid_core.cli.parsing import command, group, names
from promptmid_core.errors import InputError


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    stages = group(commands, "train", "train the networks of the descriptor promptmid")
    option = command(
        stages, "student", _student, "train the onboard network, and write it as a profile",
        "promptmid train student --data pairs ../data world --sources ombria-floods,sen12-landuse --out trained").add_argument
    option("--data", type=Path, nargs="+", required=True, metavar="DIR",
           help="folders with pairs.csv, or with optical.tif, sar.tif and landcover.tif of one place")
    option("--sources", type=names, metavar="A,B", help="of a data set of several sources; default: all")
    option("--recipe", default="compact", metavar="NAME|FILE.yaml", help="compact or smoke, or a file; default: compact")
    option("--out", type=Path, required=True, metavar="DIR",
           help="gets a folder a cycle with checkpoint and curve, and the profile; the same command resumes there")


def _student(args: argparse.Namespace) -> None:
    try:
        import onnxscript  # noqa: F401
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise InputError(f"training needs {error.name}, which is not installed; "
                         "pip install 'promptmid_ros[train]' brings it") from error
    from promptmid_core.embeddings import load_encoder
    from promptmid_core.refmap.vocabulary import Vocabulary
    from promptmid_core.training.publish import publish
    from promptmid_core.training.recipe import Recipe
    from promptmid_core.training.record import run_record
    from promptmid_core.training.scenes import read_scenes
    from promptmid_core.training.student import train_student

    recipe = Recipe.read(args.recipe)
    scenes = read_scenes(args.data, args.sources)
    prompts = Vocabulary.encoded(load_encoder("minilm")).embeddings
    assert prompts is not None
    args.out.mkdir(parents=True, exist_ok=True)
    with Bar("train", "step") as progress:
        student = train_student(recipe, scenes, prompts, args.out, progress)
    profile = args.out / "compact"
    publish(student, prompts, "compact", recipe, profile, run_record(recipe, scenes))
    millions = sum(weights.numel() for weights in student.parameters()) / 1e6
    print(f"{profile}: {millions:.2f} million parameters; use it as promptmid:{profile}")
