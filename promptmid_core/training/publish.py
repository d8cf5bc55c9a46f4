"""From trained weights to a profile that flies: ONNX, half-precision weights, prompts, and the record of the run."""

from __future__ import annotations

from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors import safe_open

from promptmid_core.arrays import Float32
from promptmid_core.export.onnx import export_student
from promptmid_core.files import make_folder, sha256, write_json, write_whole
from promptmid_core.networks.student import Student
from promptmid_core.networks.teacher import Teacher
from promptmid_core.runtime.profile import FILE
from promptmid_core.training.recipe import Recipe
from promptmid_core.training.state import CURE, write_tensors


def stressed(prompts: Float32, strength: float) -> Float32:
    """Return prompts (2, P, E), the neutral one first: what the others say beyond it counts `strength` times. Those of SAR images
    differ little as they come."""
    neutral = prompts[:, :1]
    return np.asarray(neutral + np.float32(strength) * (prompts - neutral), np.float32)


def publish(student: Student, prompts: np.ndarray, name: str, recipe: Recipe, out: Path,
            record: dict[str, Any]) -> None:
    """Write the folder of a profile; `profile.yaml`, which names the hashes of the others, comes last.

    Raises InputError where the folder cannot be written.
    """
    make_folder(out)
    halves = {key: value.half() if value.is_floating_point() else value for key, value in student.state_dict().items()}
    # what flies in any precision is what the halves say
    student.load_state_dict(halves)
    write_tensors(out / f"{name}.safetensors", halves)
    export_student(student, out / f"{name}.onnx")
    shape = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(student.shape).items()}
    profile = {
        "name": name, "channels": student.shape.channels, "stride": student.stride, "multiple": student.multiple,
        "reach": student.reach, "weight": recipe.weight, "evidence": list(recipe.evidence),
        "network": shape,
    }
    _finish(out, profile, (f"{name}.onnx", f"{name}.safetensors"), prompts, record)


def publish_teacher(teacher: Teacher, prompts: np.ndarray, temperature: float, name: str, recipe: Recipe, out: Path,
                    record: dict[str, Any]) -> None:
    """Write the folder of the profile `full`: the aggregation, and where its backbones lie, with their hashes.

    `temperature` of the softmax over its scores stands with the weights, for students. Raises InputError where the folder cannot
    be written.
    """
    make_folder(out)
    weights = {key: value.detach().clone() for key, value in teacher.aggregation.state_dict().items()}
    write_tensors(out / f"{name}.safetensors", weights, {"temperature": repr(temperature)})
    pitch = teacher.backbones.pitch_px
    profile = {
        "name": name, "channels": teacher.backbones.channels, "stride": teacher.stride, "multiple": pitch, "reach": pitch,
        "weight": recipe.weight, "evidence": list(recipe.evidence), "network": teacher.backbones.values(),
    }
    _finish(out, profile, (f"{name}.safetensors",), prompts, record)


def _finish(out: Path, profile: dict[str, Any], files: tuple[str, ...], prompts: np.ndarray, record: dict[str, Any]) -> None:
    """Write prompts and record beside the files of a profile, then the profile itself, which names their hashes."""
    stream = BytesIO()
    np.save(stream, np.asarray(prompts, np.float16))
    write_whole(out / "prompts.npy", stream.getvalue(), out, cure=CURE)
    write_json(out / "run.json", record, out, cure=CURE)
    hashes = {file: sha256(out / file) for file in (*files, "prompts.npy")}
    write_whole(out / FILE, yaml.safe_dump(profile | {"files": hashes}, sort_keys=False), out, cure=CURE)


def temperature_of(weights: Path) -> float:
    """Return what `publish_teacher` noted with the weights."""
    with safe_open(weights, "pt") as file:
        return float(file.metadata()["temperature"])
