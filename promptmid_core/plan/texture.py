"""What a SAR map has to match: how strong its edges are once speckle is smoothed away, and how alike the ground is nearby."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft

from promptmid_core.arrays import Float32, Mask
from promptmid_core.geometry import Grid
from promptmid_core.refmap import ReferenceMap

CELL = 4  # pixels whose mean has little speckle left
SMOOTH = 1.0  # cells
DARKEST = 0.02  # of the median amplitude
REACH = 24  # cells around a place in which it may be taken for another: 96 px, as far as searches from a usual prior go
APART = 2.3  # cells from which on it is another place
RIM = 3  # cells next to what is not known, whose edges are those of the rim
LEAST_KNOWN = 0.5  # share of a place that has to be known
LEAST_MET = 0.3  # of the edges of a place that must meet those of another for the two to compare
STRIP = 2048  # pixels that are read at once


@dataclass(frozen=True)
class Edges:
    """Gradients (2, h, w) of the logarithm of amplitude, smoothed over cells of a `grid`, 0 where not `known` (h, w)."""

    gradient: Float32
    known: Mask
    grid: Grid

    @staticmethod
    def of(reference: ReferenceMap) -> Edges:
        """Return those of a map's level, read in strips."""
        grid = reference.grid.every(CELL)
        mean, share = np.ones(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
        for top in range(0, grid.height, STRIP // CELL):
            size = grid.width, min(STRIP // CELL, grid.height - top)
            patch = reference.image(0, top * CELL, size[0] * CELL, size[1] * CELL)
            image = np.asarray(patch.image, np.float32)
            values = reference.header.amplitude.amplitude(image) if reference.level == 0 else image
            valid = patch.valid.astype(np.float32)
            amount = cv2.resize(valid, size, interpolation=cv2.INTER_AREA)
            total = cv2.resize(np.where(patch.valid, values, 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
            rows = np.s_[top:top + size[1]]
            share[rows] = amount
            mean[rows] = np.divide(total, amount, out=np.ones_like(total), where=amount > 0)
        smooth = cv2.GaussianBlur(np.log(np.maximum(mean, DARKEST)), (0, 0), SMOOTH)
        seen = share > LEAST_KNOWN
        known = cv2.erode(seen.astype(np.uint8), np.ones((2 * RIM - 1, 2 * RIM - 1), np.uint8), borderValue=1).astype(bool)
        gradient = np.stack([cv2.Sobel(smooth, cv2.CV_32F, *way) / 8 for way in ((1, 0), (0, 1))])
        return Edges(np.asarray(gradient * known, np.float32), known, grid)

    def around(self, col: int, row: int, size: int) -> tuple[Float32, Mask]:
        """Return gradients (2, size, size) and what is known (size, size) from a cell on; nothing is known beyond the map."""
        gradient, known = np.zeros((2, size, size), np.float32), np.zeros((size, size), bool)
        left, top, right, bottom = max(col, 0), max(row, 0), min(col + size, self.grid.width), min(row + size, self.grid.height)
        if left < right and top < bottom:
            there = np.s_[top - row:bottom - row, left - col:right - col]
            gradient[:, *there], known[there] = self.gradient[:, top:bottom, left:right], self.known[top:bottom, left:right]
        return gradient, known


@dataclass(frozen=True)
class Texture:
    """`contrast`: mean square of the edges; `likeness`: how alike the most similar other place within REACH is, 0 to 1; `cells`
    along a side of what is matched."""

    contrast: float
    likeness: float
    cells: int


def cells_of(footprint_px: float, patch_px: int = 256) -> int:
    """Return the cells along a side of what is matched of a footprint of so many pixels."""
    return int(min(footprint_px, patch_px)) // CELL


def texture_at(edges: Edges, x: float, y: float, cells: int) -> Texture | None:
    """Return what a square of `cells` a side around a point of `map` has to match; None where the map knows too little of it."""
    col, row = (round(float(at) - (cells - 1) / 2) for at in edges.grid.to_pixel(x, y))
    gradient, known = edges.around(col - REACH, row - REACH, cells + 2 * REACH)
    inner = np.s_[REACH:REACH + cells, REACH:REACH + cells]
    if known[inner].mean() < LEAST_KNOWN:
        return None
    square = np.zeros_like(known, np.float32)
    square[inner] = 1
    own = float((gradient[:, *inner] ** 2).sum())
    if own <= 0:
        return Texture(0.0, 1.0, cells)
    # circular transforms of the whole window: the margin is as wide as the reach, so that nothing wraps around
    whole, middle = scipy.fft.rfft2(gradient), scipy.fft.rfft2(gradient * square)
    products = scipy.fft.irfft2((whole * middle.conj()).sum(axis=0), known.shape)
    energy = scipy.fft.irfft2(scipy.fft.rfft2((gradient ** 2).sum(axis=0)) * scipy.fft.rfft2(square).conj(), known.shape)
    steps = np.arange(-REACH, REACH + 1)
    products, energy = products[np.ix_(steps, steps)], energy[np.ix_(steps, steps)]
    met = energy > LEAST_MET * own
    alike = np.divide(products, np.sqrt(np.maximum(energy, 1e-12) * own), out=np.zeros_like(products), where=met)
    other = np.hypot(*np.meshgrid(steps, steps)) > APART
    return Texture(own / float(known[inner].sum()), float(np.clip(alike[other].max(), 0.0, 1.0)), cells)
