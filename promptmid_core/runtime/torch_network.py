"""PyTorch as the backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.errors import InputError
from promptmid_core.runtime.profile import Profile

if TYPE_CHECKING:
    from promptmid_core.runtime.student import Student

Array = NDArray[np.float32]


class TorchNetwork:
    """A profile's weights in PyTorch, on the CPU."""

    def __init__(self, profile: Profile) -> None:
        try:
            import torch
        except ImportError as error:
            raise InputError("PyTorch is not installed; pip install 'promptmid_ros[train]' brings it") from error
        self._torch = torch
        self._student = load_student(profile)
        self.backend = f"torch {torch.__version__} CPU"

    def __call__(self, image: Array, modality: Array, prompt: Array) -> tuple[Array, Array]:
        with self._torch.inference_mode():
            descriptors, confidence = self._student(*(self._torch.from_numpy(each) for each in (image, modality, prompt)))
        return np.asarray(descriptors.numpy(), np.float32), np.asarray(confidence.numpy(), np.float32)


def load_student(profile: Profile) -> Student:
    """The network of a profile with its weights, in float32; InputError where the file is not the one that belongs there."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from promptmid_core.runtime.student import Student, StudentShape

    path = profile.check(f"{profile.name}.safetensors")
    sizes: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in profile.network.items()}
    try:
        student = Student(StudentShape(**sizes))
        student.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not hold the network that the profile describes ({str(error).splitlines()[0]}); "
                         "install the package again") from error
    return student.eval()
