"""TensorRT and TensorRT-RTX as the backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promptmid_core.errors import Unavailable
from promptmid_core.runtime.network import Network


def open_engine(onnx: Path, side_px: int, allow_build: bool, progress: Callable[[int, int], None] | None) -> Network:
    raise Unavailable("TensorRT is not installed")
