"""The score of a whole patch at every displacement, what each channel group says summed, and where it has its maximum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32
from promptmid_core.geometry import DescriptorMap, Measure
from promptmid_core.matching.correlation import BlockSpectra, Spectra, Sums, centred
from promptmid_core.matching.dependence import Moments, Regressors, dependence
from promptmid_core.matching.sought import SoughtPatch


def score_surface(patch: DescriptorMap, window: DescriptorMap, measure: Measure | None = None) -> Float32:
    """Return the score (2r+1, 2r+1) of `patch` (h, w cells) in `window` (h+2r, w+2r cells), by displacement of -r..r cells; rows
    run south.

    A correlation is between -1 and 1, a dependence in nats per cell; each counts with its group's weight. 0 where too few cells
    meet. Of the groups of one `measure`, or of all.
    """
    rows, cols = (around - own + 1 for around, own in zip(window.valid.shape, patch.valid.shape, strict=True))
    scores = np.zeros((rows, cols), np.float32)
    sought, size = SoughtPatch.of(patch), window.valid.shape[1]
    for (group, _), (_, around) in zip(patch.parts(measure), window.parts(measure), strict=True):
        over, known = centred(around, window.valid)[None], window.valid[None]
        if group.measure is Measure.CORRELATION:
            own = Sums.of(sought.once(_correlated, group.name, size), Spectra.of(over, known)).surfaces().scores()
        else:
            own = dependence(sought.once(_regressed, group.name, size), Moments.of(over, known))
        scores += np.float32(group.weight) * own[0]
    return scores


def _correlated(patch: DescriptorMap, group: str, size: int) -> BlockSpectra:
    return BlockSpectra.of(_centred(patch, group), patch.valid[None], size)


def _regressed(patch: DescriptorMap, group: str, size: int) -> Regressors:
    return Regressors.of(_centred(patch, group), patch.valid[None], size)


def _centred(patch: DescriptorMap, group: str) -> Float32:
    (_, channels), = patch.parts(group)
    return centred(channels, patch.valid)[None]


def vertex(surface: NDArray[np.floating], row: int, col: int) -> tuple[float, float]:
    """Return the offset (column, row) of the parabola's vertex through a maximum and its neighbours, at most half a cell."""
    offsets = []
    for line, i in ((surface[row], col), (surface[:, col], row)):
        if 0 < i < len(line) - 1:
            a, b, c = float(line[i - 1]), float(line[i]), float(line[i + 1])
            bend = a - 2 * b + c
            offsets.append(float(np.clip(0.5 * (a - c) / bend, -0.5, 0.5)) if bend < 0 else 0.0)
        else:
            offsets.append(0.0)
    return offsets[0], offsets[1]
