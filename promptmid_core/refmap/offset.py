"""The offset of a map by place: how far beside the ground the map has it, by flights whose truth was known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptmid_core.arrays import Float32, Float64
from promptmid_core.geometry import Grid
from promptmid_core.refmap.format import offset as stored
from promptmid_core.refmap.format.header import Header


@dataclass(frozen=True)
class Offset:
    """The offset at the nodes of `grid`: `values` (4, H, W) are metres east and north, their standard deviation per axis in
    metres, and the independent looks behind them; `away_m` that deviation where no flight has been."""

    grid: Grid
    values: Float32
    away_m: float

    @staticmethod
    def read(path: Path, header: Header) -> Offset | None:
        """Return the offset of a map folder, None where it has none. Raises InputError where it is damaged, or of another map."""
        facts = stored.OffsetFacts.read(path, stored.seal_of(header))
        return None if facts is None else Offset(facts.grid, stored.read(path, facts), facts.away_m)

    def at(self, points: Float64) -> tuple[Float64, Float64]:
        """Return offset (N, 2) and sigma (N,) in metres at points (N, 2) in `map`, between the nodes bilinearly; beyond the grid,
        whose rim nothing was seen near, those of the rim."""
        rows, cols = self.grid.shape
        col, row = self.grid.to_pixel(*points.T)
        col, row = np.clip(col, 0, cols - 1), np.clip(row, 0, rows - 1)
        left, top = np.minimum(col.astype(int), max(cols - 2, 0)), np.minimum(row.astype(int), max(rows - 2, 0))
        right, below = left + int(cols > 1), top + int(rows > 1)
        across, down = col - left, row - top
        upper = self.values[:3, top, left] * (1 - across) + self.values[:3, top, right] * across
        lower = self.values[:3, below, left] * (1 - across) + self.values[:3, below, right] * across
        east, north, sigma = upper * (1 - down) + lower * down
        return np.stack([east, north], axis=1), sigma
