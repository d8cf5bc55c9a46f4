"""What a network is told beside the image - the sensor and the prompt - and how its layers heed it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Condition:
    """`share` (N, 1): 0 for optical images, 1 for SAR; `prompt` (N, K): what the prompt says; `only`: the modality of all images
    of a batch in training."""

    share: Tensor
    prompt: Tensor
    only: int | None


class Conditioning(nn.Module):
    """Modality and prompt embedding, times `gain`, -> Condition."""

    def __init__(self, prompt_size: int, size: int, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.read = nn.Sequential(nn.Linear(prompt_size, size), nn.SiLU())

    def forward(self, modality: Tensor, prompt: Tensor) -> Condition:
        only = int(modality[0]) if self.training else None
        return Condition(modality.reshape(-1, 1).to(prompt.dtype), self.read(prompt * self.gain), only)


class ConditionedNorm(nn.Module):
    """Batch normalisation with statistics, scale and shift of each modality, and a scale and shift that the prompt adds.

    A batch in training has images of one modality. (Domain-specific batch normalisation: Chang et al. 2019, arXiv 1906.03950;
    modulation by a condition: Perez et al. 2018, arXiv 1709.07871.)
    """

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.statistics = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))
        self.modulation = nn.Linear(condition, 2 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        gain, shift = self.modulation(condition.prompt).chunk(2, dim=1)
        if condition.only is not None:
            x = self.statistics[condition.only](x)
            return torch.addcmul(shift[:, :, None, None], x, 1 + gain[:, :, None, None])
        (optical_scale, optical_shift), (sar_scale, sar_shift) = (_affine(norm) for norm in self.statistics)
        scale = torch.lerp(optical_scale, sar_scale, condition.share) * (1 + gain)
        rest = torch.lerp(optical_shift, sar_shift, condition.share) * (1 + gain) + shift
        y: Tensor = x * scale[:, :, None, None] + rest[:, :, None, None]
        return y


class ConditionedBlock(nn.Module):
    """A residual block of two convolutions, each after a ConditionedNorm."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ConditionedNorm(width, condition) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1) for _ in range(2))

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        y = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            y = convolution(norm(y, condition).relu())
        return x + y


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale: Tensor = norm.weight * torch.rsqrt(torch.add(norm.running_var, norm.eps))
    return scale, norm.bias - norm.running_mean * scale
