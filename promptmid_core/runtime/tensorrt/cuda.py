"""The GPU: which one there is, and buffers and a stream on it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.errors import Unavailable


@dataclass(frozen=True)
class Gpu:
    """The first CUDA device: `compute_capability` as 8.6; `cuda` the version that its driver supports."""

    name: str
    compute_capability: str
    cuda: str


def cudart() -> Any:
    """Return the CUDA runtime of cuda-python; Unavailable where that is not installed."""
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise Unavailable("cuda-python is not installed; pip install cuda-bindings brings it") from error
    return runtime


def find_gpu() -> Gpu:
    """Unavailable where there is none, with what CUDA says to that."""
    runtime = cudart()
    try:
        if done(runtime, runtime.cudaGetDeviceCount()) < 1:
            raise Unavailable("there is no CUDA GPU")
        properties = done(runtime, runtime.cudaGetDeviceProperties(0))
        version = done(runtime, runtime.cudaDriverGetVersion())
    except RuntimeError as error:
        raise Unavailable(f"there is no CUDA GPU ({error})") from error
    name = properties.name.decode() if isinstance(properties.name, bytes) else str(properties.name)
    return Gpu(name, f"{properties.major}.{properties.minor}", f"{version // 1000}.{version % 1000 // 10}")


def done(runtime: Any, answer: tuple[Any, ...]) -> Any:
    """Return the value of a call; RuntimeError with CUDA's own name of what went wrong."""
    status, *values = answer
    if status != runtime.cudaError_t.cudaSuccess:
        raise RuntimeError(getattr(status, "name", str(status)))
    return values[0] if values else None


class Buffers:
    """For each named array a pinned one on the host, `host`, and its `device` address; and a `stream` of its own.

    Made once: nothing is allocated afterwards.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._cudart = runtime = cudart()
        self.host: dict[str, Float32] = {}
        self.device: dict[str, int] = {}
        self._pinned: list[int] = []
        self.stream = done(runtime, runtime.cudaStreamCreate())
        for name, shape in shapes.items():
            size = int(np.prod(shape))
            pinned = int(done(runtime, runtime.cudaHostAlloc(4 * size, runtime.cudaHostAllocDefault)))
            self._pinned.append(pinned)
            self.host[name] = np.ctypeslib.as_array((ctypes.c_float * size).from_address(pinned)).reshape(shape)
            self.device[name] = int(done(runtime, runtime.cudaMalloc(4 * size)))

    def send(self, name: str, values: Float32) -> None:
        """Copy values into the pinned array, and queue its copy to the device."""
        host = self.host[name]
        host[...] = values
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        done(self._cudart, self._cudart.cudaMemcpyAsync(self.device[name], host.ctypes.data, host.nbytes, kind, self.stream))

    def fetch(self, name: str) -> None:
        """Queue the copy from the device to the pinned array, which holds it after `wait`."""
        host = self.host[name]
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        done(self._cudart, self._cudart.cudaMemcpyAsync(host.ctypes.data, self.device[name], host.nbytes, kind, self.stream))

    def wait(self) -> None:
        """Until all that was queued is done."""
        done(self._cudart, self._cudart.cudaStreamSynchronize(self.stream))

    def __del__(self) -> None:
        runtime = getattr(self, "_cudart", None)
        if runtime is None:
            return
        for address in getattr(self, "device", {}).values():
            runtime.cudaFree(address)
        for address in getattr(self, "_pinned", []):
            runtime.cudaFreeHost(address)
        if hasattr(self, "stream"):
            runtime.cudaStreamDestroy(self.stream)
