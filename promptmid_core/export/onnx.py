"""A torch network as an ONNX file."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from promptmid_core.arrays import Float32
from promptmid_core.export.precision import in_half
from promptmid_core.files import writing
from promptmid_core.folders import move_files, scratch
from promptmid_core.networks.student import Student
from promptmid_core.runtime.network import INPUTS, OUTPUTS
from promptmid_core.runtime.onnxfile import data_of

EXAMPLE_PX = 256
PRECISIONS = ("float32", "float16")
MOST_WEIGHTS = 2**31 - 2**25  # bytes: a protobuf message is below 2 GiB, and the rest of a graph takes a few MB
SCOPES = "pkg.torch.onnx.name_scopes"

Example = tuple[Float32, Float32, Float32]


def export_student(student: Student, path: Path) -> None:
    """The network of a profile as it is shipped: float32, for batches of one image whose sides are any multiples of its own."""
    rows, cols = torch.export.Dim("rows"), torch.export.Dim("cols")
    export_onnx(student, example(EXAMPLE_PX, (student.shape.prompt_size,)), path,
                sides={2: student.multiple * rows, 3: student.multiple * cols})


def example(side_px: int, prompt: Sequence[int]) -> Example:
    """Inputs of the shapes that a network takes: an image of that side, a modality, and a prompt embedding of shape `prompt`."""
    return np.zeros((1, 3, side_px, side_px), np.float32), np.zeros(1, np.float32), np.zeros((1, *prompt), np.float32)


def export_onnx(module: nn.Module, inputs: Example, path: Path, *, sides: Mapping[int, Any] | None = None,
                precision: str = "float32", metadata: Mapping[str, str] | None = None) -> None:
    """Write a network with the inputs and outputs that `network.py` names, for the shapes of `inputs`; `sides` are those of the
    image that stay free, by axis, as torch.export knows them.

    Weights are inside the file, or where they are 2 GB or more beside it in FILE.onnx.data. float16 is mixed (`precision.py`),
    and the submodules that `module.FLOAT32` names, if it has that, stay float32 as a whole. Raises InputError where the file
    cannot be written.
    """
    for name in ("onnx_ir", "onnxscript", "torch.onnx"):  # they tell of every constant that they fold
        logging.getLogger(name).setLevel(logging.ERROR)
    free = {"image": dict(sides), "modality": None, "prompt": None} if sides else None
    with redirect_stdout(io.StringIO()):
        program = torch.onnx.export(module.eval(), tuple(torch.from_numpy(each) for each in inputs), dynamo=True, verbose=False,
                                    input_names=list(INPUTS), output_names=list(OUTPUTS), dynamic_shapes=free)
    assert program is not None
    model = program.model_proto
    whole = _inside(model, getattr(module, "FLOAT32", ()))
    _bare(model)
    if precision == "float16":
        in_half(model, whole)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    weights = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    target = Path(os.path.realpath(path))
    data = data_of(target)
    with writing(path), scratch(target) as folder:
        onnx.save_model(model, folder / target.name, save_as_external_data=weights > MOST_WEIGHTS, location=data.name)
        data.unlink(missing_ok=True)
        move_files(folder, target.parent, target.parent)


def _inside(model: onnx.ModelProto, submodules: Sequence[str]) -> set[str]:
    """Names of the nodes that come from those submodules, named as `named_modules` does."""
    def scopes(node: onnx.NodeProto) -> list[str]:
        return [scope for entry in node.metadata_props if entry.key == SCOPES for scope in entry.value.strip("[]").split(", ")]

    return {node.name for node in model.graph.node if any(f"'{name}'" in scopes(node) for name in submodules)}


def _bare(model: onnx.ModelProto) -> None:
    """Take away the traces of the exporter: paths of the machine that it ran on."""
    for part in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.value_info, *model.graph.input,
                 *model.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    if model.functions:
        raise ValueError("the exporter made functions, whose traces are not taken away")
