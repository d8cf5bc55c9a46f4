"""Checkpoints of the real classes of diffusers and transformers, tiny and untrained, saved as users have them.

usage: python test/checkpoints.py OUT [--unet 32,64] [--vae 8,8,8,8]: wider ones, for examples/ablate_full.py and train_vae.py
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from string import ascii_lowercase

import yaml

UNET, VAE = (16, 32), (8, 8, 8, 8)  # channels of their blocks, the finest first


def save_diffusion(folder: Path, unet: tuple[int, ...] = UNET, vae: tuple[int, ...] = VAE) -> None:
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=8, block_out_channels=unet, layers_per_block=1, norm_num_groups=8, cross_attention_dim=32,
        attention_head_dim=4, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")).save_pretrained(folder / "unet")
    AutoencoderKL(block_out_channels=vae, norm_num_groups=4, latent_channels=4,
                  down_block_types=("DownEncoderBlock2D",) * len(vae), up_block_types=("UpDecoderBlock2D",) * len(vae),
                  ).save_pretrained(folder / "vae")
    words = [*ascii_lowercase, *(f"{letter}</w>" for letter in ascii_lowercase), "<|startoftext|>", "<|endoftext|>"]
    source = folder / "words"
    source.mkdir(parents=True)
    (source / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (source / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(source / "vocab.json"), str(source / "merges.txt"), model_max_length=48)
    tokenizer.save_pretrained(folder / "tokenizer")
    config = CLIPTextConfig(vocab_size=len(words), hidden_size=32, intermediate_size=48, num_hidden_layers=1,
                            num_attention_heads=2, max_position_embeddings=48, bos_token_id=len(words) - 2,
                            eos_token_id=len(words) - 1)
    CLIPTextModel(config).save_pretrained(folder / "text_encoder", safe_serialization=True)


def save_vision(folder: Path, width: int = 24) -> None:
    import torch
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(1)
    Dinov2Model(Dinov2Config(hidden_size=width, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=28,
                             patch_size=14)).save_pretrained(folder, safe_serialization=True)


def save_model(folder: Path, unet: tuple[int, ...] = UNET, vae: tuple[int, ...] = VAE) -> Path:
    """Both checkpoints and the CONFIG.yaml that pins them."""
    wide = unet[0] // UNET[0]
    save_diffusion(folder / "sd", unet, vae)
    save_vision(folder / "dino", 24 * wide)
    files = {"unet": "sd/unet/diffusion_pytorch_model.safetensors", "vae": "sd/vae/diffusion_pytorch_model.safetensors",
             "vision": "dino/model.safetensors"}
    config = {"diffusion": "sd", "vision": "dino", "up_blocks": 2, "vision_layers": [1, 2], "vision_px": 126, "width": 16 * wide,
              "condition": 8, "channels": 16, "side_px": 128, "margin_px": 32,
              "sha256": {part: hashlib.sha256((folder / file).read_bytes()).hexdigest() for part, file in files.items()}}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def widths(text: str) -> tuple[int, ...]:
    return tuple(int(width) for width in text.split(","))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--unet", type=widths, default=(32, 64))
    parser.add_argument("--vae", type=widths, default=VAE)
    args = parser.parse_args()
    print(save_model(args.out, args.unet, args.vae))
