"""Blocks of a patch, each with the score of where it may lie on the map around the coarse answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float32, Float64
from promptmid_core.geometry import DescriptorMap, Measure
from promptmid_core.matching.correlation import BlockSpectra, Spectra, Sums, centred, tiles
from promptmid_core.matching.parallel import together
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.sought import SoughtPatch
from promptmid_core.matching.warp import warped

STEPS = ((96, 16), (48, 12), (0, 8))  # cells: short side of a patch from which on its blocks are so far apart
RADIUS = 4  # cells
LEAST_SEEN = 0.5  # share of a block


@dataclass(frozen=True)
class BlockSurfaces:
    """Scores (N, 2 r + 1, 2 r + 1) of blocks by displacement in cells of `cell` metres, rows running south, on the map as `start`
    lays it under the patch; `seen` (N, 2): east, north of their centres as the prior sees them; `overlap`: how many blocks share
    a piece of ground, on average; `by_group`: what each group of channels adds to the scores, where there are several."""

    seen: Float64
    scores: Float64
    start: Similarity
    cell: float
    overlap: float = 4.0
    by_group: tuple[Float64, ...] = ()

    @property
    def groups(self) -> list[BlockSurfaces]:
        """The same blocks by the scores of one group of channels alone, for each of several."""
        return [replace(self, scores=scores, by_group=()) for scores in self.by_group]


def block_surfaces(patch: DescriptorMap, window: DescriptorMap, start: Similarity) -> BlockSurfaces:
    """Match blocks of `patch` in the map `window`, which is warped by `start` first, so that only small shifts remain."""
    grid = patch.grid
    # a block is too small to learn a relation from, and edges place it better than surfaces do
    around = warped(window, start, grid.cut(-RADIUS, -RADIUS, grid.width + 2 * RADIUS, grid.height + 2 * RADIUS),
                    Measure.CORRELATION)
    # blocks overlap by half, so that a structure on a border is whole in one of them
    step = next(step for side, step in STEPS if min(grid.shape) >= side)
    block = 2 * step
    count = (max((grid.height - block) // step + 1, 0), max((grid.width - block) // step + 1, 0))
    if not all(count):
        return BlockSurfaces(np.zeros((0, 2)), np.zeros((0, 2 * RADIUS + 1, 2 * RADIUS + 1)), start, grid.gsd)
    # a block is four quarters, and each serves the four blocks that share its ground
    quarters = (count[0] + 1, count[1] + 1)
    around_valid = tiles(around.valid, step + 2 * RADIUS, step, quarters)
    used = np.asarray(tiles(patch.valid, block, step, count).mean(axis=(1, 2)) > LEAST_SEEN)
    sought = SoughtPatch.of(patch)
    pairs = list(zip(patch.parts(Measure.CORRELATION), around.parts(), strict=True))

    def scored(some: slice) -> list[Float32]:
        scores = []
        for (group, _), (_, over) in pairs[some]:
            windows = Spectra.of(tiles(centred(over, around.valid), step + 2 * RADIUS, step, quarters), around_valid)
            surfaces = Sums.of(sought.once(_quarters, group.name, step, quarters), windows).quartets(*quarters).surfaces()
            scores.append(np.float32(group.weight) * surfaces.scores()[used])
        return scores

    half = len(pairs) // 2
    last, first = together(lambda: scored(slice(half, None)), lambda: scored(slice(half)))
    by_group = tuple(each.astype(np.float64) for each in (*first, *last))
    rows, cols = np.mgrid[:count[0], :count[1]]
    x, y = grid.to_map(cols.ravel()[used] * step + (block - 1) / 2, rows.ravel()[used] * step + (block - 1) / 2)
    scores = np.add.reduce([*last, *first]).astype(np.float64) if pairs else np.zeros((len(x), 2 * RADIUS + 1, 2 * RADIUS + 1))
    return BlockSurfaces(np.column_stack([x, y]), scores, start, grid.gsd, by_group=by_group if len(by_group) > 1 else ())


def _quarters(patch: DescriptorMap, group: str, step: int, count: tuple[int, int]) -> BlockSpectra:
    (_, channels), = patch.parts(group)
    return BlockSpectra.of(tiles(centred(channels, patch.valid), step, step, count), tiles(patch.valid, step, step, count),
                           step + 2 * RADIUS)
