"""Matchability over a whole map, and piece by piece along a way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.geometry import Grid
from promptmid_core.plan.heights import Band
from promptmid_core.plan.matchability import Matchability
from promptmid_core.plan.texture import CELL, Edges, cells_of, texture_at
from promptmid_core.plan.way import Way
from promptmid_core.refmap import ReferenceMap

STEP_PX = 64  # between places of a survey, pixels of the level
MOST_PLACES = 4000
MOST_PIECES = 400
LOOKS = 3  # points of a piece
NO_DATA = "no SAR data: the map has none there"


@dataclass(frozen=True)
class Survey:
    """`probability` (H, W) that a match alone is right at the middles of a `grid` in `map`, NaN where the map knows nothing, of
    frames whose footprint has a shorter side of `footprint_px` map pixels."""

    grid: Grid
    probability: Float32
    footprint_px: float


@dataclass(frozen=True)
class Piece:
    """A piece of a way, in metres along it, with the middle of its heights above ground and why no frame of it can be matched,
    empty where one can."""

    from_m: float
    to_m: float
    height_m: float
    probability: float
    trouble: str = ""


class Surveyor:
    """Tells the matchability of places on a map, on the level that frames are matched on, by `patch_px` of what is matched."""

    def __init__(self, reference: ReferenceMap, patch_px: int, model: Matchability | None = None) -> None:
        self._reference, self._patch_px, self._model = reference, patch_px, model or Matchability.shipped()
        self._edges = cache(lambda level: Edges.of(reference.at(level)))

    def survey(self, footprint_px: float, level: int) -> Survey:
        """Return the matchability of a whole map, for frames of a footprint in pixels of level 0."""
        edges = self._edges(level)
        step = STEP_PX // CELL
        step *= max(1, int(np.ceil(np.sqrt(edges.grid.width * edges.grid.height / step ** 2 / MOST_PLACES))))
        rows, cols = (max(size // step, 1) for size in edges.grid.shape)
        grid = Grid(edges.grid.x + (step - 1) / 2 * edges.grid.gsd, edges.grid.y - (step - 1) / 2 * edges.grid.gsd,
                    edges.grid.gsd * step, cols, rows)
        x, y = grid.axes()
        values = [[self._at(edges, east, north, footprint_px / 2 ** level) for east in x] for north in y]
        return Survey(grid, np.array(values, np.float32), footprint_px)

    def pieces(self, way: Way, band: Band) -> list[Piece]:
        """Return the pieces of a way, each as long as the footprint from the middle of its heights, LOOKS of its points looked
        at."""
        usual = float(np.median(way.height))
        length = max(np.clip(usual, band.least, band.most) * band.footprint.shorter, way.length / MOST_PIECES)
        ends = np.linspace(0.0, way.length, max(round(way.length / length), 1) + 1)
        return [self._piece(way, band, float(start), float(end)) for start, end in pairwise(ends)]

    def _piece(self, way: Way, band: Band, start: float, end: float) -> Piece:
        at = start + (end - start) * (np.arange(LOOKS) + 0.5) / LOOKS
        x, y, heights = (np.interp(at, way.along, values) for values in (*way.points.T, way.height))
        troubles = [band.trouble(float(height)) for height in heights]
        found = [0.0 if trouble else self.at(float(east), float(north), band, float(height))
                 for east, north, height, trouble in zip(x, y, heights, troubles, strict=True)]
        trouble = max(troubles) or (NO_DATA if np.isnan(found).all() else "")
        return Piece(start, end, float(np.median(heights)), float(np.mean(np.nan_to_num(found))), trouble)

    def at(self, x: float, y: float, band: Band, height: float) -> float:
        """Return the matchability of a place in `map` from a height above ground; NaN where the map knows nothing."""
        level = min(band.level(height), self._reference.levels - 1)
        return self._at(self._edges(level), x, y, band.footprint_px(height) / 2 ** level)

    def _at(self, edges: Edges, x: float, y: float, footprint_px: float) -> float:
        texture = texture_at(edges, x, y, cells_of(footprint_px, self._patch_px))
        return float("nan") if texture is None else self._model.probability(texture)
