"""An engine of true size, without a GPU: `python test/full_size.py OUT`, about twenty minutes and 20 GB of memory.

The network has the shape of Stable Diffusion 1.5 (the encoder of its VAE, its U-Net up to the second block of the way up), DINOv2
base beside it, and a projection of both to the two outputs; its weights are random. It is exported in float16, built for one
compute capability, and the time and peak memory of each step are printed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

SIDE_PX, TOKENS, CAPABILITY = 256, 77, "8.9"
USED_UP_BLOCKS = 2
PATCH_PX = 14  # of DINOv2


def export(path: Path) -> None:
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from torch import nn
    from transformers import Dinov2Config, Dinov2Model

    from promptmid_core.export.onnx import example, export_onnx

    class FullSize(nn.Module):
        FLOAT32 = ("vae",)

        def __init__(self) -> None:
            super().__init__()
            widths = (128, 256, 512, 512)
            vae = AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
                                block_out_channels=widths, layers_per_block=2, latent_channels=4)
            self.vae = nn.Sequential(vae.encoder, vae.quant_conv)
            # config of the U-Net of Stable Diffusion 1.5
            unet = UNet2DConditionModel(
                in_channels=4, out_channels=4, block_out_channels=(320, 640, 1280, 1280), layers_per_block=2,
                cross_attention_dim=768, attention_head_dim=8, down_block_types=(*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
                up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * 3))
            unet.up_blocks = unet.up_blocks[:USED_UP_BLOCKS]
            self.unet = unet
            self.vfm = Dinov2Model(Dinov2Config())
            self.patches = SIDE_PX // 16
            self.project = nn.Conv2d(1280 + 768, 33, 1)

        def forward(self, image: torch.Tensor, modality: torch.Tensor, prompt: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            latent = self.vae(image)[:, :4] * 0.18215
            size = (SIDE_PX // 4,) * 2
            seen = self._denoised(latent, prompt)
            small = nn.functional.interpolate(image, (self.patches * PATCH_PX,) * 2, mode="bilinear", align_corners=False)
            tokens = self.vfm(small).last_hidden_state[:, 1:]
            known = tokens.transpose(1, 2).reshape(1, -1, self.patches, self.patches)
            both = [nn.functional.interpolate(each, size, mode="bilinear", align_corners=False) for each in (seen, known)]
            raw = self.project(torch.cat(both, 1)) + 0 * modality
            channels, confidence = raw[:, :-1], raw[:, -1:]
            return channels / torch.sqrt((channels * channels).sum(1, keepdim=True) + 1e-6), torch.sigmoid(confidence)

        def _denoised(self, latent: torch.Tensor, prompt: torch.Tensor) -> torch.Tensor:
            unet = self.unet
            moment = unet.time_embedding(unet.time_proj(torch.full((1,), 261.0)))
            x = unet.conv_in(latent)
            ways = [x]
            for block in unet.down_blocks:
                told = {"encoder_hidden_states": prompt} if hasattr(block, "attentions") else {}
                x, passed = block(hidden_states=x, temb=moment, **told)
                ways += passed
            x = unet.mid_block(x, moment, encoder_hidden_states=prompt)
            for block in unet.up_blocks:
                passed = tuple(ways[-len(block.resnets):])
                del ways[-len(block.resnets):]
                told = {"encoder_hidden_states": prompt} if hasattr(block, "attentions") else {}
                x = block(hidden_states=x, temb=moment, res_hidden_states_tuple=passed, **told)
            return x

    torch.manual_seed(0)
    module = FullSize().eval()
    print(f"{sum(weights.numel() for weights in module.parameters()) / 1e6:.0f} million parameters", flush=True)
    export_onnx(module, example(SIDE_PX, (TOKENS, 768)), path, precision="float16", metadata={"precision": "float16"})


def step(name: str, words: list[str]) -> None:
    """Run a command, and print what it took; SystemExit where it fails."""
    before = time.monotonic()
    child = subprocess.Popen(words)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    print(f"{name}: {time.monotonic() - before:.0f} s, peak memory {usage.ru_maxrss / 2**20:.1f} GB", flush=True)
    if child.returncode:
        raise SystemExit(f"{name} failed with status {child.returncode}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--export-only", action="store_true", help="what the first step runs")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    onnx, engine = args.out / "full_size.onnx", args.out / "full_size.engine"
    if args.export_only:
        export(onnx)
        return
    step("export onnx", [sys.executable, __file__, str(args.out), "--export-only"])
    step("export tensorrt", [sys.executable, "-m", "promptmid_core.cli", "export", "tensorrt", str(onnx), "--side-px",
                             str(SIDE_PX), "--compute-capability", CAPABILITY, "--out", str(engine)])
    beside = [path.name for path in args.out.glob(f"{onnx.name}.*")]
    print(f"{onnx.stat().st_size / 1e9:.2f} GB in {onnx.name}{' and ' + ', '.join(beside) if beside else ', one file'}; "
          f"{engine.stat().st_size / 1e9:.2f} GB in {engine.name}")


if __name__ == "__main__":
    main()
