"""The second look: the whole patch against the map once more, with the turn and scale that the tie points found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.geometry import DescriptorMap
from promptmid_core.matching.correlation import centred, correlate
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.vertex import vertex
from promptmid_core.matching.warp import warped

REACH = 40  # cells of shift to every side that the found place is held against
NEAR = 3  # cells within which the maximum must lie
APART = 8  # cells beyond which a place is another one
GRAIN = 4  # cells per independent value of the surface


@dataclass(frozen=True)
class Verification:
    """How the found place stands out among all shifts nearby.

    `score`: standard deviations of the other places' scores above what the highest of as many random values reaches;
    `margin`: the same unit, above the best other place; `correlation`: -1 to 1 at the found place; `shift`: metres east and
    north on the map from the found place to the very maximum.
    """

    score: float
    margin: float
    correlation: float
    shift: tuple[float, float]


def verify(patch: DescriptorMap, window: DescriptorMap, found: Similarity) -> Verification:
    """Correlate `patch` with the map `window` warped by `found`, over shifts of up to REACH cells.

    The coarse search tries a few turns and scales on averaged cells; at the solution's own, and at full resolution, a true
    match gains and a false one, already the best of all that was tried, does not.
    """
    reach = min(REACH, (window.grid.width - patch.grid.width) // 2)
    grid = patch.grid
    around = warped(window, found, grid.cut(-reach, -reach, grid.width + 2 * reach, grid.height + 2 * reach))
    surfaces = correlate(centred(patch.array, patch.valid)[None], patch.valid[None],
                         centred(around.array, around.valid)[None], around.valid[None])
    scores = surfaces.scores()[0].astype(np.float64)
    rows, cols = np.mgrid[-reach:reach + 1, -reach:reach + 1]
    distance = np.hypot(rows, cols)
    row, col = np.unravel_index(int(np.argmax(np.where(distance <= NEAR, scores, -np.inf))), scores.shape)
    here = float(scores[row, col])
    across, down = vertex(scores, int(row), int(col))
    start, end = found.apply(np.array([[0.0, 0.0], [(col - reach + across) * grid.gsd, -(row - reach + down) * grid.gsd]]))
    shift = (float(end[0] - start[0]), float(end[1] - start[1]))
    others = scores[(distance > APART) & (surfaces.energy[0] > 0)]
    if others.size < APART ** 2:
        return Verification(0.0, 0.0, here, shift)
    mean, deviation = float(others.mean()), float(others.std()) + 1e-9
    chance = float(np.sqrt(2 * np.log(max(others.size / GRAIN, 2))))
    return Verification((here - mean) / deviation - chance, (here - float(others.max())) / deviation, here, shift)
