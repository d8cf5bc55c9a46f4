"""Coarse search: the score over shift, heading and scale, and its top peaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Float64, Mask
from promptmid_core.geometry import DescriptorMap, Measure
from promptmid_core.matching.correlation import LEAST_SCALE, Spectra, centred, correlate, tiles
from promptmid_core.matching.dependence import Moments, Regressors, dependence
from promptmid_core.matching.parallel import together
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.sought import SoughtPatch
from promptmid_core.matching.surface import vertex
from promptmid_core.matching.window import Layout, SearchWindow

BLOCK = 16  # coarse cells; small enough that a turn of a few degrees hardly shears it
BROAD_BLOCK = 32  # coarse cells, where each block has to learn a relation first
LEAST_USED = 0.2  # share of a block that is seen; of a square turned by 45 degrees half of what surrounds it is
PEAKS = 4
APART = 4.0  # coarse cells between two peaks of their own
BROAD = 3.0  # coarse cells: a true match is a sharp peak; broader waves come from the brightness of whole districts


@dataclass(frozen=True)
class Extent:
    """How far the search goes: `radius` metres of shift, `yaw` radians and `scale` (a share) to both sides."""

    radius: float
    yaw: float
    scale: float


@dataclass(frozen=True)
class Peak:
    """A maximum of the score surface.

    `score`: standard deviations of the rest of the surface (peak-to-sidelobe ratio, Bolme et al. 2010) above what the highest
    of as many random values reaches, so that windows of all sizes compare; `on_edge`: on the rim.
    """

    similarity: Similarity
    score: float
    on_edge: bool


def search(patch: DescriptorMap, window: SearchWindow, extent: Extent) -> list[Peak]:
    """Return the best peaks, best first, of the score of `patch` in the map `window` around it.

    The window has the patch's cells plus a margin of equal width on all sides; its margin must hold `extent`. The patch is scored
    in blocks, once; every heading and scale is then a sum of the block surfaces, each read at its own shift. Returns an empty
    list where no block has enough valid cells.
    """
    seen = SoughtPatch.of(patch).coarse
    cell = seen.grid.gsd
    radius = int(np.ceil(extent.radius / cell))
    reach = max((min(seen.grid.shape) - BLOCK) / 2, 1.0) * cell
    # how far turn and scale move a block's centre at most, and one cell to interpolate
    swing = int(np.hypot(extent.scale, np.sqrt(1 + extent.scale) * extent.yaw) * np.hypot(*seen.grid.shape) / 2) + 2
    yaws, scales = _steps(extent.yaw, cell / reach), _steps(extent.scale, cell / reach)

    def scored(measure: Measure) -> Float32 | None:
        scores = np.zeros((len(yaws), len(scales), 2 * radius + 1, 2 * radius + 1), np.float32)
        for group, channels in seen.parts(measure):
            correlated = measure is Measure.CORRELATION
            layout = Layout.of(seen.grid.shape, BLOCK if correlated else BROAD_BLOCK, radius + swing)
            blocks = _Blocks.cut(channels, seen.valid, layout)
            if not len(blocks.centres):
                return None
            joint = (_correlations(blocks, window.spectra(group.name, layout), radius) if correlated
                     else _dependences(blocks, window.moments(group.name, layout), radius))
            scores += np.float32(group.weight) * np.stack([[joint(_shifts(blocks.centres, yaw, 1 + scale)) for scale in scales]
                                                           for yaw in yaws])
        return scores

    edges, colours = together(lambda: scored(Measure.CORRELATION), lambda: scored(Measure.DEPENDENCE))
    if edges is None:
        return []
    # holes may leave no block that is large enough to learn a relation from
    return _peaks(edges if colours is None else edges + colours, yaws, scales, cell, _centre(patch))


@dataclass(frozen=True)
class _Blocks:
    """Usable blocks (N, C, b, b) of the patch with their masks, which of all blocks they are (B,), and their centres (N, 2) in
    cells (column, row) from the patch's centre."""

    array: Float32
    valid: Mask
    used: Mask
    centres: Float64

    @staticmethod
    def cut(channels: NDArray[np.floating], valid: Mask, layout: Layout) -> _Blocks:
        """Return blocks of the patch's channels (C, h, w)."""
        (height, width), size, count = valid.shape, layout.size, layout.count
        masks = tiles(valid, size, size, count)
        used = np.asarray(masks.mean(axis=(1, 2)) > LEAST_USED)
        rows, cols = np.mgrid[:count[0], :count[1]]
        centres = np.column_stack([cols.ravel(), rows.ravel()]) * size + (size - 1) / 2 - [(width - 1) / 2, (height - 1) / 2]
        return _Blocks(np.ascontiguousarray(tiles(centred(channels, valid), size, size, count)[used], np.float32),
                       np.asarray(masks[used]), used, centres[used])


def _centre(described: DescriptorMap) -> tuple[float, float]:
    x, y = described.grid.to_map((described.grid.width - 1) / 2, (described.grid.height - 1) / 2)
    return float(x), float(y)


def _steps(limit: float, step: float) -> Float64:
    """Values from -limit to limit, at most `step` apart, zero among them."""
    n = int(np.ceil(limit / step))
    return np.linspace(-limit, limit, 2 * n + 1) if n else np.zeros(1)


def _shifts(centres: Float64, yaw: float, scale: float) -> Float64:
    """How far (B, 2) in cells (column, row) a turn (counter-clockwise seen from above) and scale move each block centre."""
    c, s = np.cos(yaw), np.sin(yaw)
    turn = scale * np.array([[c, s], [-s, c]])  # rows run south, so the turn is mirrored
    moved: Float64 = centres @ turn.T - centres
    return moved


Joint = Callable[[Float64], Float32]


def _correlations(blocks: _Blocks, windows: Spectra, radius: int) -> Joint:
    """The normalised sum of all blocks' correlations (2 radius + 1)^2, each read at its shift."""
    surfaces = correlate(blocks.array, blocks.valid, windows.only(blocks.used))

    def joint(shifts: Float64) -> Float32:
        total, weight = _summed(surfaces.products, shifts, radius), _summed(surfaces.energy, shifts, radius)
        scale = np.sqrt(np.maximum(weight, 0) * surfaces.own.sum())
        # a block without content, or a map without any under it, has no score
        told = (weight > 0.3 * weight.max(initial=1e-6)) & (scale > LEAST_SCALE)
        scores: Float32 = np.divide(total, scale, out=np.zeros_like(total), where=told)
        return scores

    return joint


def _dependences(blocks: _Blocks, windows: Moments, radius: int) -> Joint:
    """The mean of all blocks' dependences (2 radius + 1)^2 by their valid cells, each read at its shift."""
    share = blocks.valid.sum(axis=(1, 2)) / max(int(blocks.valid.sum()), 1)
    nats = dependence(Regressors.of(blocks.array, blocks.valid, windows.size), windows.only(blocks.used))
    nats *= share[:, None, None].astype(np.float32)
    return lambda shifts: _summed(nats, shifts, radius)


def _summed(surfaces: Float32, shifts: Float64, radius: int) -> Float32:
    side, half = 2 * radius + 1, surfaces.shape[-1] // 2
    total = np.zeros((side, side), np.float32)
    for surface, (dx, dy) in zip(surfaces, shifts, strict=True):
        total += cv2.getRectSubPix(surface, (side, side), (half + dx, half + dy))
    return total


def _peaks(scores: Float32, yaws: Float64, scales: Float64, cell: float, centre: tuple[float, float]) -> list[Peak]:
    """The top peaks of scores (yaw, scale, row, column), at least APART cells from each other."""
    raw = scores.max(axis=(0, 1))
    sharp = raw - cv2.GaussianBlur(raw, (0, 0), BROAD)
    radius = sharp.shape[0] // 2
    rows, cols = np.mgrid[:sharp.shape[0], :sharp.shape[1]]
    left, rest, places = sharp.copy(), sharp[:0], []
    for _ in range(PEAKS):
        row, col = (int(i) for i in np.unravel_index(int(np.argmax(left)), left.shape))
        if not np.isfinite(left[row, col]):
            break
        places.append((row, col))
        left[np.hypot(rows - row, cols - col) < APART] = -np.inf
        if len(places) == 1:
            rest = left[np.isfinite(left)]
    mean, deviation = (float(rest.mean()), float(rest.std()) + 1e-9) if rest.size else (0.0, 1.0)
    chance = float(np.sqrt(2 * np.log(max(rest.size, 2))))  # how far the highest of so many normal values stands out
    found = []
    for row, col in places:
        at = int(np.argmax(scores[:, :, row, col]))
        dx, dy = vertex(raw, row, col)
        found.append(Peak(
            Similarity(centre, (col - radius + dx) * cell, -(row - radius + dy) * cell,
                       float(yaws[at // len(scales)]), 1 + float(scales[at % len(scales)])),
            (float(sharp[row, col]) - mean) / deviation - chance,
            max(abs(col - radius), abs(row - radius)) == radius))
    return found
