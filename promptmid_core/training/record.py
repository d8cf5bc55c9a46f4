"""What a training run was made of, to stand beside its weights."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from promptmid_core import __version__
from promptmid_core.training.recipe import Recipe
from promptmid_core.training.scenes import TrainingScene, digest

PACKAGES = ("torch", "numpy", "opencv-python-headless", "onnx", "onnxscript", "safetensors")


def run_record(recipe: Recipe, scenes: Sequence[TrainingScene]) -> dict[str, Any]:
    """Recipe, scenes learnt from and held back by source, SHA-256 of their pixels, and versions."""
    learnt, held = recipe.divided(scenes)
    return {
        "recipe": asdict(recipe), "learnt": _counted(learnt), "held_back": _counted(held),
        "data_sha256": {"learnt": digest(learnt), "held_back": digest(held)},
        "versions": {"promptmid": __version__, "python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _counted(scenes: Sequence[TrainingScene]) -> dict[str, int]:
    return dict(Counter(scene.source for scene in scenes))
