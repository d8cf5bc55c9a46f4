"""How land is divided: districts with a direction of their own, and irregular rectangular cells inside them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Float64, Mask
from promptmid_core.simulation.world.noise import Keys, mixed, uniform


@dataclass(frozen=True)
class Districts:
    """A Voronoi division: `label` (H, W) int32 per pixel, `seeds` (N, 2) row and column of each label's seed, pixels."""

    label: NDArray[np.int32]
    seeds: Float64

    def borders(self) -> Keys:
        """Return the (H, W) key of the border that runs through a pixel, the same along one border; 0 where there is none."""
        a = self.label
        out = np.zeros(a.shape, np.uint32)
        for b, window in ((a[:, 1:], np.s_[:, :-1]), (a[1:], np.s_[:-1])):
            here = a[window]
            rows, cols = np.nonzero(here != b)
            p, q = here[rows, cols], b[rows, cols]
            out[window][rows, cols] = np.maximum(mixed(mixed(17, np.minimum(p, q)), np.maximum(p, q)), 1)
        return out


@dataclass(frozen=True)
class Rectangles:
    """Where points lie in a division into irregular rectangles, all (N,).

    `key` of the cell; `low_u`, `high_u`, `low_v`, `high_v` metres to its four sides; `side` key of the nearest one.
    """

    key: Keys
    low_u: Float32
    high_u: Float32
    low_v: Float32
    high_v: Float32
    side: Keys

    @property
    def edge(self) -> Float32:
        """Metres to the nearest side."""
        return np.minimum(np.minimum(self.low_u, self.high_u), np.minimum(self.low_v, self.high_v))

    def only(self, chosen: Mask) -> Rectangles:
        """Return the cells of the chosen points."""
        return Rectangles(*(getattr(self, field.name)[chosen] for field in fields(self)))


def districts(rng: np.random.Generator, size: int, spacing_px: float, bend: tuple[Float32, Float32]) -> Districts:
    """Districts around jittered seeds `spacing_px` apart; their borders are bent by two fields (H, W) of pixels."""
    margin = int(2 * spacing_px) + 8
    count = int(np.ceil((size + 2 * margin) / spacing_px))
    grid = np.stack(np.meshgrid(np.arange(count), np.arange(count), indexing="ij"), -1).reshape(-1, 2)
    seeds = np.floor((grid + rng.random(grid.shape)) * spacing_px).astype(int)
    wide = size + 2 * margin
    seeds = seeds[(seeds < wide).all(axis=1)]
    seeds = np.unique(seeds, axis=0)
    canvas = np.ones((wide, wide), np.uint8)
    canvas[seeds[:, 0], seeds[:, 1]] = 0
    _, label = cv2.distanceTransformWithLabels(canvas, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    order = np.zeros(int(label.max()) + 1, np.int32)
    order[label[seeds[:, 0], seeds[:, 1]]] = np.arange(len(seeds))
    reach = margin - 1
    rows = np.clip(np.rint(bend[0]), -reach, reach).astype(np.int32) + (np.arange(size, dtype=np.int32) + margin)[:, None]
    cols = np.clip(np.rint(bend[1]), -reach, reach).astype(np.int32) + (np.arange(size, dtype=np.int32) + margin)[None]
    return Districts(order[label[rows, cols]], (seeds - margin).astype(float))


def cells(u: Float32, v: Float32, size_u: Float32, size_v: Float32, key: Keys, *, crossing: bool = False) -> Rectangles:
    """Divide the plane into irregular rectangles about `size_u` by `size_v` metres.

    `u`, `v` (N,) metres along and across; `key` (N,) separates one division from another. Each row has cuts of its own, as
    fields have; with `crossing` they run through all rows, as streets do.
    """
    i, low_u, high_u = intervals(u, size_u, mixed(key, 1))
    row = mixed(key, 2) if crossing else mixed(key, 2, i)
    j, low_v, high_v = intervals(v, size_v, row)
    near_u = np.minimum(low_u, high_u) < np.minimum(low_v, high_v)
    line_u = mixed(key, 3, i + (high_u < low_u))
    line_v = mixed(row, 4, j + (high_v < low_v))
    return Rectangles(mixed(key, 5, i, j), low_u, high_u, low_v, high_v, np.where(near_u, line_u, line_v))


def intervals(x: Float32, size: Float32, key: Keys) -> tuple[NDArray[np.int32], Float32, Float32]:
    """Divide a line into irregular intervals about `size` metres long, 0.4 to 1.6 times that; all (N,).

    Index of the interval in which `x` lies, and metres to its lower and upper end.
    """
    scaled = x / size
    i = np.floor(scaled).astype(np.int32)
    i -= scaled < _cut(key, i)
    return i, (scaled - _cut(key, i)) * size, (_cut(key, i + 1) - scaled) * size


def _cut(key: Keys, i: NDArray[np.int32]) -> Float32:
    return i.astype(np.float32) + np.float32(0.6) * uniform(mixed(key, i), 11)
