"""Training of the onboard network, from pairs of known alignment alone or also after what a teacher sees in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from promptmid_core.files import make_folder
from promptmid_core.networks.student import Student, StudentShape
from promptmid_core.networks.teacher import Teacher
from promptmid_core.training.imagenet import start_from_imagenet
from promptmid_core.training.loop import Batch, device, train
from promptmid_core.training.losses import log_chances
from promptmid_core.training.matching import OPTICAL, SAR, Describer, batches_of, judged, place_loss, surfaces, validation_batches
from promptmid_core.training.recipe import Recipe
from promptmid_core.training.samples import Geometry, Samples
from promptmid_core.training.scenes import TrainingScene

Progress = Callable[[int, int], None]


def train_student(recipe: Recipe, scenes: Sequence[TrainingScene], prompts: np.ndarray, out: Path,
                  progress: Progress | None = None, teacher: Describer | None = None) -> Student:
    """Train by a recipe and return the running average; `out` gets a folder a cycle, from which the same call resumes.

    With a teacher the student's chances over places are also drawn to the teacher's (Hinton et al. 2015, arXiv 1503.02531).
    """
    learnt, held_back = recipe.divided(scenes)
    validation = validation_batches(recipe, held_back or learnt)
    torch.manual_seed(recipe.seed)
    student = Student(StudentShape(**recipe.network))
    if recipe.pretrained:
        start_from_imagenet(student.encoder)
    describer: nn.Module = Describer(student, prompts)
    for number, cycle in enumerate(recipe.cycles):
        describer = describer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        samples = Samples(learnt, recipe.sources, recipe.seed + number, Geometry(**recipe.geometry))
        folder = out / f"cycle-{number + 1}"
        make_folder(folder, out)
        describer = train(describer, cycle, folder, batches_of(samples, cycle), _loss(describer, teacher, recipe.teaching),
                          lambda average: judged(average, validation), progress)
    assert isinstance(describer, Describer)
    assert isinstance(describer.net, Student)
    return describer.net


def as_describer(teacher: Teacher, prompts: np.ndarray, temperature: float) -> Describer:
    """Return a trained teacher as one who only looks; `temperature` of its softmax over normalised correlations."""
    multiple = teacher.multiple

    class Padded(nn.Module):
        stride = teacher.stride

        def forward(self, images: Tensor, told: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
            height, width = images.shape[2:]
            padded = nn.functional.pad(images, (0, -width % multiple, 0, -height % multiple), mode="replicate")
            found: tuple[Tensor, Tensor] = tuple(
                each[..., :height // self.stride, :width // self.stride] for each in teacher(padded, told, prompt))
            return found

    describer = Describer(Padded(), prompts).eval().requires_grad_(False)
    describer.temp.fill_(float(np.log(temperature)))
    return describer


def _loss(describer: nn.Module, teacher: Describer | None, teaching: float) -> Callable[[Batch, int], Tensor]:
    assert isinstance(describer, Describer)
    if teacher is not None:
        teacher.to(device())

    def loss(batch: Batch, step: int) -> Tensor:
        scores, part = surfaces(*_both(describer, batch), step)
        value = place_loss(scores, part, batch["shift"] / describer.stride, describer)
        if teacher is None:
            return value
        with torch.no_grad():
            taught, taught_part = surfaces(*_both(teacher, batch), step)
        pairs = ((scores, taught), (part, taught_part))
        for number, (own, other) in enumerate(pairs):
            chances = log_chances(other, teacher.temp[number].exp())
            apart = chances.exp() * (chances - log_chances(own, describer.temp[number].exp()))
            value = value + teaching * apart.sum((1, 2)).mean()
        return value

    return loss


def _both(describer: Describer, batch: Batch) -> tuple[Tensor, Tensor]:
    return (describer.described(batch["optical"], OPTICAL, batch["landuse"]),
            describer.described(batch["sar"], SAR, batch["landuse"]))
