"""Multi-scale aware aggregation: maps of many granularities -> one descriptor that both sensors share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from promptmid_core.networks.conditioning import ConditionedBlock, ConditionedNorm, Conditioning
from promptmid_core.networks.student import unit


class Aggregation(nn.Module):
    """Each granularity is brought to one width and grid; a gate weighs them place by place (as selective kernels do: Li et al.
    2019, arXiv 1903.06586); a stem on the image itself gives the fine places that the others lack.

    Without the gate they are averaged. Every normalisation knows the sensor and the prompt.
    """

    stride = 2

    def __init__(self, granularities: tuple[int, ...], width: int, prompt_size: int, condition: int, channels: int,
                 gated: bool = True) -> None:
        super().__init__()
        self.conditioning = Conditioning(prompt_size, condition)
        self.narrow = nn.ModuleList(nn.Conv2d(size, width, 1) for size in granularities)
        self.norms = nn.ModuleList(ConditionedNorm(width, condition) for _ in granularities)
        gate = nn.Sequential(nn.Conv2d(width, width, 1), nn.SiLU(), nn.Conv2d(width, len(granularities), 1))
        self.gate = gate if gated else None
        self.coarse = ConditionedBlock(width, condition)
        self.stems = nn.ModuleList(nn.Conv2d(3, width, 6, 2, 2) for _ in range(2))
        self.fine = nn.ModuleList(ConditionedBlock(width, condition) for _ in range(2))
        self.head = nn.Conv2d(width, channels + 1, 1)

    def forward(self, image: Tensor, maps: list[Tensor], modality: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, H, W), maps (N, C, h, w) of any grid over them, `modality` (N,), prompts (N, E)
        -> descriptors (N, C, H/2, W/2) of unit norm, confidence (N, 1, H/2, W/2) from 0 to 1."""
        condition = self.conditioning(modality, prompt)
        size = image.shape[2] // 4, image.shape[3] // 4
        same = [nn.functional.interpolate(norm(narrow(each), condition), size, mode="bilinear", align_corners=False)
                for narrow, norm, each in zip(self.narrow, self.norms, maps, strict=True)]
        stack = torch.stack(same, 1)
        x = stack.mean(1) if self.gate is None else (stack * self.gate(stack.sum(1)).softmax(1)[:, :, None]).sum(1)
        x = self.coarse(x, condition)
        optical, sar = (stem(image) for stem in self.stems)
        fine = optical + condition.share[:, :, None, None].to(optical.dtype) * (sar - optical)
        x = fine + nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
        for block in self.fine:
            x = block(x, condition)
        return unit(self.head(x.relu()).float())
