"""The onboard network: a convolutional student that takes the prompt, small enough for two processor cores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from promptmid_core.runtime.conditioning import Condition, ConditionedBlock, Conditioning


@dataclass(frozen=True)
class StudentShape:
    """Sizes of a Student: channels at strides 2, 4 and 8, residual blocks on the way down and up, and what comes in and out."""

    widths: tuple[int, int, int] = (40, 72, 144)
    down: tuple[int, int, int] = (1, 2, 2)
    up: tuple[int, int] = (1, 1)
    prompt_size: int = 384
    condition: int = 64
    channels: int = 16


class Student(nn.Module):
    """A U-shaped convolutional network with a stem for each modality; all else is shared and modulated by the prompt.

    It has no statistic over space and no attention, so a cell depends on the pixels within `reach` alone: descriptors of a
    tile equal those of the whole image, whatever its size.
    """

    stride, multiple = 2, 8

    def __init__(self, shape: StudentShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or StudentShape()
        fine, middle, coarse = shape.widths
        self.conditioning = Conditioning(shape.prompt_size, shape.condition)
        self.stems = nn.ModuleList(nn.Conv2d(3, fine, 6, 2, 2) for _ in range(2))

        def blocks(width: int, count: int) -> nn.ModuleList:
            return nn.ModuleList(ConditionedBlock(width, shape.condition) for _ in range(count))

        self.fine_down, self.middle_down, self.coarse = (
            blocks(width, count) for width, count in zip(shape.widths, shape.down, strict=True))
        self.to_middle, self.to_coarse = nn.Conv2d(fine, middle, 2, 2), nn.Conv2d(middle, coarse, 2, 2)
        self.from_coarse, self.from_middle = nn.Conv2d(coarse, middle, 1), nn.Conv2d(middle, fine, 1)
        self.middle_up, self.fine_up = blocks(middle, shape.up[0]), blocks(fine, shape.up[1])
        self.head = nn.Conv2d(fine, shape.channels + 1, 1)

    @property
    def reach(self) -> int:
        """Pixels on each side that a cell depends on, at most."""
        d, u = self.shape.down, self.shape.up
        return 2 + 2 * 2 * (d[0] + u[1]) + 4 * 2 * (d[1] + u[0]) + 8 * 2 * d[2] + 8

    def forward(self, image: Tensor, modality: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, H, W), sides multiples of 8; `modality` (N,) 0 optical, 1 SAR; prompts (N, E)
        -> descriptors (N, C, H/2, W/2) of unit norm, confidence (N, 1, H/2, W/2) from 0 to 1."""
        condition = self.conditioning(modality, prompt)
        optical, sar = (stem(image) for stem in self.stems)
        x = optical + condition.share[:, :, None, None].to(optical.dtype) * (sar - optical)
        fine = _through(self.fine_down, x, condition)
        middle = _through(self.middle_down, self.to_middle(fine), condition)
        coarse = _through(self.coarse, self.to_coarse(middle), condition)
        middle = _through(self.middle_up, middle + _twice(self.from_coarse(coarse)), condition)
        fine = _through(self.fine_up, fine + _twice(self.from_middle(middle)), condition)
        return unit(self.head(fine.relu()).float())


def unit(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Channels (N, C + 1, h, w) -> the first C at unit norm, and the last as confidence (N, 1, h, w) from 0 to 1."""
    descriptors, confidence = raw[:, :-1], raw[:, -1:]
    length = torch.sqrt((descriptors * descriptors).sum(1, keepdim=True) + 1e-6)
    return descriptors / length, torch.sigmoid(confidence)


def _through(blocks: nn.ModuleList, x: Tensor, condition: Condition) -> Tensor:
    for block in blocks:
        x = block(x, condition)
    return x


def _twice(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
