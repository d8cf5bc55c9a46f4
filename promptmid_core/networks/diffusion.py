"""PromptDM's features: what a text-conditioned diffusion network sees in an image in one deterministic pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from promptmid_core.errors import InputError


class DiffusionFeatures(nn.Module):
    """Latents of an image through the U-Net of a Stable Diffusion checkpoint, cut after the last block that is used.

    One pass at a fixed timestep, without noise, so that equal images give equal features (Tang et al. 2023, arXiv 2306.03881,
    add noise and average). The blocks and their weights are those of `diffusers`.
    """

    def __init__(self, unet: Any, vae: Any, timestep: int, up_blocks: int) -> None:
        super().__init__()
        config = unet.config
        if config.get("addition_embed_type") or config.get("class_embed_type"):
            raise InputError("the U-Net asks for more than a prompt (added or class embeddings); give Stable Diffusion "
                             "1.x or 2.x")
        if not 1 <= up_blocks <= len(unet.up_blocks):
            raise InputError(f"up_blocks is {up_blocks}, but the U-Net has {len(unet.up_blocks)} of them")
        self.encoder: Any = vae.encoder
        self.quantiser: Any = getattr(vae, "quant_conv", None)
        self.scaling = float(vae.config.scaling_factor)
        self.unet: Any = cut(unet, up_blocks)
        self.timestep = timestep
        widths = list(reversed(config["block_out_channels"]))
        self.channels = tuple(widths[:up_blocks])
        self.prompt_size = int(config["cross_attention_dim"])

    @property
    def multiple(self) -> int:
        """Sides of an image must be multiples of it, px."""
        downs = len(self.unet.down_blocks) - 1
        return int(2 ** (len(self.encoder.down_blocks) - 1 + downs))

    def forward(self, image: Tensor, prompt: Tensor) -> list[Tensor]:
        """Return images (N, 3, H, W) as `descriptors/inputs.py` makes them, prompts (N, L, E) -> a map (N, C, h, w) a block."""
        moments = self.encoder(vae_input(image))
        if self.quantiser is not None:
            moments = self.quantiser(moments)
        x = moments.chunk(2, dim=1)[0] * self.scaling
        unet = self.unet
        time = torch.full((x.shape[0],), self.timestep, device=x.device)
        told = unet.time_embedding(unet.time_proj(time).to(x.dtype))
        x = unet.conv_in(x)
        skips = [x]
        for block in unet.down_blocks:
            x, more = _told(block, x, told, prompt)
            skips += more
        if unet.mid_block is not None:
            x = unet.mid_block(x, told, encoder_hidden_states=prompt)
        found = []
        for block in unet.up_blocks:
            count = len(block.resnets)
            taken, skips = tuple(skips[-count:]), skips[:-count]
            context = {"encoder_hidden_states": prompt} if getattr(block, "has_cross_attention", False) else {}
            x = block(x, taken, told, **context)
            found.append(x)
        return found


def vae_input(images: Tensor) -> Tensor:
    """Return images as `descriptors/inputs.py` makes them, of about unit size -> from -1 to 1, as an AutoencoderKL takes them."""
    return (images / 3).clamp(-1, 1)


def cut(unet: Any, up_blocks: int) -> Any:
    """Return the U-Net without the blocks of its decoder that are not used, and without what comes after them."""
    unet.up_blocks = nn.ModuleList(list(unet.up_blocks)[:up_blocks])
    unet.conv_norm_out, unet.conv_out = None, None
    return unet


def load_unet(folder: Path) -> Any:
    """Return a UNet2DConditionModel from safetensors. Raises InputError where the folder holds none."""
    from diffusers import UNet2DConditionModel

    return _loaded(UNet2DConditionModel, folder)


def load_vae(folder: Path) -> Any:
    """Return an AutoencoderKL from safetensors. Raises InputError where the folder holds none."""
    from diffusers import AutoencoderKL

    return _loaded(AutoencoderKL, folder)


def _loaded(kind: Any, folder: Path) -> Any:
    try:
        model = kind.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{folder} cannot be loaded as {kind.__name__} ({' '.join(str(error).split())[:200]})") from error
    return model.eval().requires_grad_(False)


def _told(block: nn.Module, x: Tensor, time: Tensor, prompt: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    if getattr(block, "has_cross_attention", False):
        found: tuple[Tensor, tuple[Tensor, ...]] = block(x, time, encoder_hidden_states=prompt)
    else:
        found = block(x, time)
    return found
