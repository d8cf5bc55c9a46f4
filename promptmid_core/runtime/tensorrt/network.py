"""TensorRT and TensorRT-RTX as the backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.errors import InputError, Unavailable
from promptmid_core.runtime.network import INPUTS, OUTPUTS
from promptmid_core.runtime.onnxfile import sha256
from promptmid_core.runtime.tensorrt import engines
from promptmid_core.runtime.tensorrt.build import build
from promptmid_core.runtime.tensorrt.cuda import Buffers, Gpu, find_gpu
from promptmid_core.runtime.tensorrt.engines import EngineKey
from promptmid_core.runtime.tensorrt.library import FLAVOUR, RTX, VERSION, Log, built_for_cuda, sizes, trt

Progress = Callable[[int, int], None]


def engine_key(onnx: Path, side_px: int, compute_capability: str | None = None) -> EngineKey:
    """Return what an engine of that file has to be made for: the machine's own GPU, or for TensorRT-RTX any of a compute
    capability."""
    gpu = Gpu("", compute_capability, "") if compute_capability is not None else find_gpu()
    name, cuda = ("", built_for_cuda()) if RTX else (gpu.name, gpu.cuda)
    return EngineKey(sha256(onnx), FLAVOUR, VERSION, name, gpu.compute_capability, cuda, (1, 3, side_px, side_px))


def export_engine(onnx: Path, side_px: int, compute_capability: str | None = None, out: Path | None = None,
                  progress: Progress | None = None) -> Path:
    """Build an engine, by default into the folder of engines, where the node looks for it; the path of the file."""
    try:
        key = engine_key(onnx, side_px, compute_capability)
    except Unavailable as error:
        hint = "name the GPU's compute capability with --compute-capability" if RTX else "build on the machine that will fly"
        raise Unavailable(f"{error}; {hint}") from error
    # TensorRT-RTX is told what it builds for, so that it never depends on the machine that builds
    aim = key.compute_capability if RTX else compute_capability
    engine, timed, _ = build(onnx, side_px, aim, b"" if RTX else engines.timing_cache(key), progress)
    engines.keep_timing_cache(key, timed)
    path = out or engines.folder() / engines.name_of(onnx, key)
    engines.write(path, key, engine)
    return path


def open_engine(onnx: Path, side_px: int, allow_build: bool = False, progress: Progress | None = None) -> EngineNetwork:
    """Return the engine of that file for this machine's GPU, read from the folder of engines and warmed up.

    With `allow_build` one that is missing is built; Unavailable, with the command that builds it, where it is missing otherwise.
    """
    key = engine_key(onnx, side_px)
    aim = f" --compute-capability {key.compute_capability}" if RTX else ""
    command = f"promptmid export tensorrt {onnx} --side-px {side_px}{aim}"
    try:
        return EngineNetwork(onnx, key, command)
    except Unavailable:
        if not allow_build:
            raise
    export_engine(onnx, side_px, progress=progress)
    return EngineNetwork(onnx, key, command)


class EngineNetwork:
    """An engine on the first CUDA device, for images of one size. Threads that call it at once take turns.

    It can be sent to another process, which reads the engine anew.
    """

    def __init__(self, onnx: Path, key: EngineKey, command: str) -> None:
        self._onnx, self._key, self._command = onnx, key, command
        self._open()

    def _open(self) -> None:
        self._turn = Lock()
        data = engines.read(self._onnx, self._key, self._command)
        log = Log()
        self._runtime = trt.Runtime(log)
        engine = self._runtime.deserialize_cuda_engine(data)
        if engine is None:
            raise InputError(f"{FLAVOUR} {VERSION} cannot load the engine of {self._onnx} ({log.said()}); build it again with "
                             f"'{self._command}'")
        self._engine, self._context = engine, engine.create_execution_context()
        self._context.set_input_shape("image", self._key.image)
        shapes = {name: sizes(self._context.get_tensor_shape(name)) for name in (*INPUTS, *OUTPUTS)}
        self._buffers = Buffers(shapes)
        for name, address in self._buffers.device.items():
            if engine.get_tensor_dtype(name) != trt.DataType.FLOAT:
                raise InputError(f"{name} of the engine of {self._onnx} is not float32; make it with 'promptmid export onnx'")
            self._context.set_tensor_address(name, address)
        self.backend = f"{FLAVOUR} {VERSION} {find_gpu().name}"
        self(*(np.zeros(shapes[name], np.float32) for name in INPUTS))  # what is made at the first call is made now

    def __getstate__(self) -> dict[str, Any]:
        return {"_onnx": self._onnx, "_key": self._key, "_command": self._command}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __call__(self, image: Float32, modality: Float32, prompt: Float32) -> tuple[Float32, Float32]:
        if image.shape != self._key.image:
            raise InputError(f"the engine of {self._onnx} is for images of {self._key.image}, not {image.shape}; build one for "
                             "that size, or choose another backend")
        with self._turn:
            for name, values in zip(INPUTS, (image, modality, prompt), strict=True):
                self._buffers.send(name, values)
            if not self._context.execute_async_v3(int(self._buffers.stream)):
                raise RuntimeError(f"{FLAVOUR} could not run the engine of {self._onnx}")
            for name in OUTPUTS:
                self._buffers.fetch(name)
            self._buffers.wait()
            descriptors, confidence = (self._buffers.host[name].copy() for name in OUTPUTS)
        return descriptors, confidence
