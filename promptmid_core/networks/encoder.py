"""What the onboard network sees an image with: the first blocks of EfficientNet-Lite0, told sensor and prompt."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from promptmid_core.networks.conditioning import Condition, ConditionedNorm


class Block(NamedTuple):
    """Of one inverted residual: which of the encoder's widths it comes from and gives, how many times wider it is within, side of
    its kernel, and stride."""

    origin: int
    result: int
    expansion: int
    kernel: int
    stride: int


# EfficientNet-Lite0 as far as stride 8
BLOCKS = (Block(0, 1, 1, 3, 1), Block(1, 2, 6, 3, 2), Block(2, 2, 6, 3, 1), Block(2, 3, 6, 5, 2), Block(3, 3, 6, 5, 1))
WIDTHS = (32, 16, 24, 40)


class Depthwise(nn.Conv2d):
    """A convolution of each channel alone, which trains in the precision of its weights also where the rest is in bfloat16:
    processors take longer for its gradients in that."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class InvertedResidual(nn.Module):
    """Widen, look around in each channel alone, narrow (Sandler et al. 2018, arXiv 1801.04381).

    What is normalised within is part of the convolutions; the narrow result has the norm that knows sensor and prompt.
    """

    def __init__(self, block: Block, widths: tuple[int, ...], condition: int) -> None:
        super().__init__()
        narrow, result = widths[block.origin], widths[block.result]
        wide = narrow * block.expansion
        self.expand = nn.Conv2d(narrow, wide, 1) if block.expansion > 1 else None
        self.depthwise = Depthwise(wide, block.kernel, block.stride)
        self.project = nn.Conv2d(wide, result, 1, bias=False)
        self.norm = ConditionedNorm(result, condition)
        self.residual = block.stride == 1 and narrow == result

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        y = x if self.expand is None else nn.functional.relu6(self.expand(x))
        y = nn.functional.relu6(self.depthwise(y))
        narrow: Tensor = self.norm(self.project(y), condition)
        return x + narrow if self.residual else narrow


class Encoder(nn.Module):
    """EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946, without its squeeze and excitation and with ReLU6) as far as
    stride 8, with a first convolution for each modality."""

    def __init__(self, widths: tuple[int, ...], condition: int) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Conv2d(3, widths[0], 3, 2, 1, bias=False) for _ in range(2))
        self.norm = ConditionedNorm(widths[0], condition)
        self.blocks = nn.ModuleList(InvertedResidual(block, widths, condition) for block in BLOCKS)

    @property
    def reach(self) -> int:
        """Pixels on each side that a cell of the coarsest map depends on, at most."""
        pixels, pitch = 2, 2
        for block in BLOCKS:
            pixels += block.kernel // 2 * pitch
            pitch *= block.stride
        return pixels

    def forward(self, image: Tensor, condition: Condition) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return images (N, 3, H, W), sides multiples of 8 -> maps of as many channels as the widths say, at strides 2, 2, 4 and
        8."""
        if condition.only is not None:
            seen = self.first[condition.only](image)
        else:
            optical, sar = (first(image) for first in self.first)
            seen = torch.lerp(optical, sar, condition.share[:, :, None, None].to(optical.dtype))
        found = [nn.functional.relu6(self.norm(seen, condition))]
        for block, module in zip(BLOCKS, self.blocks, strict=True):
            y = module(found[-1], condition)
            if block.origin == block.result:
                found[-1] = y
            else:
                found.append(y)
        first, fine, middle, coarse = found
        return first, fine, middle, coarse
