"""The map window that a search looks into, with what the search makes of it, so that the next search there need not again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float32, Mask
from promptmid_core.geometry import DescriptorMap, Grid
from promptmid_core.matching.correlation import Spectra, centred, tiles
from promptmid_core.matching.dependence import Moments
from promptmid_core.matching.pool import pooled
from promptmid_core.matching.sought import COARSE_FACTOR


@dataclass(frozen=True)
class Layout:
    """The blocks of a patch of `shape` coarse cells: `count` (rows, columns) side by side, of `size` cells; each is looked for up
    to `reach` cells away."""

    shape: tuple[int, int]
    size: int
    count: tuple[int, int]
    reach: int

    @staticmethod
    def of(shape: tuple[int, int], size: int, reach: int) -> Layout:
        """Return blocks of at least `size` cells that divide the patch's short side, or of all of it where that is less."""
        short = min(shape)
        size = short // max(short // size, 1)
        return Layout(shape, size, (shape[0] // size, shape[1] // size), reach)


class SearchWindow:
    """A window of the map's descriptors; what is made of it is kept, for one layout of blocks a channel group."""

    def __init__(self, described: DescriptorMap) -> None:
        self.described = described
        self._coarse = pooled(described, COARSE_FACTOR)
        self._spectra: dict[str, tuple[Layout, Spectra]] = {}
        self._moments: dict[str, tuple[Layout, Moments]] = {}

    def around(self, grid: Grid) -> SearchWindow:
        """Return the window around a part of the patch, whose cells are on this window's own, with the same margin."""
        own = self.described.grid
        left, top = (round(float(at)) for at in own.to_pixel(grid.x, grid.y))
        right, bottom = own.width - left - grid.width, own.height - top - grid.height
        margin = min(left, top, right, bottom) // COARSE_FACTOR * COARSE_FACTOR
        if margin == max(left, top, right, bottom):
            return self
        return SearchWindow(self.described.cut(left - margin, top - margin, grid.width + 2 * margin, grid.height + 2 * margin))

    def spectra(self, group: str, layout: Layout) -> Spectra:
        """Return the windows around all blocks of the patch in its middle."""
        kept = self._spectra.get(group)
        if kept is None or kept[0] != layout:
            kept = self._spectra[group] = layout, Spectra.of(*self._around(group, layout, self._reach(layout)))
        return kept[1]

    def moments(self, group: str, layout: Layout) -> Moments:
        """Return what `spectra` does, for a dependence."""
        kept = self._moments.get(group)
        if kept is None or kept[0] != layout:
            margin = self._margin(layout)
            kept = self._moments[group] = layout, Moments.of(*self._around(group, layout, margin), margin - self._reach(layout))
        return kept[1]

    def _margin(self, layout: Layout) -> int:
        return int(self._coarse.valid.shape[1] - layout.shape[1]) // 2

    def _reach(self, layout: Layout) -> int:
        return min(layout.reach, self._margin(layout))

    def _around(self, group: str, layout: Layout, reach: int) -> tuple[Float32, Mask]:
        """The windows (B, C, w, w) around blocks, as far as `reach` cells, centred, and where they are valid (B, w, w)."""
        spare, side = self._margin(layout) - reach, layout.size + 2 * reach
        inner = np.s_[..., spare:self._coarse.valid.shape[0] - spare, spare:self._coarse.valid.shape[1] - spare]
        array = next(array for known, array in self._coarse.parts() if known.name == group)[inner]
        valid = self._coarse.valid[inner]
        # the mean under the patch, so that a wider search does not shift the scores
        windows = tiles(centred(array, valid, reach), side, layout.size, layout.count)
        return windows, np.asarray(tiles(valid, side, layout.size, layout.count))
