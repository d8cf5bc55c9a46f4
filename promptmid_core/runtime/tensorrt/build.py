"""An engine from an ONNX file, by TensorRT or TensorRT-RTX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.runtime.network import INPUTS, OUTPUTS
from promptmid_core.runtime.tensorrt.library import FLAVOUR, RTX, VERSION, Log, sizes, trt

Progress = Callable[[int, int], None]
Shapes = dict[str, tuple[int, ...]]


def build(onnx: Path, side_px: int, compute_capability: str | None, timing: bytes = b"",
          progress: Progress | None = None) -> tuple[bytes, bytes, Shapes]:
    """Return the engine, TensorRT's timing cache, and the shapes of its inputs: fixed, of one image of side `side_px`.

    The network is strongly typed: what runs in float16 is what the file says. For another GPU than the machine's own where
    `compute_capability` names one, which TensorRT-RTX alone can. Raises InputError where the file is damaged, holds an operator
    that the library does not know, is no network of ours, has another side, or the engine cannot be built.
    """
    log = Log()
    builder = trt.Builder(log)
    strong = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)  # in version 11 there are no others
    network = builder.create_network(0 if strong is None else 1 << int(strong))
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(onnx)):
        raise InputError(f"{onnx} cannot be read by {FLAVOUR} {VERSION} ({_said(parser, log)}); make it again with "
                         "'promptmid export onnx'")
    inputs = {each.name: sizes(each.shape) for each in (network.get_input(i) for i in range(network.num_inputs))}
    outputs = {network.get_output(i).name for i in range(network.num_outputs)}
    if set(inputs) != set(INPUTS) or outputs != set(OUTPUTS):
        raise InputError(f"{onnx} has inputs {sorted(inputs)} and outputs {sorted(outputs)}, not {sorted(INPUTS)} and "
                         f"{sorted(OUTPUTS)}; make it with 'promptmid export onnx'")
    config = builder.create_builder_config()
    shapes = inputs | {"image": (1, 3, side_px, side_px)}
    if any(have not in (-1, want) for have, want in zip(inputs["image"], shapes["image"], strict=True)):
        sides = "x".join(map(str, inputs["image"][2:]))
        raise InputError(f"{onnx} is made for images of {sides} px, not {side_px}x{side_px}; name that side, or make "
                         f"it again with 'promptmid export onnx --side-px {side_px}'")
    if -1 in inputs["image"]:
        fixed = builder.create_optimization_profile()
        fixed.set_shape("image", *[trt.Dims(list(shapes["image"]))] * 3)
        config.add_optimization_profile(fixed)
    if compute_capability is not None:
        _aim(config, compute_capability)
    if not RTX:  # which times nothing when it builds
        config.set_timing_cache(config.create_timing_cache(timing), False)
    if progress is not None:
        config.progress_monitor = _monitor(progress)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise InputError(f"{FLAVOUR} {VERSION} cannot build an engine from {onnx} ({log.said()})")
    cache = None if RTX else config.get_timing_cache()
    return bytes(engine), bytes(cache.serialize()) if cache is not None else b"", shapes


def _said(parser: Any, log: Log) -> str:
    """What the parser did not like."""
    errors = [parser.get_error(i) for i in range(parser.num_errors)]
    said = (f"{error.node_operator() or 'file'}: {' '.join(str(error.desc()).split())}" for error in errors)
    return "; ".join(said) or log.said()


def _aim(config: trt.IBuilderConfig, compute_capability: str) -> None:
    """Build for GPUs of that compute capability, as 8.6."""
    if not RTX:
        raise InputError(f"TensorRT {VERSION} builds engines for the GPU that it runs on alone; run the command there, without a "
                         "compute capability, or install TensorRT-RTX")
    known: dict[str, object] = {name: value for name, value in vars(getattr(trt, "ComputeCapability")).items()  # noqa: B009
                                if name.startswith("SM")}
    wanted = known.get(f"SM{compute_capability.replace('.', '')}")
    if wanted is None:
        names = ", ".join(f"{int(name[2:]) // 10}.{int(name[2:]) % 10}" for name in sorted(known, key=lambda each: int(each[2:])))
        raise InputError(f"TensorRT-RTX {VERSION} builds for compute capabilities {names}, not {compute_capability}")
    setattr(config, "num_compute_capabilities", 1)  # noqa: B010
    getattr(config, "set_compute_capability")(wanted, 0)  # noqa: B009


def _monitor(progress: Progress) -> trt.IProgressMonitor:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, unused-ignore]
        """Tells of the phase that has all others in it."""

        def __init__(self) -> None:
            super().__init__()
            self.whole, self.steps = "", 0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if not parent_phase:
                self.whole, self.steps = phase_name, num_steps
                progress(0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name == self.whole:
                progress(min(step + 1, self.steps), self.steps)
            return True

        def phase_finish(self, phase_name: str) -> None:
            if phase_name == self.whole:
                progress(self.steps, self.steps)

    return Monitor()
