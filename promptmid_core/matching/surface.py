"""One score for every displacement of a whole patch in a window of the map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from promptmid_core.geometry import DescriptorMap
from promptmid_core.matching.correlation import centred, correlate


def score_surface(patch: DescriptorMap, window: DescriptorMap) -> NDArray[np.float32]:
    """Scores (2r+1, 2r+1) of a patch (C, h, w) in a window (C, h+2r, w+2r) over displacements in cells; row, column r is none."""
    surfaces = correlate(centred(patch.array, patch.valid)[None], patch.valid[None],
                         centred(window.array, window.valid)[None], window.valid[None])
    return np.asarray(surfaces.scores()[0], np.float32)
