"""Stage 2: the aggregation is trained upon frozen backbones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from promptmid_core.files import make_folder
from promptmid_core.networks.aggregation import Aggregation
from promptmid_core.networks.backbones import Backbones
from promptmid_core.networks.teacher import Teacher, build_teacher
from promptmid_core.training.loop import Batch, device, train
from promptmid_core.training.matching import OPTICAL, SAR, Describer, batches_of, judged, place_loss, surfaces, validation_batches
from promptmid_core.training.recipe import Recipe
from promptmid_core.training.samples import Geometry, Samples
from promptmid_core.training.scenes import TrainingScene

Progress = Callable[[int, int], None]


def train_aggregation(recipe: Recipe, backbones: Backbones, scenes: Sequence[TrainingScene], prompts: np.ndarray, out: Path,
                      progress: Progress | None = None) -> tuple[Teacher, float]:
    """Return a teacher whose aggregation is trained by a recipe, with the running average of its weights, and the temperature of
    the softmax over its scores. `out` gets a folder a cycle, from which the same call resumes."""
    learnt, held_back = recipe.divided(scenes)
    validation = validation_batches(recipe, held_back or learnt)
    torch.manual_seed(recipe.seed)
    teacher = build_teacher(backbones, prompts.shape[-1]).to(device())

    def frozen(images: Tensor, prompt: Tensor) -> list[Tensor]:
        return teacher.maps(images, prompt)

    describer: nn.Module = Describer(teacher.aggregation, prompts, frozen)
    for number, cycle in enumerate(recipe.cycles):
        samples = Samples(learnt, recipe.sources, recipe.seed + number, Geometry(**recipe.geometry))
        folder = out / f"cycle-{number + 1}"
        make_folder(folder, out)
        describer = train(describer, cycle, folder, batches_of(samples, cycle), _loss(describer),
                          lambda average: judged(average, validation), progress)
    assert isinstance(describer, Describer)
    assert isinstance(describer.net, Aggregation)
    teacher.aggregation = describer.net
    return teacher.cpu(), float(describer.temp[0].detach().exp())


def _loss(describer: nn.Module) -> Callable[[Batch, int], Tensor]:
    assert isinstance(describer, Describer)

    def loss(batch: Batch, step: int) -> Tensor:
        patches = describer.described(batch["optical"], OPTICAL, batch["landuse"])
        windows = describer.described(batch["sar"], SAR, batch["landuse"])
        return place_loss(*surfaces(patches, windows, step), batch["shift"] / describer.stride, describer)

    return loss
