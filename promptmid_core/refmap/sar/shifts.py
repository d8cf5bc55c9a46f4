"""How far one scene of a mosaic lies beside another, by the ground that both have."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Float64, Mask
from promptmid_core.refmap.sar.levelling import Part
from promptmid_core.refmap.sar.view import SarView

BLOCK_PX, MOST_BLOCKS = 128, 5  # the side of a block, and how many along a side of the common ground
REACH_PX = 32
LEAST_VALID, LEAST_BLOCKS = 0.8, 4
FINE_PX, BROAD_PX = 1.0, 8.0  # between which a scene's structures are compared
DARK = 0.05  # of the median amplitude, below which a radar sees noise
NEAR_PX = 4.0  # around a peak that is its own
STANDS_OUT = 6.0  # standard deviations of all other shifts
AROUND = 2  # cells to each side of a peak, by which it is placed between them
LEAST_SIGMA_PX = 0.05  # what that errs by, whatever the blocks say


@dataclass(frozen=True)
class Shift:
    """How many pixels `east` and `north` a second scene shows what a first one shows, with its standard deviation `sigma` an
    axis; by so many `blocks` of the ground that both have."""

    east: float
    north: float
    sigma: float
    blocks: int

    @property
    def length(self) -> float:
        return float(np.hypot(self.east, self.north))


def shift_between(first: SarView, second: SarView, common: Part) -> Shift | None:
    """Return how far a second scene lies beside a first; `common`: the part of the map that both reach into.

    Blocks of the logarithm of the amplitude, between fine and broad, are correlated, and their surfaces summed, since what one
    block leaves open the next decides; the standard deviation is the jackknife's over the blocks (Quenouille 1956). None where
    too little ground is common, or no shift stands out of all others up to 32 px.
    """
    surfaces = []
    for col, row in _corners(common):
        views = [scene.read(col, row, BLOCK_PX, BLOCK_PX) for scene in (first, second)]
        valid = views[0][0].valid & views[1][0].valid
        if valid.mean() >= LEAST_VALID:
            surfaces.append(_correlation(*(_structure(amplitude, valid) for _, amplitude in views)))
    if len(surfaces) < LEAST_BLOCKS:
        return None
    stack = np.array(surfaces)
    total = stack.sum(axis=0)
    place = _peak(total)
    rows, cols = np.mgrid[-REACH_PX:REACH_PX + 1, -REACH_PX:REACH_PX + 1]
    others = total[np.hypot(cols - place[0], rows + place[1]) > NEAR_PX]
    if total.max() - others.mean() < STANDS_OUT * others.std() or np.abs(place).max() >= REACH_PX:
        return None
    without = np.array([_peak(total - each) for each in stack])
    count = len(stack)
    variance = float((count - 1) / count * ((without - without.mean(axis=0)) ** 2).sum(axis=0).mean())
    return Shift(float(place[0]), float(place[1]), float(np.hypot(np.sqrt(variance), LEAST_SIGMA_PX)), count)


def _corners(common: Part) -> list[tuple[int, int]]:
    """The first column and row of blocks spread evenly over the common ground."""
    left, top, width, height = common
    across, down = (min(length // BLOCK_PX, MOST_BLOCKS) for length in (width, height))
    if not across or not down:
        return []
    cols, rows = (start + np.round(np.linspace(0, length - BLOCK_PX, count)).astype(int)
                  for start, length, count in ((left, width, across), (top, height, down)))
    return [(int(col), int(row)) for row in rows for col in cols]


def _structure(amplitude: Float32, valid: Mask) -> Float32:
    """What of a block (H, W) is compared: its logarithm between two scales, 0 where it is not valid and fading to its rim."""
    loud = np.log(np.maximum(amplitude, np.float32(DARK)))
    loud = np.where(valid, loud, np.float32(loud[valid].mean()))
    band = cv2.GaussianBlur(loud, (0, 0), FINE_PX) - cv2.GaussianBlur(loud, (0, 0), BROAD_PX)
    rim = np.hanning(BLOCK_PX).astype(np.float32)
    return np.asarray(np.where(valid, band, np.float32(0)) * np.outer(rim, rim), np.float32)


def _correlation(first: Float32, second: Float32) -> Float64:
    """The correlation by shifts of up to REACH_PX: rows from south to north turned, as images have them."""
    product = np.fft.irfft2(np.conj(np.fft.rfft2(first)) * np.fft.rfft2(second), first.shape)
    size = np.sqrt(float((first ** 2).sum()) * float((second ** 2).sum()))
    around = np.roll(product, (REACH_PX, REACH_PX), axis=(0, 1))[:2 * REACH_PX + 1, :2 * REACH_PX + 1]
    return np.asarray(around / max(size, 1e-9), np.float64)


def _peak(surface: NDArray[np.float64]) -> Float64:
    """Where a surface of shifts has its maximum, pixels (2,) east and north: that of the paraboloid through the cells around the
    highest, by least squares."""
    row, col = (int(at) for at in np.unravel_index(int(np.argmax(surface)), surface.shape))
    inside = min(row, col) >= AROUND and max(row, col) < len(surface) - AROUND
    right, down = _vertex(surface[row - AROUND:row + AROUND + 1, col - AROUND:col + AROUND + 1]) if inside else (0.0, 0.0)
    return np.array([col - REACH_PX + right, REACH_PX - row - down])


def _vertex(cells: Float64) -> tuple[float, float]:
    y, x = (each.ravel() for each in np.mgrid[-AROUND:AROUND + 1, -AROUND:AROUND + 1])
    terms = np.column_stack([x * x, x * y, y * y, x, y, np.ones(len(x))])
    (xx, xy, yy, right, down, _), *_ = np.linalg.lstsq(terms, cells.ravel(), rcond=None)
    bend = np.array([[2 * xx, xy], [xy, 2 * yy]])
    if np.linalg.eigvalsh(bend)[-1] >= 0:
        return 0.0, 0.0
    at = np.clip(-np.linalg.solve(bend, [right, down]), -1, 1)
    return float(at[0]), float(at[1])
