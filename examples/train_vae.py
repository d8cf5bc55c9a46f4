"""Teach the autoencoder of small checkpoints, which test/checkpoints.py makes untrained, to give images of both sensors back.

usage: python examples/train_vae.py CONFIG.yaml --data DIR... [--sources A,B] [--steps 600] [--batch 8] [--patch 128]

What the recipe `compact` holds back is not shown to it. The weights in the checkpoint of CONFIG.yaml are replaced, and the hash
that CONFIG.yaml pins with them. Stable Diffusion's own autoencoder needs none of this.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import yaml
from torch.utils.data import DataLoader

from promptmid_core.files import sha256
from promptmid_core.networks.backbones import VAE, WEIGHTS, Backbones
from promptmid_core.networks.diffusion import load_vae, vae_input
from promptmid_core.training.matching import Numbered, fast_in_half
from promptmid_core.training.recipe import Recipe
from promptmid_core.training.samples import Geometry, Sample, Samples
from promptmid_core.training.scenes import read_scenes

CPU = torch.device("cpu")
KL = 1e-4  # share of the latents' divergence from a normal distribution, which keeps them near unit size


def images(samples: list[Sample]) -> torch.Tensor:
    side = samples[0].optical.shape[-1]
    pixels = np.stack([image[:, :side, :side] for sample in samples for image in (sample.optical, sample.sar)])
    return vae_input(torch.from_numpy(pixels))


def train(args: argparse.Namespace) -> None:
    folder = Backbones.read(args.config).folder(VAE)
    vae = load_vae(folder).train().requires_grad_(True)
    recipe = Recipe.read("compact")
    learnt, _ = recipe.divided(read_scenes(args.data, args.sources))
    samples = Samples(learnt, recipe.sources, 1, Geometry(patch=args.patch, window=args.patch + 8))
    numbers = range(args.steps * args.batch)
    batches = DataLoader(Numbered(samples), args.batch, sampler=numbers, num_workers=1, collate_fn=images, prefetch_factor=4)
    optimiser = torch.optim.AdamW(vae.parameters(), 1e-3)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, args.steps, pct_start=0.1)
    torch.manual_seed(1)
    size = 1.0
    for step, batch in enumerate(batches, 1):
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_in_half(CPU)):
            seen = vae.encode(batch).latent_dist
            given_back = vae.decode(seen.sample()).sample
        error = torch.nn.functional.mse_loss(given_back.float(), batch)
        loss = error + KL * seen.kl().mean() / seen.mean[0].numel()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        rates.step()
        size = 0.98 * size + 0.02 * float(seen.mode().detach().std())
        if step % 50 == 0:
            print(f"step {step}: images come back within {float(error.detach()) ** 0.5:.3f} RMS of {float(batch.std()):.3f}, "
                  f"latents of size {size:.2f}", flush=True)
    vae.register_to_config(scaling_factor=1 / size)
    vae.save_pretrained(folder)
    config = yaml.safe_load(args.config.read_text())
    config["sha256"][VAE] = sha256(folder / WEIGHTS[VAE])
    args.config.write_text(yaml.safe_dump(config))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--sources", type=lambda text: text.split(","))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=128)
    train(parser.parse_args())
