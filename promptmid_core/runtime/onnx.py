"""ONNX Runtime as the backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.errors import InputError, Unavailable
from promptmid_core.runtime.network import OUTPUTS

# the best first. Its own TensorRT provider is not among them: it builds engines at the first image, in a cache of its own
_NAMES = {"CUDAExecutionProvider": "CUDA", "CPUExecutionProvider": "CPU"}
PROVIDERS = tuple(_NAMES)


class OnnxNetwork:
    """An ONNX file on ONNX Runtime: with CUDA where it has that and there is a GPU, else on the CPU with as many threads as are
    named, by default one a core.

    It can be sent to another process, which opens the file anew.
    """

    def __init__(self, path: Path, threads: int = 0, side_px: int | None = None) -> None:
        """InputError where the file cannot be run, or takes images of one size that is not `side_px`, None for several."""
        self._path, self._threads, self._side_px = path, threads, side_px
        self._open()

    def _open(self) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise Unavailable("ONNX Runtime is not installed; pip install onnxruntime brings it") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        options.log_severity_level = 3
        # a thread that waits by spinning takes a core from the node's other work
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        wanted = [name for name in PROVIDERS if name in onnxruntime.get_available_providers()]
        try:
            self._session = onnxruntime.InferenceSession(str(self._path), options, providers=wanted)
        except Exception as error:  # its exceptions have no common base
            raise InputError(f"{self._path} cannot be run by ONNX Runtime ({' '.join(str(error).split())})") from error
        rows = self._session.get_inputs()[0].shape[2]
        if isinstance(rows, int) and rows != self._side_px:
            others = self._side_px or "of several sizes"
            raise InputError(f"{self._path} is made for images of {rows} px, not {others}; make it again with "
                             "'promptmid export onnx --side-px N', or name no network")
        self.backend = f"onnxruntime {onnxruntime.__version__} {_NAMES[self._session.get_providers()[0]]}"

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_threads": self._threads, "_side_px": self._side_px}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __call__(self, image: Float32, modality: Float32, prompt: Float32) -> tuple[Float32, Float32]:
        inputs = {"image": image, "modality": modality, "prompt": prompt}
        descriptors, confidence = self._session.run(list(OUTPUTS), inputs)
        return np.asarray(descriptors, np.float32), np.asarray(confidence, np.float32)
