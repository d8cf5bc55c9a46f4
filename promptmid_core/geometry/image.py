"""Images and descriptors that know where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Mask
from promptmid_core.geometry.grid import Grid

MOST_VALUE = 1e4  # of a descriptor; products and sums of these stay finite


@dataclass(frozen=True)
class Patch:
    """An image on the map grid: `image` (H, W) or (H, W, C), `valid` (H, W) bool, `grid` of its pixels."""

    image: NDArray[np.generic]
    valid: Mask
    grid: Grid

    @property
    def area(self) -> float:
        """Square metres of ground that are seen."""
        return float(self.valid.sum()) * self.grid.gsd ** 2


class Measure(StrEnum):
    """How two sides of a channel group are compared: channel by channel, or by how well one side foretells the other."""

    CORRELATION = "correlation"
    DEPENDENCE = "dependence"


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that are compared together; `weight` is that of their score in the sum.

    For a dependence the two images may have different numbers of them. Values lie within -`bound` and `bound`, but for rare
    ones that lose nothing by being moved there.
    """

    name: str
    channels: int
    measure: Measure = Measure.CORRELATION
    weight: float = 1.0
    bound: float = 1.0


@dataclass(frozen=True)
class DescriptorMap:
    """Descriptors on the map grid: `array` (C, H, W), `valid` (H, W) bool, `grid` of the descriptor cells.

    A cell covers `stride` x `stride` level pixels; `grid.gsd` is the cell's own size in metres. `groups` divide the channels in
    order; two maps that are matched have the same names and measures. Without groups all channels are one correlation.
    """

    array: NDArray[np.floating]
    valid: Mask
    grid: Grid
    stride: int
    groups: tuple[ChannelGroup, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether all values are numbers, none of them beyond any bound."""
        return not self.array.size or bool(self.array.min() >= -MOST_VALUE and self.array.max() <= MOST_VALUE)

    def parts(self, kind: Measure | str | None = None) -> list[tuple[ChannelGroup, NDArray[np.floating]]]:
        """Return each group with its channels (C', H, W); where a `kind` is given, those with that measure, or of that name,
        alone."""
        groups = self.groups or ((ChannelGroup("all", len(self.array)),) if len(self.array) else ())
        ends = np.cumsum([group.channels for group in groups])
        return [(group, self.array[end - group.channels:end]) for group, end in zip(groups, ends, strict=True)
                if kind is None or kind in (group.measure, group.name)]

    def only(self, kind: Measure | str) -> DescriptorMap:
        """Return the groups with that measure, or of that name, alone."""
        kept = self.parts(kind)
        array = np.concatenate([array for _, array in kept]) if len(kept) > 1 else kept[0][1] if kept else self.array[:0]
        return DescriptorMap(array, self.valid, self.grid, self.stride, tuple(group for group, _ in kept))

    def cut(self, col: int, row: int, width: int, height: int) -> DescriptorMap:
        """Return the cells from a column and row on, so many across and down; all of them must be there."""
        inside = np.s_[row:row + height, col:col + width]
        return DescriptorMap(self.array[:, *inside], self.valid[inside], self.grid.cut(col, row, width, height), self.stride,
                             self.groups)

    def trimmed(self, step: int) -> DescriptorMap:
        """Return what surrounds the valid cells, in whole steps of cells; all of it where none is valid."""
        rows, cols = (np.flatnonzero(self.valid.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return self
        (top, bottom), (left, right) = ((at[0] // step * step, -(-(at[-1] + 1) // step) * step) for at in (rows, cols))
        if (bottom - top, right - left) == self.valid.shape:
            return self
        return self.cut(int(left), int(top), int(right - left), int(bottom - top))
