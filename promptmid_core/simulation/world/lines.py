"""Rivers and roads: cheapest ways over the ground, smoothed, and painted with sub-pixel width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from promptmid_core.arrays import Float32, Float64, Mask

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Line = Float64  # (N, 2) row and column, pixels

FINE = 4  # sub-pixels per pixel in painting

# knight's moves as well: with eight directions a way over flat ground has visible corners
MOVES = ((0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, 1), (2, -1), (1, -2))


@dataclass(frozen=True)
class Tree:
    """The cheapest way from every cell of a grid (N cells in row order) to the nearest mouth: its `cost`, and the `next` cell."""

    cost: Float64
    next: NDArray[np.int64]

    def gathered(self, own: Float64) -> Float64:
        """Return what arrives at each cell when all cells send their `own` down the tree."""
        total = own.tolist()
        onward = self.next.tolist()
        for cell in np.argsort(-self.cost, kind="stable").tolist():
            if onward[cell] >= 0:
                total[onward[cell]] += total[cell]
        return np.asarray(total)

    def trunks(self, wanted: Mask) -> list[NDArray[np.int64]]:
        """Return the ways down through the `wanted` cells, each from its head to where it meets a longer one or the mouth."""
        onward = self.next.tolist()
        fed = np.zeros(len(self.cost), bool)
        fed[self.next[wanted & (self.next >= 0)]] = True
        heads = np.flatnonzero(wanted & ~fed)
        seen: set[int] = set()
        found = []
        for head in heads[np.argsort(-self.cost[heads], kind="stable")].tolist():
            way = [head]
            while way[-1] not in seen and onward[way[-1]] >= 0:
                seen.add(way[-1])
                way.append(onward[way[-1]])
            if len(way) > 3:
                found.append(np.array(way))
        return found


class Ways:
    """Cheapest ways (Dijkstra) over a grid of costs per cell (H, W)."""

    def __init__(self, cost: NDArray[np.floating[Any]]) -> None:
        self._cost = cost

    @cached_property
    def _edges(self) -> tuple[Float64, NDArray[np.int64], NDArray[np.int64]]:
        height, width = self._cost.shape
        index = np.arange(height * width).reshape(height, width)
        tails, heads, weights = [], [], []
        for down, right in MOVES:
            a = np.s_[: height - down, max(0, -right) : width - max(0, right)]
            b = np.s_[down:, max(0, right) : width - max(0, -right)]
            tails.append(index[a].ravel())
            heads.append(index[b].ravel())
            weights.append(((self._cost[a] + self._cost[b]) * (0.5 * np.hypot(down, right))).ravel())
        return np.concatenate(weights).astype(float), np.concatenate(tails), np.concatenate(heads)

    def _graph(self, mouths: NDArray[np.int64], levels: Float64) -> csr_array:
        """All moves, and one more node from which each mouth is reached at its level."""
        from scipy.sparse import coo_array

        weights, tails, heads = self._edges
        cells = self._cost.size
        values = np.concatenate([weights, levels])
        ends = (np.concatenate([tails, np.full(len(mouths), cells)]), np.concatenate([heads, mouths]))
        return coo_array((values, ends), shape=(cells + 1, cells + 1)).tocsr()

    def to(self, level: Float64) -> Tree:
        """Return the ways from everywhere to the mouths: the cells (N,) of finite `level` above 0, which their cost begins
        with."""
        from scipy.sparse.csgraph import dijkstra

        mouths = np.flatnonzero(np.isfinite(level))
        cells = self._cost.size
        graph = self._graph(mouths, level[mouths])
        cost, before = dijkstra(graph, directed=False, indices=cells, return_predecessors=True)
        before = before[:cells].astype(np.int64)
        before[before == cells] = -1
        return Tree(cost[:cells], before)

    def between(self, start: tuple[int, int], ends: Sequence[tuple[int, int]]) -> list[Line]:
        """Return the ways (N, 2) from one cell (row, column) to each of several."""
        height, width = self._cost.shape
        level = np.full(height * width, np.inf)
        level[start[0] * width + start[1]] = 1.0
        onward = self.to(level).next
        found = []
        for row, col in ends:
            way = [row * width + col]
            while onward[way[-1]] >= 0:
                way.append(int(onward[way[-1]]))
            found.append(np.column_stack(np.unravel_index(way[::-1], (height, width))).astype(float))
        return found


def smoothed(way: Line, sigma: float, spacing: float) -> Line:
    """Return a way rounded over `sigma` of its points and resampled about every `spacing`; the ends stay."""
    from scipy.ndimage import gaussian_filter1d

    if len(way) < 3:
        return way
    soft = gaussian_filter1d(way, sigma, axis=0, mode="nearest")
    # the ends are held, so that a road reaches its town
    pull = np.exp(-np.arange(len(way)) / max(sigma, 1.0))[:, None]
    soft += pull * (way[0] - soft[0]) + pull[::-1] * (way[-1] - soft[-1])
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(soft, axis=0).T))])
    at = np.linspace(0, length[-1], max(2, int(length[-1] / spacing)))
    return np.column_stack([np.interp(at, length, soft[:, 0]), np.interp(at, length, soft[:, 1])])


def curved(rng: np.random.Generator, line: Line, swing: float, bend: float) -> Line:
    """Return an evenly spaced line swung to both sides by about `swing`, in bends of about `bend`."""
    from scipy.ndimage import gaussian_filter1d

    spacing = float(np.median(np.hypot(*np.diff(line, axis=0).T)))
    aside = gaussian_filter1d(rng.standard_normal(len(line)), bend / spacing / 2)
    aside *= swing / max(float(aside.std()), 1e-9)
    along = gaussian_filter1d(np.gradient(line, axis=0), bend / spacing, axis=0)
    normal = np.column_stack([-along[:, 1], along[:, 0]]) / np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    return np.asarray(line + normal * aside[:, None])


def painted(size: int, lines: Sequence[Line], widths_px: Sequence[ArrayLike]) -> Float32:
    """Return the share of each pixel (size, size) that lies under lines of the given widths (one a line, or one a point)."""
    canvas = np.zeros((size * FINE, size * FINE), np.uint8)
    for line, width in zip(lines, widths_px, strict=True):
        # integers at pixel centres: sub-pixel (FINE - 1) / 2 is the centre of pixel 0
        points = np.rint((line[:, ::-1] * FINE + (FINE - 1) / 2) * 16).astype(np.int32)
        thickness = np.maximum(1, np.rint(np.asarray(width) * FINE)).astype(int)
        if thickness.ndim == 0:
            cv2.polylines(canvas, [points[:, None]], False, 255, int(thickness), cv2.LINE_8, 4)
            continue
        for a, b, wide in zip(points[:-1].tolist(), points[1:].tolist(), thickness[1:].tolist(), strict=True):
            cv2.line(canvas, a, b, 255, wide, cv2.LINE_8, 4)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) * np.float32(1 / 255)
