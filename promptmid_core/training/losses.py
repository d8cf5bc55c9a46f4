"""Losses on score surfaces: the patch should score where it lies and nowhere else."""

from __future__ import annotations

import torch
from torch import Tensor


def score_surfaces(patches: Tensor, windows: Tensor) -> Tensor:
    """Return the normalised correlation (N, 2r+1, 2r+1) of patches (N, C, p, p) in windows (N, C, p+2r, p+2r), as in
    `matching/`."""
    size, side = windows.shape[-1], windows.shape[-1] - patches.shape[-1] + 1
    patches = patches - patches.mean((2, 3), keepdim=True)
    windows = windows - windows.mean((2, 3), keepdim=True)
    shape = (size, size)
    spectra = torch.fft.rfft2(windows) * torch.fft.rfft2(patches, shape).conj()
    products = torch.fft.irfft2(spectra.sum(1), shape)[:, :side, :side]
    energy = _boxes((windows * windows).sum(1), patches.shape[-1])
    own = (patches * patches).mean((2, 3)).sum(1)[:, None, None]
    scores: Tensor = products / patches[0, 0].numel() / torch.sqrt(energy * own + 1e-8)
    return scores


def _boxes(values: Tensor, side: int) -> Tensor:
    """Means (N, h - side + 1, w - side + 1) of all boxes of (N, h, w): down, then across."""
    down = torch.nn.functional.avg_pool2d(values, (side, 1), 1)
    return torch.nn.functional.avg_pool2d(down, (1, side), 1)


def peak_loss(scores: Tensor, shifts: Tensor, temperature: Tensor, sigma: float = 0.8) -> Tensor:
    """Cross-entropy (N,) of the scores' softmax against a Gaussian of `sigma` cells around the true shifts (N, 2) in cells."""
    return -(target(scores, shifts, sigma) * log_chances(scores, temperature)).sum((1, 2))


def log_chances(scores: Tensor, temperature: Tensor) -> Tensor:
    flat = (scores * temperature).flatten(1)
    return torch.log_softmax(flat, 1).view_as(scores)


def target(scores: Tensor, shifts: Tensor, sigma: float) -> Tensor:
    radius = scores.shape[-1] // 2
    at = torch.arange(-radius, radius + 1, dtype=torch.float32, device=shifts.device)
    across = torch.exp(-((at[None, :] - shifts[:, :1]) ** 2) / (2 * sigma ** 2))
    down = torch.exp(-((at[None, :] - shifts[:, 1:]) ** 2) / (2 * sigma ** 2))
    chances = down[:, :, None] * across[:, None, :]
    return chances / chances.sum((1, 2), keepdim=True)
