"""From trained weights to a profile that flies: ONNX, half-precision weights, prompts, and the record of the run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors import safe_open
from safetensors.torch import save_file

from promptmid_core.arrays import Float32
from promptmid_core.export.onnx import export_student
from promptmid_core.networks.student import Student
from promptmid_core.networks.teacher import Teacher
from promptmid_core.runtime.profile import FILE
from promptmid_core.training.recipe import Recipe


def stressed(prompts: Float32, strength: float) -> Float32:
    """Prompts (2, P, E), the neutral one first: what the others say beyond it counts `strength` times. Those of SAR images differ
    little as they come."""
    neutral = prompts[:, :1]
    return np.asarray(neutral + np.float32(strength) * (prompts - neutral), np.float32)


def publish(student: Student, prompts: np.ndarray, name: str, recipe: Recipe, out: Path,
            record: dict[str, Any]) -> None:
    """Write the folder of a profile; `profile.yaml`, which names the hashes of the others, comes last."""
    out.mkdir(parents=True, exist_ok=True)
    halves = {key: (value.half() if value.is_floating_point() else value).contiguous()
              for key, value in student.state_dict().items()}
    # what flies in any precision is what the halves say
    student.load_state_dict(halves)
    save_file(halves, out / f"{name}.safetensors")
    export_student(student, out / f"{name}.onnx")
    np.save(out / "prompts.npy", np.asarray(prompts, np.float16))
    (out / "run.json").write_text(json.dumps(record, indent=2) + "\n")
    files = (f"{name}.onnx", f"{name}.safetensors", "prompts.npy")
    shape = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(student.shape).items()}
    profile = {
        "name": name, "channels": student.shape.channels, "stride": student.stride, "multiple": student.multiple,
        "reach": student.reach, "weight": recipe.weight, "evidence": list(recipe.evidence),
        "network": shape,
        "files": {file: hashlib.sha256((out / file).read_bytes()).hexdigest() for file in files},
    }
    (out / FILE).write_text(yaml.safe_dump(profile, sort_keys=False))


def publish_teacher(teacher: Teacher, prompts: np.ndarray, temperature: float, name: str, recipe: Recipe, out: Path,
                    record: dict[str, Any]) -> None:
    """Write the folder of the profile `full`: the aggregation, and where its backbones lie, with their hashes.

    `temperature` of the softmax over its scores stands with the weights, for students.
    """
    out.mkdir(parents=True, exist_ok=True)
    weights = {key: value.detach().clone().contiguous() for key, value in teacher.aggregation.state_dict().items()}
    save_file(weights, out / f"{name}.safetensors", {"temperature": repr(temperature)})
    np.save(out / "prompts.npy", np.asarray(prompts, np.float16))
    (out / "run.json").write_text(json.dumps(record, indent=2) + "\n")
    files = (f"{name}.safetensors", "prompts.npy")
    pitch = teacher.backbones.pitch_px
    profile = {
        "name": name, "channels": teacher.backbones.channels, "stride": teacher.stride, "multiple": pitch, "reach": pitch,
        "weight": recipe.weight, "evidence": list(recipe.evidence), "network": teacher.backbones.values(),
        "files": {file: hashlib.sha256((out / file).read_bytes()).hexdigest() for file in files},
    }
    (out / FILE).write_text(yaml.safe_dump(profile, sort_keys=False))


def temperature_of(weights: Path) -> float:
    """What `publish_teacher` noted with the weights."""
    with safe_open(weights, "pt") as file:
        return float(file.metadata()["temperature"])
