"""Checkpoints of the real classes of diffusers and transformers, tiny and untrained, saved as users have them.

usage: python test/checkpoints.py OUT: twice as wide, for examples/ablate_full.py
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from string import ascii_lowercase

import yaml


def save_diffusion(folder: Path, wide: int = 1) -> None:
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=8, block_out_channels=(16 * wide, 32 * wide), layers_per_block=1, norm_num_groups=8, cross_attention_dim=32,
        attention_head_dim=4, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")).save_pretrained(folder / "unet")
    AutoencoderKL(block_out_channels=(8, 8, 8, 8), norm_num_groups=4, latent_channels=4,
                  down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
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


def save_vision(folder: Path, wide: int = 1) -> None:
    import torch
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(1)
    Dinov2Model(Dinov2Config(hidden_size=24 * wide, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=28,
                             patch_size=14)).save_pretrained(folder, safe_serialization=True)


def save_model(folder: Path, wide: int = 1) -> Path:
    """Both checkpoints and the CONFIG.yaml that pins them."""
    save_diffusion(folder / "sd", wide)
    save_vision(folder / "dino", wide)
    files = {"unet": "sd/unet/diffusion_pytorch_model.safetensors", "vae": "sd/vae/diffusion_pytorch_model.safetensors",
             "vision": "dino/model.safetensors"}
    config = {"diffusion": "sd", "vision": "dino", "up_blocks": 2, "vision_layers": [1, 2], "vision_px": 126, "width": 16 * wide,
              "condition": 8, "channels": 16, "side_px": 128, "margin_px": 32,
              "sha256": {part: hashlib.sha256((folder / file).read_bytes()).hexdigest() for part, file in files.items()}}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


if __name__ == "__main__":
    print(save_model(Path(sys.argv[1]), wide=2))
