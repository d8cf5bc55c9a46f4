"""From trained weights to a profile that flies: ONNX, half-precision weights, prompts, and the record of the run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.torch import save_file

from promptmid_core.runtime.export import export_student
from promptmid_core.runtime.profile import FILE
from promptmid_core.runtime.student import Student
from promptmid_core.training.recipe import Recipe


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
