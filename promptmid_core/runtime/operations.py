"""What a network has to compute: counted by ONNX Runtime's own account of a run."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.arrays import Float32


def operations(path: Path, side_px: int, prompt: Float32) -> tuple[float, float]:
    """Return the floating-point operations of the convolutions and products of an ONNX file, for one image of `side_px` and a
    prompt (1, E), and the bytes that all its steps read and write. It is run once."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="promptmid_operations_") as folder:
        options.profile_file_prefix = str(Path(folder) / "run")
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        session.run(None, {"image": np.zeros((1, 3, side_px, side_px), np.float32), "modality": np.zeros(1, np.float32),
                           "prompt": prompt})
        steps = [event["args"] for event in json.loads(Path(session.end_profiling()).read_text())
                 if event.get("cat") == "Node" and "output_type_shape" in event["args"]]
    return sum(map(_multiplied, steps)), sum(4 * sum(map(math.prod, (*_shapes(step, "input"), *_shapes(step, "output"))))
                                             for step in steps)


def _multiplied(step: dict[str, Any]) -> float:
    if step["op_name"] not in ("Conv", "Gemm", "MatMul"):
        return 0.0
    (_, weights, *_), (output, *_) = _shapes(step, "input"), _shapes(step, "output")
    # of a convolution each value is a sum over the channels of its group and the kernel, of a product over the inner side
    terms = math.prod(weights[1:]) if step["op_name"] == "Conv" else math.prod(weights) / output[-1]
    return 2.0 * math.prod(output) * terms


def _shapes(step: dict[str, Any], which: str) -> list[list[int]]:
    return [next(iter(each.values())) for each in step[f"{which}_type_shape"]]
