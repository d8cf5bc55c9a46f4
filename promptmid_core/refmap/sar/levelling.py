"""Scenes of a mosaic made equally bright: gains from the ground that they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.refmap.sar.view import SarView

Part = tuple[int, int, int, int]  # column, row, width, height

BLOCK_PX = 128
MOST_BLOCKS = 8  # along a side of the common ground
LEAST_PX = 1000  # less common ground than that tells nothing


def levels_db(scenes: Sequence[SarView], parts: Sequence[Part], areas: Sequence[float]) -> Float64:
    """Return by how many decibels the median of each scene stands above that of the mosaic (N,), once they are equally bright.

    For each two scenes with common ground the difference of their median amplitudes there is to vanish, by least squares with
    the common pixels as weights; among the answers that do this equally well, which differ by what groups of scenes without
    common ground are to each other, that one is taken for which the mean over each group, weighted by `areas`, is 0. So scenes
    that nothing joins each keep the median 1 that they would have alone. Rounded to 0.001 dB.
    """
    weight = np.sqrt(np.asarray(areas, np.float64))
    rows, wanted = [], []
    for second in range(len(scenes)):
        for first in range(second):
            pixels, difference = _difference_db(scenes[first], scenes[second], common_part(parts[first], parts[second]))
            if pixels >= LEAST_PX and np.isfinite(difference):
                row = np.zeros(len(scenes))
                row[first], row[second] = 1 / weight[first], -1 / weight[second]
                rows.append(row * sqrt(pixels))
                wanted.append(-difference * sqrt(pixels))
    if not rows:
        return np.zeros(len(scenes))
    # in these unknowns, levels times weight, the shortest answer is that whose weighted means vanish
    answer, *_ = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=1e-10)
    return np.asarray(np.round(answer / weight, 3) + 0.0)


def common_part(first: Part, second: Part) -> Part:
    """Return the part of the map that two scenes both reach into; of no width or height where there is none."""
    left, top = max(first[0], second[0]), max(first[1], second[1])
    right, bottom = min(first[0] + first[2], second[0] + second[2]), min(first[1] + first[3], second[1] + second[3])
    return left, top, max(right - left, 0), max(bottom - top, 0)


def _difference_db(first: SarView, second: SarView, common: Part) -> tuple[int, float]:
    """How many pixels of an even sample of a window both scenes have, and the first's median amplitude over the second's there.

    Amplitudes are those with median 1 over each raster. NaN where either is dark in more than half of the pixels.
    """
    col, row, width, height = common
    ours, theirs = [], []
    for top, down in _blocks(row, height):
        for left, across in _blocks(col, width):
            (a, bright), (b, other) = (scene.read(left, top, across, down) for scene in (first, second))
            both = a.valid & b.valid
            ours.append(bright[both])
            theirs.append(other[both])
    count = sum(len(part) for part in ours)
    if not count:
        return 0, float("nan")
    mine, yours = float(np.median(np.concatenate(ours))), float(np.median(np.concatenate(theirs)))
    return count, 20 * float(np.log10(mine / yours)) if mine > 0 and yours > 0 else float("nan")


def _blocks(start: int, length: int) -> list[tuple[int, int]]:
    """First pixel and length of blocks spread over a span: all of it, or as many as are looked at."""
    if length <= BLOCK_PX * MOST_BLOCKS:
        return [(start + at, min(BLOCK_PX, length - at)) for at in range(0, length, BLOCK_PX)]
    return [(start + round(at), BLOCK_PX) for at in np.linspace(0, length - BLOCK_PX, MOST_BLOCKS)]
