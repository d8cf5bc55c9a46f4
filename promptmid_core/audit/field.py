"""The offset at the nodes of a grid, from what flights say of places: kriging, robustly, by tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float32, Float64
from promptmid_core.audit.covariance import Covariance
from promptmid_core.audit.places import Places
from promptmid_core.geometry import Grid

TILE = 8  # nodes to a side that are solved for together
SPAN = 8  # nodes to a side of the ground that a fix is matched by
REACH = 2.0  # ranges around a tile from which places are taken
MOST_PLACES = 400  # for a tile, the nearest: what lies behind them tells little more
KERNEL2 = 4.0  # squared standard deviations at which a place's weight has fallen to a quarter
ROUNDS = 4
FEW = 30.0  # places whose worth the errors all over the map count, where the errors around a tile are asked how large they are
MEDIAN = 0.693  # of half the squared length of two normal errors of variance 1


@dataclass(frozen=True)
class Field:
    """The offset at each node of `grid`: `values` (4, H, W), east, north and sigma per axis in metres, and the independent looks
    behind it; `away_m`: the sigma where no place is near."""

    grid: Grid
    values: Float32
    away_m: float


def field_of(places: Places, covariance: Covariance, grid: Grid, registration_m: float) -> Field:
    """Return the offset at the nodes of a grid, whose cells are those of the places.

    Simple kriging about no offset (Matheron 1963), tile by tile, with the nearest places. A place that its neighbours do not
    foretell loses weight, as Geman and McClure's estimator has it. `sigma` is that of the mean offset of SPAN x SPAN nodes, as a
    fix is of ground so large: the share of the field's variance that the places leave open, of `registration_m` squared, or where
    errors around are larger, of theirs.
    """
    values = np.zeros((4, *grid.shape), np.float32)
    prior = _span_variance(covariance, grid.gsd)
    for top in range(0, grid.height, TILE):
        for left in range(0, grid.width, TILE):
            rows, cols = slice(top, min(top + TILE, grid.height)), slice(left, min(left + TILE, grid.width))
            offset, share, scale = _tile(places, covariance, grid, rows, cols, prior)
            shape = rows.stop - top, cols.stop - left
            values[:2, rows, cols] = offset.T.reshape(2, *shape)
            values[2, rows, cols] = np.sqrt(share * max(registration_m ** 2, scale * prior)).reshape(shape)
    _count(places, grid, values[3])
    return Field(grid, values, float(max(registration_m, np.sqrt(prior))))


def foretold(places: Places, covariance: Covariance, points: Float64) -> Float64:
    """Return the offset (N, 2) at points (N, 2) that lie near one another, as `field_of` finds it."""
    near = _nearest(places, points, covariance.range_m)
    if not len(near):
        return np.zeros((len(points), 2))
    gain, _ = _solved(near, covariance)
    return np.asarray(covariance.between(points, near.at) @ (gain @ near.error), np.float64)


def grid_over(places: Places, cell_m: float, margin_m: float, bounds: tuple[float, float, float, float]) -> Grid:
    """Return the grid of nodes, in the middles of cells, that has all places and a margin around them, as far as the map has
    ground."""
    reach = int(np.ceil(margin_m / cell_m))
    first, last = places.cells.min(axis=0) - reach, places.cells.max(axis=0) + reach
    west, south, east, north = bounds
    first = np.maximum(first, np.floor(np.array([west, south]) / cell_m).astype(np.int64))
    last = np.maximum(np.minimum(last, np.floor(np.array([east, north]) / cell_m).astype(np.int64)), first)
    width, height = (last - first + 1).tolist()
    return Grid(float((first[0] + 0.5) * cell_m), float((last[1] + 0.5) * cell_m), cell_m, width, height)


def _tile(places: Places, covariance: Covariance, grid: Grid, rows: slice, cols: slice,
          prior: float) -> tuple[Float64, Float64, float]:
    """The offset (n, 2) at the nodes of a tile, the share (n,) of the variance of a span's mean that is left open, and how many
    times as large as all over the map the squared errors around are."""
    nodes = _nodes(grid, rows, cols)
    near = _nearest(places, nodes, covariance.range_m)
    if not len(near):
        return np.zeros((len(nodes), 2)), np.ones(len(nodes)), 1.0
    gain, scale = _solved(near, covariance)
    wide = _nodes(grid, *(slice(part.start - SPAN // 2, part.stop + SPAN // 2) for part in (rows, cols)))
    across = covariance.between(wide, near.at)
    left = covariance.between(wide, wide) - across @ gain @ across.T
    mean = _means(rows.stop - rows.start, cols.stop - cols.start)
    share = np.einsum("ij,jk,ik->i", mean, left, mean) / prior
    offset = covariance.between(nodes, near.at) @ (gain @ near.error)
    return offset, np.clip(share, 1e-4, 1.0), scale


def _solved(near: Places, covariance: Covariance) -> tuple[Float64, float]:
    """The inverse covariance (n, n) of the errors of places, each with the weight that its neighbours leave it; and how many
    times as large as all over the map their squared errors are."""
    signal, noise = covariance.between(near.at, near.at), covariance.noise / near.looks
    weight, scale = np.ones(len(near)), 1.0
    for _ in range(ROUNDS):
        gain = np.asarray(np.linalg.inv(signal + np.diag(noise / weight + 1e-9 * covariance.variance)), np.float64)
        # each place as all others foretell it (Dubrule 1983), with its own noise as it is
        left = 1 / np.diag(gain)
        squares = ((gain @ near.error * left[:, None]) ** 2).sum(axis=1) / 2 / (left + noise - noise / weight)
        scale = (FEW + len(near) * float(np.median(squares)) / MEDIAN) / (FEW + len(near))
        weight = np.maximum(1 / (1 + squares / scale / KERNEL2) ** 2, 1e-6)
    return gain, scale


def _nearest(places: Places, points: Float64, range_m: float) -> Places:
    """The places around some points, at most MOST_PLACES of them."""
    low, high = points.min(axis=0), points.max(axis=0)
    beyond = np.hypot(*np.maximum(np.maximum(low - places.at, places.at - high), 0.0).T)
    near = np.flatnonzero(beyond <= REACH * range_m)
    if len(near) > MOST_PLACES:
        middle = np.hypot(*(places.at[near] - (low + high) / 2).T)
        near = np.sort(near[np.argsort(middle, kind="stable")[:MOST_PLACES]])
    return places.pick(near)


def _nodes(grid: Grid, rows: slice, cols: slice) -> Float64:
    """The places (n, 2) of nodes, which may lie beyond the grid."""
    x, y = grid.cut(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start).axes()
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _means(down: int, across: int) -> Float64:
    """What takes values of the nodes of a tile and SPAN / 2 more on each side to the means (n, m) over SPAN + 1 of them around
    each node."""
    def along(count: int) -> Float64:
        at = np.arange(count + SPAN)
        return np.asarray((at >= np.arange(count)[:, None]) & (at <= np.arange(count)[:, None] + SPAN), float) / (SPAN + 1)

    return np.asarray(np.kron(along(down), along(across)), np.float64)


def _span_variance(covariance: Covariance, cell_m: float) -> float:
    """The variance of the field's mean over a span, about nothing."""
    at = np.arange(SPAN + 1) * cell_m
    nodes = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    return float(covariance.between(nodes, nodes).mean())


def _count(places: Places, grid: Grid, looks: Float32) -> None:
    """Enter the looks of each place at its node."""
    col, row = grid.to_pixel(*((places.cells + 0.5) * grid.gsd).T)
    cols, rows = np.round(col).astype(int), np.round(row).astype(int)
    inside = (cols >= 0) & (cols < grid.width) & (rows >= 0) & (rows < grid.height)
    looks[rows[inside], cols[inside]] = places.looks[inside]
