"""Where all blocks of a patch together lie on the map, where too few of them say it on their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.matching.blocks import BlockSurfaces

LEAST_BLOCKS = 3
MOST_SHIFT, MOST_SWING = 2.0, 1.5  # cells that a block may lie off, and that turn and scale may move one at the rim
STEP = 0.5  # cells
ROUNDS = 3
LEAST_KNOWN = 0.05  # cells at the rim that turn and scale may be off at least
PAD = 2  # cells around a surface, as far as a cubic reaches


@dataclass(frozen=True)
class Joint:
    """Blocks `seen` (N, 2) where the joint place puts them, `found` (N, 2) on the map; `covariance` (4, 4) of the place: metres
    east and north of their `middle` (2,), radians of turn, share of scale."""

    seen: Float64
    found: Float64
    middle: Float64
    covariance: Float64


def jointly(blocks: BlockSurfaces, yaw_sigma: float, scale_sigma: float) -> Joint | None:
    """Return where the sum of all block surfaces, each read at its own shift, is highest; None where that is no maximum.

    The surfaces add up to that of a known signal in noise, of which the log-likelihood is the score times its own height, in
    standard deviations of the noise. The covariance is the inverse of its curvature. What is known of turn and scale, radians and
    a share, one standard deviation around the start, is added.
    """
    if len(blocks.scores) < LEAST_BLOCKS:
        return None
    cell = blocks.cell
    middle = blocks.seen.mean(axis=0)
    across, down = ((blocks.seen - middle) * (1, -1) / cell).T
    reach = max(float(np.hypot(across, down).max()), 1.0)
    noise = np.sqrt(blocks.overlap * float(blocks.scores.var(axis=(1, 2)).sum()))
    level = float(blocks.scores.mean(axis=(1, 2)).sum())
    known = np.maximum(np.array([yaw_sigma, scale_sigma]) * reach, LEAST_KNOWN)
    stack = np.pad(blocks.scores, ((0, 0), (PAD, PAD), (PAD, PAD)), mode="edge").astype(np.float32)
    size = stack.shape[1]
    first_row, radius = np.arange(len(stack)) * size + PAD, (blocks.scores.shape[1] - 1) / 2
    tall = np.ascontiguousarray(stack.reshape(-1, size))

    def summed(places: Float64) -> Float64:
        """The sum (K,) of the surfaces at places (K, 4): cells east and south, cells at the rim by turn and by scale."""
        right, low, turn, scale = places.T[:, :, None]
        col = right + (turn * down + scale * across) / reach
        row = low + (scale * down - turn * across) / reach
        limit = radius + 0.5
        at = (np.clip(col, -limit, limit) + radius + PAD).astype(np.float32)
        under = (np.clip(row, -limit, limit) + radius + first_row).astype(np.float32)
        return np.asarray(cv2.remap(tall, at, under, cv2.INTER_CUBIC).sum(axis=1), np.float64)

    shifts, swings = (np.arange(-most, most + STEP / 2, STEP) for most in (MOST_SHIFT, MOST_SWING))
    grid = np.array(list(product(shifts, shifts, swings, swings)))
    height = float(summed(grid).max()) - level
    if not height > 0 or not noise > 0:
        return None
    gain = height / noise ** 2

    def likelihood(places: Float64) -> Float64:
        return np.asarray(gain * (summed(places) - level) - ((places[:, 2:] / known) ** 2).sum(axis=1) / 2, np.float64)

    best = np.asarray(grid[int(np.argmax(likelihood(grid)))], np.float64)
    stencil = np.array(list(product((-1.0, 0.0, 1.0), repeat=4)))
    for k in range(ROUNDS):
        near = best + stencil * (STEP / 2 ** (k + 1))
        best = np.asarray(near[int(np.argmax(likelihood(near)))], np.float64)
    if np.abs(best[:2]).max() > MOST_SHIFT or np.abs(best[2:]).max() > MOST_SWING:
        return None
    curvature = _curvature(likelihood, best)
    try:
        np.linalg.cholesky(curvature)
    except np.linalg.LinAlgError:
        return None
    unit = np.array([cell, -cell, 1 / reach, 1 / reach])
    covariance = np.asarray(np.linalg.inv(curvature) * np.outer(unit, unit), np.float64)
    right, low, turn, scale = best
    moved = blocks.seen + cell * np.column_stack([right + (turn * down + scale * across) / reach,
                                                  -(low + (scale * down - turn * across) / reach)])
    return Joint(blocks.seen, blocks.start.apply(moved), np.asarray(middle, np.float64), covariance)


def _curvature(likelihood: Callable[[Float64], Float64], at: Float64) -> Float64:
    """Minus the second derivatives (4, 4) of a likelihood of places (K, 4), by a parabola over a cell."""
    unit = np.eye(4) * STEP
    pairs = [(i, j) for i in range(4) for j in range(i, 4)]
    places = [at + one * unit[i] + other * unit[j] for i, j in pairs for one, other in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    values = likelihood(np.array([*places, at]))
    curvature = np.zeros((4, 4))
    for (i, j), four in zip(pairs, values[:-1].reshape(-1, 4), strict=True):
        if i == j:
            # the outer two lie twice a step from the middle
            second = (four[0] - 2 * values[-1] + four[3]) / (2 * STEP) ** 2
        else:
            second = (four[0] - four[1] - four[2] + four[3]) / (2 * STEP) ** 2
        curvature[i, j] = curvature[j, i] = -second
    return curvature
