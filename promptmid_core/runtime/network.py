"""What a network is to a descriptor: three arrays in, two out, wherever it runs."""

from __future__ import annotations

from typing import Protocol

from promptmid_core.arrays import Float32

INPUTS = ("image", "modality", "prompt")
OUTPUTS = ("descriptors", "confidence")


class Network(Protocol):
    """`backend` says what runs it, on what, in which version."""

    @property
    def backend(self) -> str: ...

    def __call__(self, image: Float32, modality: Float32, prompt: Float32) -> tuple[Float32, Float32]:
        """Image (1, 3, H, W) as `descriptors/inputs.py` makes it, modality (1,) 0 optical or 1 SAR, prompt embedding (1, ...)
        -> descriptors (1, C, h, w) of unit norm, confidence (1, 1, h, w) from 0 to 1; all float32."""
        ...
