"""Coarse search: the score over shift, heading and scale, and its top peaks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.geometry import DescriptorMap
from promptmid_core.matching.correlation import centred, correlate, tiles
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.vertex import vertex

Array = NDArray[np.float64]

COARSE_FACTOR = 2  # descriptor cells per coarse cell
BLOCK = 16  # coarse cells; small enough that a turn of a few degrees hardly shears it
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
    """A maximum of the standardised score surface.

    `score`: standard deviations of the rest of the surface (peak-to-sidelobe ratio, Bolme et al. 2010) above what the highest
    of as many random values reaches, so that windows of all sizes compare; `correlation`: -1 to 1; `on_edge`: on the rim.
    """

    similarity: Similarity
    score: float
    correlation: float
    on_edge: bool


def search(patch: DescriptorMap, window: DescriptorMap, extent: Extent) -> list[Peak]:
    """The best peaks, best first, of the correlation of `patch` with the map `window` around it.

    The window has the patch's cells plus a margin of equal width on all sides; its margin must hold `extent`. The patch is
    correlated in blocks, once; every heading and scale is then a sum of the block surfaces, each read at its own shift.
    Returns an empty list where no block has enough valid cells.
    """
    seen, over = _pool(patch), _pool(window)
    margin = (over.grid.width - seen.grid.width) // 2
    blocks, block_valid, centres = _blocks(seen)
    if not len(blocks):
        return []
    count = (seen.grid.height // BLOCK, seen.grid.width // BLOCK)
    # the mean under the patch, so that a wider search does not shift the scores
    around = centred(over.array, over.valid, margin)
    used = _usable(tiles(seen.valid, BLOCK, BLOCK, count))
    windows = tiles(around, BLOCK + 2 * margin, BLOCK, count)[used]
    window_valid = tiles(over.valid, BLOCK + 2 * margin, BLOCK, count)[used]
    surfaces = correlate(blocks, block_valid, np.ascontiguousarray(windows), window_valid)

    cell = seen.grid.gsd
    radius = int(np.ceil(extent.radius / cell))
    reach = float(np.abs(centres).max(initial=1.0)) * cell
    yaws, scales = _steps(extent.yaw, cell / reach), _steps(extent.scale, cell / reach)
    scores = np.stack([
        [_joint(surfaces.products, surfaces.energy, surfaces.own, _shifts(centres, yaw, 1 + scale), radius) for scale in scales]
        for yaw in yaws])
    return _peaks(scores, yaws, scales, cell, _centre(patch))


def _pool(described: DescriptorMap) -> DescriptorMap:
    """Averaged over COARSE_FACTOR x COARSE_FACTOR cells; a coarse cell is valid where most of it is."""
    f = COARSE_FACTOR
    grid = described.grid.every(f)
    valid = described.valid[:grid.height * f, :grid.width * f]
    array = np.asarray(described.array[:, :grid.height * f, :grid.width * f], np.float32) * valid
    pooled = array.reshape(len(array), grid.height, f, grid.width, f).mean(axis=(2, 4))
    share = valid.reshape(grid.height, f, grid.width, f).mean(axis=(1, 3))
    pooled /= np.maximum(share, 1 / (f * f)).astype(np.float32)
    return DescriptorMap(pooled, share > 0.5, grid, described.stride * f)


def _usable(block_valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(block_valid.mean(axis=(1, 2)) > 0.5)


def _blocks(seen: DescriptorMap) -> tuple[NDArray[np.float32], NDArray[np.bool_], Array]:
    """Usable blocks (B, C, b, b), their masks, and their centres (B, 2) in cells (column, row) from the patch's centre."""
    count = (seen.grid.height // BLOCK, seen.grid.width // BLOCK)
    valid = tiles(seen.valid, BLOCK, BLOCK, count)
    used = _usable(valid)
    array = tiles(centred(seen.array, seen.valid), BLOCK, BLOCK, count)[used]
    rows, cols = np.mgrid[:count[0], :count[1]]
    middle = np.array([(seen.grid.width - 1) / 2, (seen.grid.height - 1) / 2])
    centres = np.column_stack([cols.ravel(), rows.ravel()]) * BLOCK + (BLOCK - 1) / 2 - middle
    return np.ascontiguousarray(array, np.float32), np.asarray(valid[used], bool), centres[used]


def _centre(described: DescriptorMap) -> tuple[float, float]:
    x, y = described.grid.to_map((described.grid.width - 1) / 2, (described.grid.height - 1) / 2)
    return float(x), float(y)


def _steps(limit: float, step: float) -> Array:
    """Values from -limit to limit, at most `step` apart, zero among them."""
    n = int(np.ceil(limit / step))
    return np.linspace(-limit, limit, 2 * n + 1) if n else np.zeros(1)


def _shifts(centres: Array, yaw: float, scale: float) -> Array:
    """How far (B, 2) in cells (column, row) a turn (counter-clockwise seen from above) and scale move each block centre."""
    c, s = np.cos(yaw), np.sin(yaw)
    turn = scale * np.array([[c, s], [-s, c]])  # rows run south, so the turn is mirrored
    moved: Array = centres @ turn.T - centres
    return moved


def _joint(products: NDArray[np.float32], energy: NDArray[np.float32], own: NDArray[np.float32], shifts: Array,
           radius: int) -> NDArray[np.float32]:
    """Normalised sum of the block surfaces (2 radius + 1)^2, each read at its shift."""
    side, half = 2 * radius + 1, products.shape[-1] // 2
    total, weight = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    for b, (dx, dy) in enumerate(shifts):
        at = (half + dx, half + dy)
        total += cv2.getRectSubPix(products[b], (side, side), at)
        weight += cv2.getRectSubPix(energy[b], (side, side), at)
    scale = np.sqrt(np.maximum(weight, 0) * own.sum())
    joint: NDArray[np.float32] = np.divide(total, scale, out=np.zeros_like(total), where=weight > 0.3 * weight.max(initial=1e-6))
    return joint


def _peaks(scores: NDArray[np.float32], yaws: Array, scales: Array, cell: float, centre: tuple[float, float]) -> list[Peak]:
    """The top peaks of scores (yaw, scale, row, column), at least APART cells from each other."""
    raw = scores.max(axis=(0, 1))
    sharp = raw - cv2.GaussianBlur(raw, (0, 0), BROAD)
    radius = sharp.shape[0] // 2
    rows, cols = np.mgrid[:sharp.shape[0], :sharp.shape[1]]
    left, places = sharp.copy(), []
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
            (float(sharp[row, col]) - mean) / deviation - chance, float(raw[row, col]),
            max(abs(col - radius), abs(row - radius)) == radius))
    return found
