"""The onboard network: a convolutional student that takes the prompt, small enough for two processor cores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from promptmid_core.networks.conditioning import Condition, ConditionedBlock, Conditioning
from promptmid_core.networks.encoder import WIDTHS, Encoder

PROMPT_GAIN = 8.0  # an embedding of length 1 has many small components, from which a layer would learn too slowly


@dataclass(frozen=True)
class StudentShape:
    """Sizes of a Student: channels of its encoder, at strides 2, 2, 4 and 8, and of its decoder at strides 4 and 8; residual
    blocks of the decoder at strides 8, 4 and 2; and what comes in and out."""

    encoder: tuple[int, ...] = WIDTHS
    middle: int = 64
    coarse: int = 128
    blocks: tuple[int, int, int] = (2, 1, 1)
    prompt_size: int = 384
    condition: int = 64
    channels: int = 16


class Student(nn.Module):
    """An encoder whose weights can begin from ImageNet, and a decoder that joins its maps from coarse to fine; sensor and prompt
    modulate both.

    It has no statistic over space and no attention, so a cell depends on the pixels within `reach` alone: descriptors of a
    tile equal those of the whole image, whatever its size.
    """

    stride, multiple = 2, 8

    def __init__(self, shape: StudentShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or StudentShape()
        fine = shape.encoder[0]
        self.conditioning = Conditioning(shape.prompt_size, shape.condition, PROMPT_GAIN)
        self.encoder = Encoder(shape.encoder, shape.condition)
        wider = fine, shape.middle, shape.coarse
        self.to_fine, self.to_middle, self.to_coarse = (
            nn.Conv2d(width, own, 1) for width, own in zip(shape.encoder[1:], wider, strict=True))

        def blocks(width: int, count: int) -> nn.ModuleList:
            return nn.ModuleList(ConditionedBlock(width, shape.condition) for _ in range(count))

        self.coarse, self.middle, self.fine = (
            blocks(width, count) for width, count in zip(wider[::-1], shape.blocks, strict=True))
        self.from_coarse, self.from_middle = nn.Conv2d(shape.coarse, shape.middle, 1), nn.Conv2d(shape.middle, fine, 1)
        self.head = nn.Conv2d(fine, shape.channels + 1, 1)

    @property
    def reach(self) -> int:
        """Pixels on each side that a cell depends on, at most."""
        coarse, middle, fine = self.shape.blocks
        return self.encoder.reach + 8 * 2 * coarse + 4 * 2 * middle + 2 * 2 * fine + 8

    def forward(self, image: Tensor, modality: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, H, W), sides multiples of 8; `modality` (N,) 0 optical, 1 SAR; prompts (N, E)
        -> descriptors (N, C, H/2, W/2) of unit norm, confidence (N, 1, H/2, W/2) from 0 to 1."""
        condition = self.conditioning(modality, prompt)
        first, fine, middle, coarse = self.encoder(image, condition)
        coarse = _through(self.coarse, self.to_coarse(coarse), condition)
        middle = _through(self.middle, self.to_middle(middle) + _twice(self.from_coarse(coarse)), condition)
        fine = _through(self.fine, first + self.to_fine(fine) + _twice(self.from_middle(middle)), condition)
        return unit(self.head(fine.relu()).float())


def unit(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Return channels (N, C + 1, h, w) -> the first C at unit norm, and the last as confidence (N, 1, h, w) from 0 to 1."""
    descriptors, confidence = raw[:, :-1], raw[:, -1:]
    length = torch.sqrt((descriptors * descriptors).sum(1, keepdim=True) + 1e-6)
    return descriptors / length, torch.sigmoid(confidence)


def _through(blocks: nn.ModuleList, x: Tensor, condition: Condition) -> Tensor:
    for block in blocks:
        x = block(x, condition)
    return x


def _twice(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
