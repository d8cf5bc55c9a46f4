"""Parts of a frame that lie at two places of the map: there the map disagrees with itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import DescriptorMap
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.split import split
from promptmid_core.matching.verification import Verification

OWN = 5.0  # cells around a place within which its own peak may reach
LEAST_SCORE = 4.5  # of the other place
LEAST_SPLIT = 1.8  # hills displace parts of sound maps and give up to 1.3, seams of 12 px up to 3


@dataclass(frozen=True)
class Apart:
    """`move` (2,): metres east and north from the place that was found to the one where the other side of the frame lies;
    `split`: how surely a line divides the two."""

    move: Float64
    split: float


def apart(patch: DescriptorMap, window: DescriptorMap, found: Similarity, verification: Verification) -> Apart | None:
    """Return the other place where a part of the patch lies, None where all of it lies at the one that was found."""
    moves = verification.moves - np.array([found.east, found.north])
    far = np.hypot(*moves.T) > OWN * patch.grid.gsd
    if not far.any():
        return None
    best = int(np.argmax(np.where(far, verification.scores, -np.inf)))
    if verification.scores[best] < LEAST_SCORE:
        return None
    east, north = moves[best].tolist()
    surely = split(patch, window, found, (east, north))
    return Apart(moves[best], surely) if surely >= LEAST_SPLIT else None
