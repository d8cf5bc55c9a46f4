"""The loop that all stages share: optimise, average, look at validation, checkpoint, resume."""

from __future__ import annotations

import copy
import csv
import io
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from promptmid_core.files import write_whole
from promptmid_core.folders import clear_partials
from promptmid_core.networks.encoder import Encoder
from promptmid_core.training.state import CURE, load_state, save_state

STATE = "state.safetensors"
CURVE = "curve.csv"
Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Schedule:
    """`steps` in all, `rate` the highest learning rate, reached after `warm_up` steps and lowered along a cosine to a hundredth;
    an Encoder learns at the share `encoder_rate` of it; `average`: share of the running average of weights that a step keeps; a
    checkpoint every `every` steps."""

    steps: int
    batch: int = 16
    rate: float = 2e-3
    encoder_rate: float = 1.0
    warm_up: int = 200
    decay: float = 1e-2
    average: float = 0.998
    every: int = 500

    def at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        return self.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def train(model: nn.Module, schedule: Schedule, out: Path, batches: Callable[[int], Iterable[Batch]],
          loss: Callable[[Batch, int], Tensor], validate: Callable[[nn.Module], dict[str, float]],
          progress: Callable[[int, int], None] | None = None) -> nn.Module:
    """Train `model` in place and return the running average of its weights.

    On a GPU if there is one, and as one of several processes that 'accelerate launch' started, which average their gradients; the
    first of them writes. Statistics of normalisations are those of the first's batches.

    `batches(step)` gives the batches from that step on; `loss(batch, step)` one number; `validate` is asked of the average at
    each checkpoint. `out` gets the state of the run, from which the same call goes on bit for bit, and `curve.csv`.
    """
    accelerator = Accelerator()
    model.to(accelerator.device)
    groups = _groups(model, schedule)
    parameters = [parameter for group in groups for parameter in group["params"]]
    optimiser = torch.optim.AdamW(groups, lr=schedule.rate, weight_decay=schedule.decay, betas=(0.9, 0.98))
    average = copy.deepcopy(model).eval()
    step, state = 0, out / STATE
    if accelerator.is_main_process:
        clear_partials(out)
    if state.exists():
        step = load_state(state, model, average, optimiser)
    model.train()
    losses, began = [], time.monotonic()
    for batch in _only(batches(step), schedule.steps - step):
        for group in optimiser.param_groups:
            group["lr"] = schedule.at(step) * group["share"]
        value = loss({name: tensor.to(accelerator.device) for name, tensor in batch.items()}, step)
        optimiser.zero_grad(set_to_none=True)
        accelerator.backward(value)
        if accelerator.num_processes > 1:
            for parameter in parameters:
                parameter.grad = accelerator.reduce(parameter.grad, "mean")
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step += 1
        _averaged(average, model, min(schedule.average, step / (step + 10)))
        losses.append(float(value.detach()))
        if progress and accelerator.is_main_process:
            progress(step, schedule.steps)
        if (step % schedule.every == 0 or step == schedule.steps) and accelerator.is_main_process:
            save_state(state, step, model, average, optimiser)
            seconds = (time.monotonic() - began) / len(losses)
            _noted(out / CURVE, {"step": step, "loss": sum(losses) / len(losses), "rate": schedule.at(step - 1),
                                 "seconds_per_step": seconds, **validate(average)})
            losses, began = [], time.monotonic()
    accelerator.wait_for_everyone()
    return average


def is_first() -> bool:
    """Return whether this process is the one that writes."""
    return bool(Accelerator().is_main_process)


def device() -> torch.device:
    """Return where this process trains."""
    found: torch.device = Accelerator().device
    return found


def _groups(model: nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """What learns, and at which share of the rate."""
    encoders = (module for module in model.modules() if isinstance(module, Encoder))
    slow = {id(parameter) for encoder in encoders for parameter in encoder.parameters()}
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    divided = ((1.0, [p for p in learning if id(p) not in slow]), (schedule.encoder_rate, [p for p in learning if id(p) in slow]))
    return [{"params": parameters, "share": share} for share, parameters in divided if parameters]


def _only(batches: Iterable[Batch], count: int) -> Iterator[Batch]:
    # not zip or islice: they would draw one batch more, or start workers for none
    if count <= 0:
        return
    for number, batch in enumerate(batches, 1):
        yield batch
        if number == count:
            return


@torch.no_grad()
def _averaged(average: nn.Module, model: nn.Module, keep: float) -> None:
    for old, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if old.dtype.is_floating_point:
            old.lerp_(new, 1 - keep)
        else:
            old.copy_(new)


def _noted(path: Path, row: dict[str, float]) -> None:
    """Append a row to the curve, and drop rows of steps that a resumed run does again."""
    rows = []
    if path.exists():
        with path.open(newline="") as file:
            rows = [old for old in csv.DictReader(file) if int(old["step"]) < row["step"]]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(row))
    writer.writeheader()
    writer.writerows([*rows, row])
    write_whole(path, text.getvalue(), path.parent, cure=CURE)
