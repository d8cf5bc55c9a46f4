"""The second look: the whole patch against the map once more, with the turn and scale that the tie points found."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Float64
from promptmid_core.geometry import DescriptorMap, Measure
from promptmid_core.matching.parallel import together
from promptmid_core.matching.pool import pooled
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.sought import COARSE_FACTOR, SoughtPatch
from promptmid_core.matching.surface import score_surface, vertex
from promptmid_core.matching.warp import warped

NEAR = 3  # cells within which the maximum must lie
APART = 8  # cells beyond which a place is another one
GRAIN = 4  # cells per independent value of the surface


@dataclass(frozen=True)
class Verification:
    """How the found place stands out among all shifts in the window.

    `score`: standard deviations of the other places' scores above what the highest of as many random values reaches;
    `margin`: the same unit, above the best other place; `similarity`: the score itself at the found place; `shift`: metres east
    and north on the map from the found place to the very maximum. `scores` (n,), in standard deviations of those of the other
    places, and the `moves` (n, 2), metres east and north on the map, of the patch's centre that they belong to.
    """

    score: float
    margin: float
    similarity: float
    shift: tuple[float, float]
    scores: Float64
    moves: Float64


def verify(patch: DescriptorMap, window: DescriptorMap, found: Similarity) -> Verification:
    """Correlate `patch` with all of the map `window`, turned and scaled as `found` is.

    The coarse search tries a few turns and scales on averaged cells; at the solution's own, and at full resolution, a true
    match gains and a false one, already the best of all that was tried, does not.
    """
    cell, margin = patch.grid.gsd, (window.grid.width - patch.grid.width) // 2
    # a window that is turned and scaled lacks its corners
    reach = margin // COARSE_FACTOR * COARSE_FACTOR
    sought = SoughtPatch.of(patch)
    turned = replace(found, east=0.0, north=0.0)

    def colours_scored() -> Float32:
        # a dependence costs most and gains least from full resolution
        around = pooled(window.only(Measure.DEPENDENCE), COARSE_FACTOR)
        return _scores(sought.coarse, around, turned, reach // COARSE_FACTOR, Measure.DEPENDENCE)

    edges, colours = together(lambda: _scores(sought, window, turned, reach, Measure.CORRELATION), colours_scored)
    scores = (edges + _finer(colours, len(edges))).astype(np.float64)
    centre = np.array([found.centre])
    (right, up), = turned.undone(centre + np.array([found.east, found.north])) - centre
    rows, cols = np.mgrid[-reach:reach + 1, -reach:reach + 1]
    distance = np.hypot(rows + up / cell, cols - right / cell)
    moves = turned.apply(centre + cell * np.column_stack([cols.ravel(), -rows.ravel()])) - centre
    row, col = np.unravel_index(int(np.argmax(np.where(distance <= NEAR, scores, -np.inf))), scores.shape)
    here = float(scores[row, col])
    across, down = vertex(scores, int(row), int(col))
    place, = turned.apply(centre + cell * np.array([[col - reach + across, reach - row - down]])) - centre
    shift = (float(place[0] - found.east), float(place[1] - found.north))
    known = scores != 0
    others = scores[(distance > APART) & known]
    if others.size < APART ** 2:
        return Verification(0.0, 0.0, here, shift, np.zeros(0), np.zeros((0, 2)))
    mean, deviation = float(others.mean()), float(others.std()) + 1e-9
    chance = float(np.sqrt(2 * np.log(max(others.size / GRAIN, 2))))
    return Verification((here - mean) / deviation - chance, (here - float(others.max())) / deviation, here, shift,
                        (scores[known] - mean) / deviation, moves[known.ravel()])


def _scores(patch: DescriptorMap, window: DescriptorMap, found: Similarity, reach: int, measure: Measure) -> Float32:
    grid = patch.grid.cut(-reach, -reach, patch.grid.width + 2 * reach, patch.grid.height + 2 * reach)
    return score_surface(patch, warped(window, found, grid, measure), measure)


def _finer(scores: Float32, side: int) -> Float32:
    """Scores by displacement in coarse cells, read at those of fine ones."""
    at = (np.arange(side, dtype=np.float32) - side // 2) / COARSE_FACTOR + len(scores) // 2
    return np.asarray(cv2.remap(scores, *np.meshgrid(at, at), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)
