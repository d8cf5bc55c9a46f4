"""Whether two places share a patch: one side of it lies at one of them, the other side at the other."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import DescriptorMap, Measure
from promptmid_core.matching.correlation import centred
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.warp import warped

BLOCKS = 8  # of the patch, to a side
DIRECTIONS = 12  # of the line between the two sides
LEAST_SIDE = 0.15  # of the blocks


def split(patch: DescriptorMap, window: DescriptorMap, found: Similarity, move: tuple[float, float]) -> float:
    """Return how surely one side of `patch` lies on the map `window` as `found` and the other side `move` metres from there.

    Each block of the patch says which of the two places it fits better. The best straight line through the patch leaves blocks
    of one opinion on its one side and of the other on the other; the answer is the lesser of the two sides' mean opinions, in
    its standard errors. Two places of a pattern that repeats itself are told apart by no line.
    """
    other = replace(found, east=found.east + move[0], north=found.north + move[1])
    better = _agreement(patch, window, found) - _agreement(patch, window, other)
    rows, cols = (np.linspace(0, size, BLOCKS + 1).astype(int) for size in better.shape)
    opinions, places = [], []
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(cols):
            block = better[top:bottom, left:right]
            if np.isfinite(block).mean() > 0.5:
                opinions.append(float(np.nanmean(block)))
                places.append((left + right - 1.0, top + bottom - 1.0))
    return _divided(np.array(opinions), np.array(places)) if len(opinions) > 2 / LEAST_SIDE else 0.0


def _agreement(patch: DescriptorMap, window: DescriptorMap, found: Similarity) -> Float64:
    """How well each cell (h, w) of the patch fits; NaN where either says nothing."""
    around = warped(window, found, patch.grid, Measure.CORRELATION)
    valid = patch.valid & around.valid
    total = np.zeros(patch.valid.shape)
    for (group, seen), (_, known) in zip(patch.parts(Measure.CORRELATION), around.parts(), strict=True):
        a, b = centred(seen, valid), centred(known, valid)
        size = np.sqrt(float(np.einsum("cij,cij->", a, a)) * float(np.einsum("cij,cij->", b, b)))
        total += group.weight * np.einsum("cij,cij->ij", a, b) / max(size, 1e-9)
    return np.where(valid, total, np.nan)


def _divided(opinions: Float64, places: Float64) -> float:
    error = float(opinions.std()) + 1e-12
    least, best = max(int(LEAST_SIDE * len(opinions)), 1), 0.0
    for angle in np.arange(DIRECTIONS) * (np.pi / DIRECTIONS):
        order = np.argsort(places @ np.array([np.cos(angle), np.sin(angle)]), kind="stable")
        sums = np.cumsum(opinions[order])
        count = np.arange(1, len(opinions) + 1)
        first = sums / np.sqrt(count)
        last = (sums[-1] - sums)[:-1] / np.sqrt(count[::-1][1:])
        both = np.minimum(first[:-1], -last)[least - 1:len(opinions) - least]
        mirrored = np.minimum(-first[:-1], last)[least - 1:len(opinions) - least]
        best = max(best, float(both.max(initial=0.0)) / error, float(mirrored.max(initial=0.0)) / error)
    return best
