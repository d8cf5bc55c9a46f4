"""Training of the onboard network on pairs of known alignment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from promptmid_core.runtime.student import Student, StudentShape
from promptmid_core.training.loop import Batch, Schedule, train
from promptmid_core.training.losses import peak_loss, score_surfaces
from promptmid_core.training.recipe import Recipe
from promptmid_core.training.samples import Geometry, Sample, Samples
from promptmid_core.training.scenes import Scene

OPTICAL, SAR = 0, 1
TEMPERATURE = 30.0  # of the softmax over normalised correlations, at the beginning; it is learnt
BLOCK = 28  # cells: besides the whole patch (48), a part of it has to be found too
HIT_PX = 5.0
Progress = Callable[[int, int], None]


class Pupil(nn.Module):
    """A student with the embeddings (2, P, E) of its prompts and the temperatures of its two losses."""

    prompts: Tensor

    def __init__(self, shape: StudentShape, prompts: np.ndarray) -> None:
        super().__init__()
        self.net = Student(shape)
        self.temp = nn.Parameter(torch.full((2,), float(np.log(TEMPERATURE))))
        self.register_buffer("prompts", torch.from_numpy(np.asarray(prompts, np.float32)), persistent=False)

    def described(self, images: Tensor, modality: int, landuse: Tensor, *, half: bool = True) -> Tensor:
        """Images (N, 3, H, W) -> descriptors times confidence (N, C, H/2, W/2); `half`: mostly in bfloat16."""
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            told = torch.full((len(images),), float(modality))
            descriptors, confidence = self.net(images, told, self.prompts[modality][landuse])
        product: Tensor = descriptors * confidence
        return product


@dataclass(frozen=True)
class Numbered(Dataset[Sample]):
    """A stretch of the endless row of samples."""

    samples: Samples
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Sample:
        return self.samples[number]


def train_student(recipe: Recipe, scenes: Sequence[Scene], prompts: np.ndarray, out: Path,
                  progress: Progress | None = None) -> Student:
    """Train by a recipe and return the running average; `out` gets a folder a cycle, from which the same call resumes."""
    learnt, held_back = recipe.divided(scenes)
    validation = list(_validation(recipe, held_back or learnt))
    torch.manual_seed(recipe.seed)
    pupil: nn.Module = Pupil(StudentShape(**recipe.network), prompts)
    for number, cycle in enumerate(recipe.cycles):
        pupil = pupil.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        samples = Samples(learnt, recipe.sources, recipe.seed + number, Geometry())
        folder = out / f"cycle-{number + 1}"
        folder.mkdir(parents=True, exist_ok=True)
        pupil = train(pupil, cycle, folder, _batches(samples, cycle), _loss(pupil), lambda average: _judged(average, validation),
                      progress)
    assert isinstance(pupil, Pupil)
    return pupil.net


def _loss(pupil: nn.Module) -> Callable[[Batch, int], Tensor]:
    assert isinstance(pupil, Pupil)

    def loss(batch: Batch, step: int) -> Tensor:
        """Of the whole patch, and of a part of it that changes with the step."""
        patches = pupil.described(batch["optical"], OPTICAL, batch["landuse"])
        windows = pupil.described(batch["sar"], SAR, batch["landuse"])
        shifts = batch["shift"] / pupil.net.stride
        whole = peak_loss(score_surfaces(patches, windows), shifts, pupil.temp[0].exp()).mean()
        size, around = patches.shape[-1], windows.shape[-1]
        row, col = (int(at) for at in np.random.default_rng(step).integers(0, size - BLOCK + 1, 2))
        rows, cols = slice(row, row + BLOCK), slice(col, col + BLOCK)
        more_rows, more_cols = (slice(at.start, at.stop + around - size) for at in (rows, cols))
        part = score_surfaces(patches[..., rows, cols], windows[..., more_rows, more_cols])
        return whole + peak_loss(part, shifts, pupil.temp[1].exp()).mean()

    return loss


def _batches(samples: Samples, cycle: Schedule) -> Callable[[int], Iterable[Batch]]:
    count = cycle.steps * cycle.batch

    def batches(step: int) -> Iterable[Batch]:
        return DataLoader(Numbered(samples, count), batch_size=cycle.batch, sampler=range(step * cycle.batch, count),
                          num_workers=1, collate_fn=_stacked, prefetch_factor=6)

    return batches


def _stacked(samples: Sequence[Sample]) -> Batch:
    return {"optical": torch.from_numpy(np.stack([sample.optical for sample in samples])),
            "sar": torch.from_numpy(np.stack([sample.sar for sample in samples])),
            "shift": torch.from_numpy(np.stack([sample.shift for sample in samples])),
            "landuse": torch.tensor([sample.landuse for sample in samples])}


def _validation(recipe: Recipe, scenes: Sequence[Scene]) -> Iterable[Batch]:
    """Batches as a bench would draw them: patches of 64 px in windows of 128, unchanged."""
    geometry = Geometry(patch=64, window=128, zoom=(1.0, 1.0), raw_share=1.0)
    samples = Samples(scenes, recipe.sources, recipe.seed, geometry, augmented=False)
    size = 16
    for first in range(0, recipe.validation_samples, size):
        yield _stacked([samples[number] for number in range(first, first + size)])


@torch.no_grad()
def _judged(model: nn.Module, validation: Sequence[Batch]) -> dict[str, float]:
    """The mean loss and the share within 5 px on validation samples, with the neutral prompt."""
    assert isinstance(model, Pupil)
    losses, hits = [], []
    for batch in validation:
        neutral = torch.zeros_like(batch["landuse"])
        scores = score_surfaces(model.described(batch["optical"], OPTICAL, neutral, half=False),
                                model.described(batch["sar"], SAR, neutral, half=False))
        losses.append(peak_loss(scores, batch["shift"] / model.net.stride, model.temp[0].exp()))
        side = scores.shape[-1]
        best = scores.flatten(1).argmax(1)
        found = torch.stack([best % side, best // side], 1) - side // 2
        hits.append(torch.linalg.vector_norm(found * model.net.stride - batch["shift"], dim=1) <= HIT_PX)
    return {"validation_loss": float(torch.cat(losses).mean()), "validation_within_5px": float(torch.cat(hits).float().mean())}
