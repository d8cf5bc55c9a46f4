"""A score surface as a picture."""

from __future__ import annotations

import numpy as np

from promptmid_core.arrays import UInt8
from promptmid_core.geometry import Bounds
from promptmid_core.localization.belief import Surface


def drawn(surface: Surface, most: int) -> tuple[UInt8, Bounds] | None:
    """Return the best score in each cell of the places that were compared, in grey (S, S) of at most `most` cells, north up, and
    their bounds (west, south, east, north): metres that the expected position is corrected by. None where there is no score."""
    east, north, scores = surface.east, surface.north, surface.scores
    known = np.isfinite(scores)
    if not known.any():
        return None
    east, north, scores = east[known], north[known], scores[known]
    side = int(np.clip(np.sqrt(len(scores)), 1, most))
    west, south, east_most, north_most = (float(value) for value in (east.min(), north.min(), east.max(), north.max()))
    cells = np.full((side, side), np.nan)
    col, row = (np.minimum(((values - low) / max(high - low, 1e-9) * side).astype(int), side - 1)
                for values, low, high in ((east, west, east_most), (-north, -north_most, -south)))
    np.fmax.at(cells, (row, col), scores)
    low, high = float(np.nanmin(cells)), float(np.nanmax(cells))
    grey = np.nan_to_num((cells - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
    return grey, (west, south, east_most, north_most)
