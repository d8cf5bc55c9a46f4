"""An ONNX graph in half precision, but for what overflows or loses too much there."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# sums over many values, and functions that are steep or flat at the ends of their range
FLOAT32_OPERATORS = frozenset((
    "BatchNormalization", "Div", "Exp", "GroupNormalization", "InstanceNormalization", "LayerNormalization", "Log",
    "LogSoftmax", "LpNormalization", "Pow", "RMSNormalization", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSumExp",
    "ReduceMean", "ReduceSum", "ReduceSumSquare", "Softmax", "Softplus", "Sqrt", "Cos", "Sin",
))
# by value: what only leads to these is computed as they are, such as squares before a sum
LEADING = frozenset(("Add", "Cast", "Concat", "Expand", "Mul", "Reshape", "Slice", "Squeeze", "Sub", "Transpose", "Unsqueeze"))
FIXED_INPUTS = {"Resize": (1, 2)}  # inputs that are float32 by the standard
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
LARGEST, SMALLEST = float(np.finfo(np.float16).max), float(np.finfo(np.float16).tiny)


def in_half(model: onnx.ModelProto, keep: set[str]) -> None:
    """Make float32 values float16 in place, except in operators of FLOAT32_OPERATORS and what leads to them alone, in nodes that
    `keep` names, and in those with a constant that float16 does not hold. Inputs and outputs of the model stay float32.

    The model has no subgraphs, and `value_info` tells the type of every value between nodes.
    """
    graph = model.graph
    _constants_as_initializers(graph)
    weights = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == FLOAT}
    floats = {value.name for value in (*graph.input, *graph.value_info, *graph.output)
              if value.type.tensor_type.elem_type == FLOAT} | set(weights)
    unknown = {name for node in graph.node for name in node.output if name} - {
        value.name for value in (*graph.value_info, *graph.output)}
    if unknown:
        raise ValueError(f"the graph does not tell the type of {sorted(unknown)[0]}")
    single = _in_float32(graph, weights, keep)
    _rewrite(graph, floats, weights, single)


def _in_float32(graph: onnx.GraphProto, weights: dict[str, TensorProto], keep: set[str]) -> set[int]:
    """Indices of the nodes that stay float32."""
    single: set[int] = set()
    readers: dict[str, list[int]] = {}
    for index, node in enumerate(graph.node):
        for name in node.input:
            readers.setdefault(name, []).append(index)
        fits = all(_fits(weights[name]) for place, name in enumerate(node.input)
                   if name in weights and place not in FIXED_INPUTS.get(node.op_type, ()))
        if node.op_type in FLOAT32_OPERATORS or node.name in keep or not fits:
            single.add(index)
    outputs = {value.name for value in graph.output}
    for index in reversed(range(len(graph.node))):
        node = graph.node[index]
        read = [reader for name in node.output for reader in readers.get(name, [])]
        if node.op_type in LEADING and read and not outputs & set(node.output) and all(reader in single for reader in read):
            single.add(index)
    return single


def _fits(tensor: TensorProto) -> bool:
    """Whether float16 holds the constant: nothing overflows, and no scalar such as an epsilon loses its digits."""
    values = np.abs(numpy_helper.to_array(tensor))
    if not values.size:
        return True
    return float(values.max()) <= LARGEST and (values.size > 1 or values.max() == 0 or float(values.max()) >= SMALLEST)


def _rewrite(graph: onnx.GraphProto, floats: set[str], weights: dict[str, TensorProto], single: set[int]) -> None:
    kinds = {name: FLOAT for name in floats}
    outputs = {value.name for value in graph.output}
    nodes: list[onnx.NodeProto] = []
    cast: dict[tuple[str, int], str] = {}

    def as_kind(name: str, kind: int) -> str:
        """Return the name of a value of that type, cast where it is of the other."""
        if name not in kinds or kinds[name] == kind:
            return name
        if (name, kind) not in cast:
            cast[name, kind] = f"{name}.{'float16' if kind == HALF else 'float32'}"
            if name in weights:
                values: NDArray[np.float16] = numpy_helper.to_array(weights[name]).astype(np.float16)
                graph.initializer.append(numpy_helper.from_array(values, cast[name, kind]))
            else:
                nodes.append(helper.make_node("Cast", [name], [cast[name, kind]], f"{cast[name, kind]}.cast", to=kind))
        return cast[name, kind]

    for index, node in enumerate(list(graph.node)):
        kind = FLOAT if index in single else HALF
        fixed = FIXED_INPUTS.get(node.op_type, ())
        inputs = [name if place in fixed else as_kind(name, kind) for place, name in enumerate(node.input)]
        node.ClearField("input")
        node.input.extend(inputs)
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == FLOAT:
                attribute.i = kind
            if node.op_type == "ConstantOfShape" and attribute.name == "value" and attribute.t.data_type == FLOAT:
                attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(
                    np.float16 if kind == HALF else np.float32)))
        made = [name for name in node.output if name in floats]
        nodes.append(node)
        for place, name in enumerate(node.output):
            if name in made and kind == HALF:
                if name in outputs:
                    node.output[place] = f"{name}.half"
                    nodes.append(helper.make_node("Cast", [node.output[place]], [name], f"{name}.cast", to=FLOAT))
                else:
                    kinds[name] = HALF
    for value in graph.value_info:
        if kinds.get(value.name) == HALF:
            value.type.tensor_type.elem_type = HALF
    graph.ClearField("node")
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    graph.ClearField("initializer")
    graph.initializer.extend(kept)


def _constants_as_initializers(graph: onnx.GraphProto) -> None:
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        tensor = next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)
        if tensor is None:
            tensor = numpy_helper.from_array(np.array(
                helper.get_attribute_value(node.attribute[0]),
                np.float32 if node.attribute[0].name.startswith("value_float") else np.int64))
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)
