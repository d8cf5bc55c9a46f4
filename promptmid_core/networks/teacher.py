"""PromptMID at full size: PromptDM and a vision foundation model, frozen, and the aggregation that is trained upon them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from promptmid_core.errors import InputError
from promptmid_core.networks.aggregation import Aggregation
from promptmid_core.networks.backbones import UNET, VAE, VISION, Backbones
from promptmid_core.networks.diffusion import DiffusionFeatures, load_unet, load_vae
from promptmid_core.networks.vision import VisionFeatures, load_vision


class Teacher(nn.Module):
    """Both branches and their aggregation. Attention and group norms look at the whole image: run it on windows of one size."""

    stride = 2

    def __init__(self, diffusion: DiffusionFeatures | None, vision: VisionFeatures | None, backbones: Backbones,
                 prompt_size: int) -> None:
        super().__init__()
        self.backbones, self.diffusion, self.vision = backbones, diffusion, vision
        sizes = (*(diffusion.channels if diffusion else ()), *(vision.channels if vision else ()))
        self.aggregation = Aggregation(sizes, backbones.width, prompt_size, backbones.condition, backbones.channels,
                                       backbones.gated)

    @property
    def multiple(self) -> int:
        return max(8, self.diffusion.multiple if self.diffusion else 8)

    def train(self, mode: bool = True) -> Teacher:
        """Return the frozen branches stay as they are."""
        super().train(mode)
        for frozen in (self.diffusion, self.vision):
            if frozen is not None:
                frozen.eval()
        return self

    def forward(self, image: Tensor, modality: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, H, W), sides multiples of `multiple`; `modality` (N,) 0 optical, 1 SAR; prompts (N, L, E)
        -> descriptors (N, C, H/2, W/2) of unit norm, confidence (N, 1, H/2, W/2) from 0 to 1."""
        found: tuple[Tensor, Tensor] = self.aggregation(image, self.maps(image, prompt), modality, prompt.mean(1))
        return found

    @torch.no_grad()
    def maps(self, image: Tensor, prompt: Tensor) -> list[Tensor]:
        """Return what the frozen branches see, a map (N, C, h, w) a granularity."""
        found = self.diffusion(image, prompt) if self.diffusion else []
        return [*found, *(self.vision(image) if self.vision else [])]


def build_teacher(backbones: Backbones, prompt_size: int) -> Teacher:
    """Return a teacher with the weights of the checkpoints, and an aggregation that is not trained. Raises InputError where a
    checkpoint does not fit."""
    diffusion, vision = None, None
    if "diffusion" not in backbones.without:
        unet, vae = load_unet(backbones.folder(UNET)), load_vae(backbones.folder(VAE))
        diffusion = DiffusionFeatures(unet, vae, backbones.timestep, backbones.up_blocks)
        if diffusion.prompt_size != prompt_size:
            raise InputError(f"the U-Net in {backbones.folder(UNET)} attends to embeddings of {diffusion.prompt_size} values, "
                             f"the text encoder gives {prompt_size}; give parts of one checkpoint")
    if "vision" not in backbones.without:
        vision = VisionFeatures(load_vision(backbones.folder(VISION)), backbones.vision_layers, backbones.vision_px)
    return Teacher(diffusion, vision, backbones, prompt_size)


def load_teacher(network: dict[str, Any], prompt_size: int, weights: Path) -> Teacher:
    """Return the network of a profile that 'promptmid train aggregate' made. Raises InputError where something is not what it
    was."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    teacher = build_teacher(Backbones.of(network, weights.parent / "profile.yaml"), prompt_size)
    try:
        teacher.aggregation.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise InputError(f"{weights} does not hold the aggregation that the profile describes "
                         f"({str(error).splitlines()[0]}); train it again with 'promptmid train aggregate'") from error
    return teacher.eval()
