"""A torch network as an ONNX file."""

from __future__ import annotations

import io
import logging
from contextlib import redirect_stdout
from pathlib import Path

import onnx
import torch

from promptmid_core.runtime.network import INPUTS, OUTPUTS
from promptmid_core.runtime.student import Student

EXAMPLE_PX = 256


def export_onnx(student: Student, path: Path) -> None:
    """Write the network, weights inside, for batches of one image whose sides are any multiples of its own."""
    student = student.eval()
    example = torch.zeros(1, 3, EXAMPLE_PX, EXAMPLE_PX), torch.zeros(1), torch.zeros(1, student.shape.prompt_size)
    rows, cols = torch.export.Dim("rows"), torch.export.Dim("cols")
    sides = {2: student.multiple * rows, 3: student.multiple * cols}
    logging.getLogger("onnxscript").setLevel(logging.WARNING)
    with redirect_stdout(io.StringIO()):
        program = torch.onnx.export(student, example, dynamo=True, verbose=False, input_names=list(INPUTS),
                                    output_names=list(OUTPUTS), dynamic_shapes={"image": sides, "modality": None, "prompt": None})
    assert program is not None
    onnx.save_model(_bare(program.model_proto), path)


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the traces of the exporter: paths of the machine that it ran on."""
    for part in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.value_info, *model.graph.input,
                 *model.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    if model.functions:
        raise ValueError("the exporter made functions, whose traces are not taken away")
    return model
