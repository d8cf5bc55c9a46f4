"""What all stages that end in descriptors share: the loss on found places, batches, and what validation asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from promptmid_core.training.loop import Batch, Schedule
from promptmid_core.training.losses import peak_loss, score_surfaces
from promptmid_core.training.recipe import Recipe
from promptmid_core.training.samples import Geometry, Sample, Samples
from promptmid_core.training.scenes import TrainingScene

OPTICAL, SAR = 0, 1
TEMPERATURE = 30.0  # of the softmax over normalised correlations, at the beginning; it is learnt
PART = 7 / 12  # of the patch's side: besides the whole, a part of it has to be found too
HIT_PX = 5.0
# images (N, 3, H, W) and prompts (N, ...) -> maps of frozen networks
Frozen = Callable[[Tensor, Tensor], list[Tensor]]


class Describer(nn.Module):
    """A network with the embeddings (2, P, ...) of its prompts and the temperatures of its two losses.

    With `frozen`, whose maps the network takes besides the image: a function, so that neither copies nor checkpoints of the
    describer hold the weights behind it.
    """

    prompts: Tensor

    def __init__(self, net: nn.Module, prompts: np.ndarray, frozen: Frozen | None = None) -> None:
        super().__init__()
        self.net, self.frozen = net, frozen
        self.temp = nn.Parameter(torch.full((2,), float(np.log(TEMPERATURE))))
        self.register_buffer("prompts", torch.from_numpy(np.asarray(prompts, np.float32)), persistent=False)

    @property
    def stride(self) -> int:
        return int(self.net.stride)  # type: ignore[arg-type]

    def described(self, images: Tensor, modality: int, landuse: Tensor, *, half: bool = True) -> Tensor:
        """Return images (N, 3, H, W) -> descriptors times confidence (N, C, H/2, W/2); `half`: mostly in bfloat16 where that is
        fast."""
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=half and fast_in_half(images.device)):
            told, prompt = torch.full((len(images),), float(modality), device=images.device), self.prompts[modality][landuse]
            if self.frozen is None:
                descriptors, confidence = self.net(images, told, prompt)
            else:
                descriptors, confidence = self.net(images, self.frozen(images, prompt), told, prompt.mean(1))
        product: Tensor = descriptors * confidence
        return product


def fast_in_half(device: torch.device) -> bool:
    """Return whether the device computes in bfloat16; a processor that only imitates it takes ten times as long as in float32."""
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    return bool(device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False))


@dataclass(frozen=True)
class Numbered(Dataset[Sample]):
    """The endless row of samples."""

    samples: Samples

    def __getitem__(self, number: int) -> Sample:
        return self.samples[number]


def place_loss(scores: Tensor, part: Tensor, shifts: Tensor, describer: Describer) -> Tensor:
    """Return the loss of the surfaces of the whole patch and of a part of it, against the true shifts in cells."""
    whole = peak_loss(scores, shifts, describer.temp[0].exp()).mean()
    return whole + peak_loss(part, shifts, describer.temp[1].exp()).mean()


def surfaces(patches: Tensor, windows: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """Return scores of whole patches (N, C, p, p) in windows (N, C, p+2r, p+2r), and of a part of them that changes with the
    step."""
    size, around = patches.shape[-1], windows.shape[-1]
    block = round(PART * size)
    row, col = (int(at) for at in np.random.default_rng(step).integers(0, size - block + 1, 2))
    rows, cols = slice(row, row + block), slice(col, col + block)
    more_rows, more_cols = (slice(at.start, at.stop + around - size) for at in (rows, cols))
    return score_surfaces(patches, windows), score_surfaces(patches[..., rows, cols], windows[..., more_rows, more_cols])


def batches_of(samples: Samples, cycle: Schedule) -> Callable[[int], Iterable[Batch]]:
    """Return the batches of a cycle from a step on."""
    def batches(step: int) -> Iterable[Batch]:
        return DataLoader(Numbered(samples), batch_size=cycle.batch, sampler=own_share(step, cycle), num_workers=1,
                          collate_fn=_stacked, prefetch_factor=6)

    return batches


def own_share(step: int, cycle: Schedule) -> list[int]:
    """Return the numbers of the samples that this process takes from a step on: of each step's samples a batch a process."""
    state = PartialState()
    shares = (now * state.num_processes + state.process_index for now in range(step, cycle.steps))
    return [number for share in shares for number in range(share * cycle.batch, (share + 1) * cycle.batch)]


def validation_batches(recipe: Recipe, scenes: Sequence[TrainingScene]) -> dict[str, list[Batch]]:
    """Draw samples as a bench would draw them, as many of each source: patches of 64 px in windows of 128, unchanged."""
    geometry, size = Geometry(patch=64, window=128, zoom=(1.0, 1.0), raw_share=1.0), 16
    sources = sorted({scene.source for scene in scenes})
    found = {}
    for source in sources:
        samples = Samples([scene for scene in scenes if scene.source == source], {}, recipe.seed, geometry, augmented=False)
        found[source] = [_stacked([samples[number] for number in range(first, first + size)])
                         for first in range(0, -(-recipe.validation_samples // len(sources)), size)]
    return found


@torch.no_grad()
def judged(model: nn.Module, validation: Mapping[str, Sequence[Batch]]) -> dict[str, float]:
    """Return the mean loss and the share within 5 px on validation samples, with the neutral prompt, and that share for each
    source."""
    by_source = {source: _judged(model, batches) for source, batches in validation.items()}
    losses, hits = (torch.cat(values) for values in zip(*by_source.values(), strict=True))
    return {"validation_loss": float(losses.mean()), "validation_within_5px": float(hits.mean()),
            **{f"{source}_within_5px": float(found.mean()) for source, (_, found) in by_source.items()}}


def _judged(model: nn.Module, validation: Sequence[Batch]) -> tuple[Tensor, Tensor]:
    """Losses (N,) and whether the place was found (N,), 0 or 1."""
    assert isinstance(model, Describer)
    losses, hits = [], []
    for batch in validation:
        batch = {name: value.to(model.temp.device) for name, value in batch.items()}
        neutral = torch.zeros_like(batch["landuse"])
        scores = score_surfaces(model.described(batch["optical"], OPTICAL, neutral, half=False),
                                model.described(batch["sar"], SAR, neutral, half=False))
        losses.append(peak_loss(scores, batch["shift"] / model.stride, model.temp[0].exp()))
        side = scores.shape[-1]
        best = scores.flatten(1).argmax(1)
        found = torch.stack([best % side, best // side], 1) - side // 2
        hits.append(torch.linalg.vector_norm(found * model.stride - batch["shift"], dim=1) <= HIT_PX)
    return torch.cat(losses), torch.cat(hits).float()


def _stacked(samples: Sequence[Sample]) -> Batch:
    return {"optical": torch.from_numpy(np.stack([sample.optical for sample in samples])),
            "sar": torch.from_numpy(np.stack([sample.sar for sample in samples])),
            "shift": torch.from_numpy(np.stack([sample.shift for sample in samples])),
            "landuse": torch.tensor([sample.landuse for sample in samples])}
