"""The library that makes and runs engines: TensorRT, or TensorRT-RTX, which have one interface."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from typing import TYPE_CHECKING, Any

from promptmid_core.errors import Unavailable

__all__ = ["FLAVOUR", "RTX", "VERSION", "Log", "built_for_cuda", "sizes", "trt"]

# by module, the first that is installed
FLAVOURS = {"tensorrt": "tensorrt", "tensorrt_rtx": "tensorrt_rtx", "tensorrt_rtx_bindings": "tensorrt_rtx"}


def _load() -> tuple[Any, str]:
    for name in FLAVOURS:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(module, "Builder"):  # type stubs alone make an empty module
            return module, FLAVOURS[name]
    raise Unavailable("TensorRT is not installed; JetPack brings it, and pip install 'promptmid_ros[tensorrt-rtx]' TensorRT-RTX")


if TYPE_CHECKING:
    import tensorrt as trt

    FLAVOUR = "tensorrt"
else:
    trt, FLAVOUR = _load()

RTX = FLAVOUR == "tensorrt_rtx"
VERSION = str(trt.__version__)


def built_for_cuda() -> str:
    """Major version of CUDA that the installed wheels of TensorRT-RTX are made for, as in tensorrt-rtx-cu12-libs; empty where
    they do not tell."""
    for name in importlib.metadata.packages_distributions().get(trt.__name__, []):
        found = re.search(r"[-_]cu(\d+)", name)
        if found:
            return found[1]
    return ""


def sizes(dims: trt.Dims) -> tuple[int, ...]:
    return tuple(int(dims[i]) for i in range(len(dims)))


class Log(trt.ILogger):  # type: ignore[misc, unused-ignore]
    """Keeps what the library says went wrong, for the one sentence that the user gets."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
            self.errors.append(" ".join(msg.split()))

    def said(self) -> str:
        """Return the first thing that went wrong."""
        return self.errors[0] if self.errors else "the library says no more"
