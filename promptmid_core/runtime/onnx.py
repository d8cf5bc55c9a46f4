"""ONNX Runtime as the backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.errors import InputError
from promptmid_core.runtime.network import OUTPUTS

Array = NDArray[np.float32]


class OnnxNetwork:
    """An ONNX file on ONNX Runtime's CPU provider, with as many threads as are named, by default one a core.

    It can be sent to another process, which opens the file anew.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self._path, self._threads = path, threads
        self._open()

    def _open(self) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError("ONNX Runtime is not installed; pip install onnxruntime brings it") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        options.log_severity_level = 3
        # a thread that waits by spinning takes a core from the node's other work
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base
            raise InputError(f"{self._path} cannot be run by ONNX Runtime ({' '.join(str(error).split())})") from error
        self.backend = f"onnxruntime {onnxruntime.__version__} CPU"

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_threads": self._threads}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __call__(self, image: Array, modality: Array, prompt: Array) -> tuple[Array, Array]:
        inputs = {"image": image, "modality": modality, "prompt": prompt}
        descriptors, confidence = self._session.run(list(OUTPUTS), inputs)
        return np.asarray(descriptors, np.float32), np.asarray(confidence, np.float32)
