"""Tie points: blocks of the patch, each found on the map to a fraction of a cell around the coarse answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.matching.blocks import RADIUS, BlockSurfaces


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


def tie_points(blocks: BlockSurfaces) -> BlockMatches:
    """Return where each block's own score is highest, to a fraction of a cell; those that have no maximum are left out."""
    seen, scores, start, cell = blocks.seen, blocks.scores, blocks.start, blocks.cell
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
    return BlockMatches(seen[peaked], start.apply(moved), spread, near[1, 1][peaked], blocks.overlap)
