"""Single trees: where they stand, how wide and high their crowns are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.simulation.world.noise import Keys, mixed, uniform

RIM = 0.6  # of a crown's height at its rim


@dataclass(frozen=True)
class Trees:
    """How trees stand: about `spacing_m` apart where they stand dense, with crowns of so many metres radius and height."""

    spacing_m: float
    radius_m: tuple[float, float]
    height_m: tuple[float, float]


@dataclass(frozen=True)
class Crowns:
    """`share` (H, W) of a pixel under crowns, their `height_m`, and the `key` of the tree, 0 where there is none."""

    share: Float32
    height_m: Float32
    key: Keys

    def over(self, other: Crowns) -> Crowns:
        """Return these crowns and others, the higher ones on top."""
        higher = self.share * self.height_m >= other.share * other.height_m
        return Crowns(np.maximum(self.share, other.share), np.where(higher, self.height_m, other.height_m),
                      np.where(higher, self.key, other.key))


def crowns(density: Float32, gsd_m: float, trees: Trees, salt: int, ragged: Float32) -> Crowns:
    """Return crowns that stand where `density` (H, W), 0 to 1, lets them; `ragged` (H, W) of deviation 1 frays their outlines.

    A tree stands anywhere in its cell of a lattice, so that no lattice shows.
    """
    size = len(density)
    step = trees.spacing_m / gsd_m
    count = int(np.ceil(size / step)) + 2
    i, j = (a.astype(np.int32) for a in np.mgrid[:count, :count])
    key = np.maximum(mixed(salt, i, j), 1)
    row = (i - 0.5 + 0.9 * (uniform(key, 1) - 0.5)) * np.float32(step)
    col = (j - 0.5 + 0.9 * (uniform(key, 2) - 0.5)) * np.float32(step)
    at = tuple(np.clip(np.rint(a), 0, size - 1).astype(int) for a in (row, col))
    stands = uniform(key, 3) < density[at]
    grown = uniform(key, 4)
    low, high = trees.radius_m
    radius = np.where(stands, low + (high - low) * grown, 0.0).astype(np.float32)
    least, most = trees.height_m
    tall = (least + (most - least) * (0.7 * grown + 0.3 * uniform(key, 5))).astype(np.float32)

    rows, cols = np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32)
    cell_r, cell_c = ((a / np.float32(step)).astype(np.int32) + 1 for a in (rows, cols))
    frayed = 1 + np.float32(0.16) * np.clip(ragged, -2, 2)
    share, height, keys = np.zeros_like(density), np.zeros_like(density), np.zeros(density.shape, np.uint32)
    for down, right in product((-1, 0, 1), repeat=2):
        r, c = np.clip(cell_r + down, 0, count - 1), np.clip(cell_c + right, 0, count - 1)
        here = np.ix_(r, c)
        if not radius[here].any():
            continue
        away = np.hypot(rows[:, None] - row[here], cols - col[here]) * np.float32(gsd_m)
        reach = radius[here] * frayed
        covered = np.clip((reach - away) / np.float32(gsd_m) + np.float32(0.5), 0, 1) * (radius[here] > 0)
        dome = np.sqrt(np.maximum(1 - (away / np.maximum(reach, 1e-3)) ** 2, 0))
        top = tall[here] * (RIM + (1 - RIM) * dome)
        wins = covered * top > share * height
        share = np.maximum(share, covered)
        height = np.where(wins, top, height)
        keys = np.where(wins, key[here], keys)
    return Crowns(share.astype(np.float32), height.astype(np.float32), keys)
