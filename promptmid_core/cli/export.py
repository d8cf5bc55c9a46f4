"""`promptmid export`: the network of a profile for other backends."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from promptmid_core.cli.output import Bar
from promptmid_core.cli.parsing import Output, command, group, output, positive_count
from promptmid_core.files import check_target

SIDE_PX = 256


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    export = group(commands, "export", "networks as ONNX files and TensorRT engines")
    onnx = command(export, "onnx", _onnx, "a network as an ONNX file of fixed size, compared with the PyTorch it comes from",
                   "promptmid export onnx --precision float16 --out compact16.onnx")
    onnx.add_argument("--profile", default="compact", metavar="NAME|FOLDER",
                      help="compact, full, or the folder of a trained profile; default: compact")
    onnx.add_argument("--model", type=Path, metavar="CONFIG.yaml", help="configuration of profile full")
    onnx.add_argument("--precision", choices=("float32", "float16"), default="float32",
                      help="float16 keeps float32 where half precision overflows; default: float32")
    onnx.add_argument("--side-px", type=positive_count, metavar="N",
                      help=f"side of the image, the node's patch_px; default: {SIDE_PX}, or what the network takes alone")
    output(onnx, "--out", Output(beside=(".data",)), required=True, metavar="FILE.onnx", help="the network")
    engine = command(export, "tensorrt", _tensorrt, "an engine from an ONNX file, with TensorRT or TensorRT-RTX",
                     "promptmid export tensorrt compact16.onnx --compute-capability 8.6")
    engine.description = (
        "Without --out the engine lies where the node looks for it, ~/.cache/promptmid/engines or $PROMPTMID_ENGINES, and it\n"
        "reads engines from there alone. FILE.engine.json beside it says what it was made for. docs/runtime.md.")
    engine.add_argument("onnx", type=Path, metavar="FILE.onnx", help="what 'promptmid export onnx' made")
    engine.add_argument("--compute-capability", type=_capability, metavar="M.N",
                        help="of the GPU that will run it; TensorRT-RTX can build without having it; default: the machine's GPU")
    engine.add_argument("--side-px", type=positive_count, default=SIDE_PX, metavar="N",
                        help=f"side of the image, the node's patch_px; default: {SIDE_PX}")
    output(engine, "--out", Output(beside=(".json",)), metavar="FILE.engine", help="default: where the node looks for it")


def _capability(text: str) -> str:
    if not re.fullmatch(r"\d{1,2}\.\d", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a compute capability such as 8.6")
    return text


def _onnx(args: argparse.Namespace) -> None:
    from promptmid_core.export.exportable import exportable

    check_target(args.out, (".onnx",))
    source = exportable(args.profile, args.model)
    side = source.side(args.side_px, SIDE_PX)
    from promptmid_core.export.onnx import example, export_onnx
    from promptmid_core.export.parity import compare
    from promptmid_core.runtime.onnx import OnnxNetwork
    from promptmid_core.runtime.torch_network import ModuleNetwork

    inputs = example(side, source.prompts.shape[2:])
    export_onnx(source.module, inputs, args.out, precision=args.precision,
                metadata={"profile": source.fingerprint, "precision": args.precision})
    size = sum(path.stat().st_size for path in args.out.parent.glob(f"{args.out.name}*")) / 1e6
    print(f"{args.out}: profile {source.name}, {args.precision}, images of {side} px, {size:.1f} MB")
    network = OnnxNetwork(args.out, side_px=side)
    print(f"{network.backend} against PyTorch: {compare(ModuleNetwork(source.module), network, side, source.prompts)}")


def _tensorrt(args: argparse.Namespace) -> None:
    from promptmid_core.runtime.tensorrt.network import export_engine

    with Bar("build", "step") as progress:
        path = export_engine(args.onnx, args.side_px, args.compute_capability, args.out, progress)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; {path.name}.json says what it is for")
