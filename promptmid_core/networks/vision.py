"""Features of a vision foundation model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from promptmid_core.errors import InputError

USUAL_PX = 256  # of an image, for which the side of the model's input is stated


class VisionFeatures(nn.Module):
    """Hidden states of a Dinov2Model (Oquab et al. 2023, arXiv 2304.07193), as maps.

    The image is enlarged so that patches fall `input_px` / 256 times closer.
    """

    def __init__(self, model: Any, layers: tuple[int, ...], input_px: int) -> None:
        super().__init__()
        count = int(model.config.num_hidden_layers)
        if not layers or not all(1 <= layer <= count for layer in layers):
            raise InputError(f"vision_layers are {list(layers)}, but the vision model has the layers 1 to {count}")
        self.model, self.layers, self.input_px = model, layers, input_px
        self.patch = int(model.config.patch_size)
        self.channels = (int(model.config.hidden_size),) * len(layers)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return images (N, 3, H, W) of about unit size -> a map (N, C, h, w) a layer."""
        height, width = (max(round(side * self.input_px / USUAL_PX / self.patch), 1) for side in image.shape[2:])
        size = height * self.patch, width * self.patch
        pixels = nn.functional.interpolate(image, size, mode="bilinear", align_corners=False)
        states = self.model(pixel_values=pixels, output_hidden_states=True).hidden_states
        return [states[layer][:, -height * width:].transpose(1, 2).unflatten(2, (height, width)) for layer in self.layers]


def load_vision(folder: Path) -> Any:
    """Return a Dinov2Model from safetensors. Raises InputError where the folder holds none."""
    from transformers import Dinov2Model
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model: Any = Dinov2Model.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{folder} cannot be loaded as Dinov2Model ({' '.join(str(error).split())[:200]})") from error
    return model.eval().requires_grad_(False)
