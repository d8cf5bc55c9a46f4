"""PyTorch as the backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.errors import InputError, Unavailable
from promptmid_core.runtime.profile import Profile

if TYPE_CHECKING:
    from torch import nn

    from promptmid_core.networks.student import Student


class ModuleNetwork:
    """A module with the inputs and outputs that `network.py` names, on the first CUDA device if there is one, else on the CPU
    with so many threads, 0 for one a core."""

    def __init__(self, module: nn.Module, threads: int = 0) -> None:
        import torch

        if threads:
            torch.set_num_threads(threads)
        self._torch = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._module = module.eval().to(self._device)
        where = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "CPU"
        self.backend = f"torch {torch.__version__} {where}"

    def __call__(self, image: Float32, modality: Float32, prompt: Float32) -> tuple[Float32, Float32]:
        with self._torch.inference_mode():
            inputs = (self._torch.from_numpy(each).to(self._device) for each in (image, modality, prompt))
            descriptors, confidence = (each.float().cpu().numpy() for each in self._module(*inputs))
        return np.asarray(descriptors, np.float32), np.asarray(confidence, np.float32)


class TorchNetwork(ModuleNetwork):
    """A profile's weights. It can be sent to another process, which loads them anew."""

    def __init__(self, profile: Profile, threads: int = 0) -> None:
        try:
            import torch  # noqa: F401
        except ImportError as error:
            raise Unavailable("PyTorch is not installed; pip install 'promptmid_ros[train]' brings it") from error
        self._profile, self._threads = profile, threads
        super().__init__(load_module(profile), threads)

    def __reduce__(self) -> tuple[type[TorchNetwork], tuple[Profile, int]]:
        return TorchNetwork, (self._profile, self._threads)


def load_module(profile: Profile) -> nn.Module:
    """Return the network of a profile, with the inputs and outputs that `network.py` names, in evaluation mode on the CPU."""
    if profile.windows is None:
        return load_student(profile)
    from promptmid_core.networks.teacher import load_teacher

    return load_teacher(profile.network, profile.prompts.shape[-1], profile.check(f"{profile.name}.safetensors"))


def load_student(profile: Profile) -> Student:
    """Return the network of a profile with its weights, in float32. Raises InputError where the file is not the one that belongs
    there."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from promptmid_core.networks.student import Student, StudentShape

    path = profile.check(f"{profile.name}.safetensors")
    sizes: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in profile.network.items()}
    try:
        student = Student(StudentShape(**sizes))
        student.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not hold the network that the profile describes ({str(error).splitlines()[0]}); "
                         "install the package again") from error
    return student.eval()
