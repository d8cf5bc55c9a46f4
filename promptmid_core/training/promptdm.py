"""Stage 1: the diffusion network learns optical and SAR images with their prompts (PromptDM)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from promptmid_core.files import make_folder, writing
from promptmid_core.folders import move_files, scratch
from promptmid_core.networks.backbones import UNET, VAE, Backbones
from promptmid_core.networks.diffusion import load_unet, load_vae, vae_input
from promptmid_core.training.loop import Batch, Schedule, device, is_first, train
from promptmid_core.training.matching import Numbered, fast_in_half, own_share
from promptmid_core.training.recipe import Recipe
from promptmid_core.training.samples import Geometry, Sample, Samples
from promptmid_core.training.scenes import TrainingScene

TRAIN_STEPS = 1000  # of the noise, as Stable Diffusion has it
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
Progress = Callable[[int, int], None]


def train_promptdm(recipe: Recipe, backbones: Backbones, scenes: Sequence[TrainingScene], prompts: np.ndarray, out: Path,
                   progress: Progress | None = None) -> Path:
    """Fine-tune the U-Net to take noise from the latents of images of both sensors, told their prompts.

    Low-rank adapters of its attention (LoRA: Hu et al. 2021, arXiv 2106.09685) are trained, and merged at the end; with
    `lora_rank` 0 all weights. Returns the folder that `unet` of a CONFIG.yaml names; `out` also gets checkpoint and curve.
    """
    from diffusers import DDPMScheduler

    learnt, held_back = recipe.divided(scenes)
    vae, unet = load_vae(backbones.folder(VAE)), load_unet(backbones.folder(UNET))
    noising: Any = DDPMScheduler(
        num_train_timesteps=TRAIN_STEPS, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    words = torch.from_numpy(np.asarray(prompts, np.float32)).to(device())
    vae.to(device())
    torch.manual_seed(recipe.seed)
    adapted: Any = unet
    if recipe.lora_rank:
        from peft import LoraConfig, get_peft_model

        rank = recipe.lora_rank
        adapted = get_peft_model(unet, LoraConfig(r=rank, lora_alpha=rank, target_modules=list(ATTENTION)))
    else:
        unet.requires_grad_(True)
    predicts_noise = unet.config.get("prediction_type", "epsilon") == "epsilon"

    @torch.no_grad()
    def latents(images: Tensor) -> Tensor:
        found: Tensor = vae.encode(vae_input(images)).latent_dist.mode() * vae.config.scaling_factor
        return found

    def denoising(model: Any, batch: Batch, seed: int) -> Tensor:
        draw = torch.Generator().manual_seed(seed)
        clean = latents(batch["image"])
        noise = torch.randn(clean.shape, generator=draw).to(clean.device)
        times = torch.randint(0, TRAIN_STEPS, (len(clean),), generator=draw).to(clean.device)
        told = words[batch["modality"], batch["landuse"]]
        with torch.autocast(clean.device.type, torch.bfloat16, enabled=fast_in_half(clean.device)):
            found = model(noising.add_noise(clean, noise, times), times, encoder_hidden_states=told).sample
        goal = noise if predicts_noise else noising.get_velocity(clean, noise, times)
        return nn.functional.mse_loss(found.float(), goal)

    validation = [_images([Samples(held_back or learnt, recipe.sources, recipe.seed, Geometry(**recipe.geometry), False)[number]
                           for number in range(first, first + 8)]) for first in range(0, recipe.validation_samples, 8)]

    @torch.no_grad()
    def validated(average: nn.Module) -> dict[str, float]:
        return {"validation_loss": float(np.mean([float(denoising(average, batch, number))
                                                  for number, batch in enumerate(validation)]))}

    for number, cycle in enumerate(recipe.cycles):
        samples = Samples(learnt, recipe.sources, recipe.seed + number, Geometry(**recipe.geometry))

        def batches(step: int, samples: Samples = samples, cycle: Schedule = cycle) -> Iterable[Batch]:
            return DataLoader(Numbered(samples), batch_size=cycle.batch, sampler=own_share(step, cycle), num_workers=1,
                              collate_fn=_images, prefetch_factor=4)

        def loss(batch: Batch, step: int, model: Any = adapted, offset: int = number * 10**9) -> Tensor:
            return denoising(model, batch, offset + step)

        folder = out / f"cycle-{number + 1}"
        make_folder(folder, out)
        adapted = train(adapted, cycle, folder, batches, loss, validated, progress)
    merged = adapted.merge_and_unload() if recipe.lora_rank else adapted
    if is_first():
        with writing(out / UNET), scratch(out / UNET) as folder:
            merged.save_pretrained(folder, safe_serialization=True)
            move_files(folder, out / UNET, out)
    return out


def _images(samples: Sequence[Sample]) -> Batch:
    """Of each place both images, of the patch's size."""
    side = samples[0].optical.shape[-1]
    first = (samples[0].sar.shape[-1] - side) // 2
    pairs = [(sample.optical, sample.sar[:, first:first + side, first:first + side]) for sample in samples]
    return {"image": torch.from_numpy(np.concatenate([np.stack(images) for images in zip(*pairs, strict=True)])),
            "modality": torch.tensor([0] * len(samples) + [1] * len(samples)),
            "landuse": torch.tensor([sample.landuse for sample in samples] * 2)}
