"""Tie points: blocks of the patch, each found on the map to a fraction of a cell around the coarse answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float32, Float64
from promptmid_core.geometry import DescriptorMap, Measure
from promptmid_core.matching.correlation import Spectra, Sums, centred, tiles
from promptmid_core.matching.parallel import together
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.warp import warped

STEPS = ((96, 16), (48, 12), (0, 8))  # cells: short side of a patch from which on its blocks are so far apart
RADIUS = 4  # cells


@dataclass(frozen=True)
class BlockMatches:
    """Blocks of the patch and where each lies on the map, as far as its own surface tells.

    `seen` (N, 2): east, north of the block centres as the prior sees them; `found` (N, 2): of the same ground on the map;
    `spread` (N, 2, 2): inverse curvature of the score at its maximum in m2, the shape of the uncertainty up to a factor;
    `score` (N,): correlation at the maximum; `overlap`: how many blocks share a piece of ground, on average.
    """

    seen: Float64
    found: Float64
    spread: Float64
    score: Float64
    overlap: float

    def __len__(self) -> int:
        return len(self.seen)


def tie_points(patch: DescriptorMap, window: DescriptorMap, start: Similarity) -> BlockMatches:
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
        return _maxima(np.zeros((0, 2)), np.zeros((0, 2 * RADIUS + 1, 2 * RADIUS + 1)), start, grid.gsd)
    # a block is four quarters, and each serves the four blocks that share its ground
    quarters = (count[0] + 1, count[1] + 1)
    valid, around_valid = (tiles(mask, size, step, quarters) for mask, size in (
        (patch.valid, step), (around.valid, step + 2 * RADIUS)))
    used = np.asarray(tiles(patch.valid, block, step, count).mean(axis=(1, 2)) > 0.7)
    pairs = list(zip(patch.parts(Measure.CORRELATION), around.parts(), strict=True))

    def scored(some: slice) -> Float32:
        scores = np.zeros((int(used.sum()), 2 * RADIUS + 1, 2 * RADIUS + 1), np.float32)
        for (group, channels), (_, over) in pairs[some]:
            blocks = tiles(centred(channels, patch.valid), step, step, quarters)
            windows = Spectra.of(tiles(centred(over, around.valid), step + 2 * RADIUS, step, quarters), around_valid)
            surfaces = Sums.of(blocks, valid, windows).quartets(*quarters).surfaces()
            scores += np.float32(group.weight) * surfaces.scores()[used]
        return scores

    half = len(pairs) // 2
    scores = np.add(*together(lambda: scored(slice(half, None)), lambda: scored(slice(half))))
    rows, cols = np.mgrid[:count[0], :count[1]]
    x, y = grid.to_map(cols.ravel()[used] * step + (block - 1) / 2, rows.ravel()[used] * step + (block - 1) / 2)
    return _maxima(np.column_stack([x, y]), scores.astype(np.float64), start, grid.gsd)


def _maxima(seen: Float64, scores: Float64, start: Similarity, cell: float) -> BlockMatches:
    n, side = len(scores), scores.shape[-1]
    if not n:
        return BlockMatches(seen, seen.copy(), np.zeros((0, 2, 2)), np.zeros(0), 1.0)
    # a maximum on the rim is none: look for it inside only
    inner = scores[:, 1:-1, 1:-1].reshape(n, -1)
    best = inner.argmax(axis=1)
    row, col = best // (side - 2) + 1, best % (side - 2) + 1
    near = np.stack([[scores[np.arange(n), row + i, col + j] for j in (-1, 0, 1)] for i in (-1, 0, 1)])  # (3, 3, N)
    gradient = np.stack([(near[1, 2] - near[1, 0]) / 2, (near[2, 1] - near[0, 1]) / 2], axis=-1)
    xx, yy = near[1, 0] - 2 * near[1, 1] + near[1, 2], near[0, 1] - 2 * near[1, 1] + near[2, 1]
    xy = (near[2, 2] - near[2, 0] - near[0, 2] + near[0, 0]) / 4
    bend = -np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2)
    # a maximum of its row, its column and its diagonals; else the ridge runs on and the block says nothing
    peaked = (near[1, 1] >= near.max(axis=(0, 1))) & (xx < 0) & (yy < 0) & (xx * yy - xy * xy > 0.02 * xx * yy)
    bend, gradient = bend[peaked], gradient[peaked]
    offset = np.clip(np.linalg.solve(bend, gradient[..., None])[..., 0], -1, 1) if peaked.any() else np.zeros((0, 2))
    cells = np.column_stack([col[peaked] - RADIUS, row[peaked] - RADIUS]) + offset
    # a shift in the aligned frame lands on the map through the turn and scale of the start
    moved = seen[peaked] + cells * (cell, -cell)
    flip = np.array([[1.0, -1.0], [-1.0, 1.0]])  # rows run south
    spread = np.linalg.inv(bend) * flip * cell ** 2 if peaked.any() else np.zeros((0, 2, 2))
    return BlockMatches(seen[peaked], start.apply(moved), spread, near[1, 1][peaked], 4.0)
