"""The state of a training run on disk: everything that the next step depends on, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from promptmid_core.errors import InputError
from promptmid_core.files import cannot_write, replacing

CURE = "mend that and give the same command again, which goes on where this one ended"


def save_state(path: Path, step: int, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Write step, weights, their running average and the optimiser's moments as safetensors, in place of what was there.

    Raises InputError where the file cannot be written.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    for number, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    # shared storage is not allowed in the file, and the model goes on changing
    write_tensors(path, {name: value.detach().clone() for name, value in tensors.items()}, {"step": str(step)})


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors, each with a storage of its own, as safetensors, whole or not at all.

    Raises InputError where the file cannot be written.
    """
    try:
        with replacing(path, path.parent) as partial:
            save_file({name: value.contiguous() for name, value in tensors.items()}, partial, metadata)
    except (SafetensorError, OSError) as error:
        raise cannot_write(path, error, CURE) from error


def load_state(path: Path, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Put back what `save_state` wrote and return the step. Raises InputError where the file is damaged or of another model."""
    try:
        with safe_open(path, "pt") as file:
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            step = int(file.metadata()["step"])
        model.load_state_dict(_below(tensors, "model."))
        average.load_state_dict(_below(tensors, "average."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _below(tensors, "optimiser.").items():
            number, _, key = name.partition(".")
            moments.setdefault(int(number), {})[key] = value
        optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    except (SafetensorError, OSError, RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"{path} does not continue this training ({str(error).splitlines()[0]}); name another folder with "
                         "--out, or remove this one to begin anew") from error
    return step


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
