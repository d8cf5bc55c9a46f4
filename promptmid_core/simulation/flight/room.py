"""Where an aircraft may fly so that its camera sees the orthophoto and not its edge or holes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Mask
from promptmid_core.geometry import Grid

HEADINGS = 36  # over half a turn: a footprint turned by 180 degrees covers the same ground
MOST_CELLS = 600_000
CELLS_PER_FOOTPRINT = 40
CIRCLE_POINTS = 2 * HEADINGS


@dataclass(frozen=True)
class Room:
    """`allowed` (HEADINGS, H, W): whether a footprint centred on the cell and turned to the heading stays on valid ground.

    Heading `i` is `i * pi / HEADINGS`, counted from east to north; each holds for its neighbours too (5 degrees either way).
    """

    grid: Grid
    allowed: Mask

    def circles(self, radius: float) -> Mask:
        """Centres (H, W) of circles of `radius` metres that can be flown for ever, in either direction."""
        rows, cols = self.grid.shape
        free = np.ones((rows, cols), bool)
        for i in range(CIRCLE_POINTS):
            heading = i * 2 * np.pi / CIRCLE_POINTS
            across = round(radius * np.sin(heading) / self.grid.gsd)
            down = round(radius * np.cos(heading) / self.grid.gsd)
            free &= _shifted(self.allowed[self._bin(heading)], across, down)
        return free

    def at(self, mask: Mask, x: float, y: float) -> bool:
        """Return the value of a mask (H, W) of this room at a position in `map`; False outside."""
        col, row = round((x - self.grid.x) / self.grid.gsd), round((self.grid.y - y) / self.grid.gsd)
        return 0 <= row < mask.shape[0] and 0 <= col < mask.shape[1] and bool(mask[row, col])

    @staticmethod
    def _bin(heading: float) -> int:
        return round(heading * HEADINGS / np.pi) % HEADINGS


@dataclass(frozen=True)
class Outline:
    """A footprint of `along` x `across` metres, in and across the direction of flight, its middle `ahead` of the aircraft."""

    along: float
    across: float
    ahead: float = 0.0


def room_for(valid: Mask, grid: Grid, outline: Outline, margin: float, share: float) -> Room:
    """Return the room of a footprint.

    `margin` metres are kept free on every side for what moves the footprint off its centre; at least `share` of the footprint
    itself stays on valid pixels wherever it is inside the widened one.
    """
    along, across = outline.along, outline.across
    fewest = int(np.ceil(np.sqrt(grid.width * grid.height / MOST_CELLS)))
    cell = max(1, fewest, int(min(along, across) / grid.gsd / CELLS_PER_FOOTPRINT))
    rows, cols = -(-grid.height // cell), -(-grid.width // cell)
    padded = np.zeros((rows * cell, cols * cell), np.float32)
    padded[:grid.height, :grid.width] = valid
    filled = padded.reshape(rows, cell, cols, cell).mean(axis=(1, 3))
    # the rest of the last cells counts as invalid, and the grid is that of the padded raster
    cells = Grid(grid.x, grid.y, grid.gsd, cols * cell, rows * cell).every(cell)

    margin = margin + cells.gsd / 2
    wide = (along + 2 * margin, across + 2 * margin)
    # what is missing under the widened footprint may all lie under the true one
    needed = 1 - (1 - share) * along * across / (wide[0] * wide[1])
    covered = np.stack([_coverage(filled, wide, cells.gsd, i * np.pi / HEADINGS) >= needed for i in range(HEADINGS)])
    if outline.ahead:
        # the other way too: circles are flown in either direction
        covered = np.stack([_both_ways(mask, outline.ahead / cells.gsd, i * np.pi / HEADINGS) for i, mask in enumerate(covered)])
    return Room(cells, covered & np.roll(covered, 1, axis=0) & np.roll(covered, -1, axis=0))


def _both_ways(covered: Mask, ahead: float, heading: float) -> Mask:
    """Where what lies `ahead`, in cells, is covered, and what lies as far behind."""
    across, down = round(ahead * np.cos(heading)), round(-ahead * np.sin(heading))
    return _shifted(covered, across, down) & _shifted(covered, -across, -down)


def _coverage(filled: Float32, size: tuple[float, float], cell: float, heading: float) -> Float32:
    """Share (H, W) of a turned rectangle around each cell that is filled; beyond the raster nothing is."""
    kernel = _rectangle(size[0] / cell, size[1] / cell, heading)
    return cv2.filter2D(filled, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT) + np.float32(1e-4)


def _rectangle(along: float, across: float, heading: float) -> Float32:
    """A kernel of sum 1: a rectangle in cells, turned from east to north, its rim in proportion to the cell's share."""
    reach = int(np.ceil(np.hypot(along, across) / 2)) + 1
    parts = 4
    steps = (np.arange((2 * reach + 1) * parts) + 0.5) / parts - reach - 0.5
    east, north = steps[None], -steps[:, None]
    forward = east * np.cos(heading) + north * np.sin(heading)
    left = north * np.cos(heading) - east * np.sin(heading)
    inside = (np.abs(forward) <= along / 2) & (np.abs(left) <= across / 2)
    share = inside.reshape(2 * reach + 1, parts, 2 * reach + 1, parts).mean(axis=(1, 3))
    kernel: Float32 = (share / share.sum()).astype(np.float32)
    return kernel


def _shifted(mask: Mask, across: int, down: int) -> Mask:
    """`out[r, c] = mask[r + down, c + across]`, False beyond the edge."""
    out = np.zeros_like(mask)
    rows, cols = mask.shape
    r0, r1, c0, c1 = max(0, -down), min(rows, rows - down), max(0, -across), min(cols, cols - across)
    if r0 < r1 and c0 < c1:
        out[r0:r1, c0:c1] = mask[r0 + down:r1 + down, c0 + across:c1 + across]
    return out
