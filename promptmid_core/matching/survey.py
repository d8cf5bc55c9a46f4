"""Where on a whole map a frame may be, at any heading: a score for each place, and its peaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Float64, Mask
from promptmid_core.geometry import DescriptorMap, Grid
from promptmid_core.matching.correlation import LEAST_SCALE, Spectra, surface, spectrum
from promptmid_core.matching.overview import Overview
from promptmid_core.matching.parallel import together
from promptmid_core.matching.turn import Turnable

BROAD_PX = 24  # pixels of the level: a true place is a sharp peak; broader waves come from the brightness of whole districts
LEAST_COVER = 0.5  # of the patch's cells that the map must know for a place to have a score
HEADING_STEP = np.deg2rad(4.0)  # half of it costs a patch of 500 px a third of its z, one of 150 px a tenth
BACKGROUND_ROUNDS = 2  # of leaving out what is none
OUTLYING = 4.0  # standard deviations from which on a score is no background
APART = 4.0  # cells between two peaks


@dataclass(frozen=True)
class Layer:
    """What one heading says: `z` (rows, cols), the score of the place in each cell of the overview in standard deviations of
    the scores of this heading's other places, whose mean is 0; `known` (rows, cols): where there is a score, 0 elsewhere."""

    heading: float
    z: Float32
    known: Mask


@dataclass(frozen=True)
class SurveyPeak:
    """A maximum over places and headings: metres in `map` of the place, the patch's turn in radians, and its z."""

    x: float
    y: float
    heading: float
    z: float


@dataclass(frozen=True)
class SurveySurface:
    """`headings` (K,): turns of the patch in radians, counter-clockwise; `z` (K, rows, cols) and `known` as in Layer; `grid` of
    the places."""

    headings: Float64
    z: NDArray[np.floating]
    known: Mask
    grid: Grid

    def peaks(self, count: int = 10, apart: float = APART) -> list[SurveyPeak]:
        """Return the highest maxima, highest first, at least `apart` cells from each other, whatever their headings."""
        best = np.where(self.known.any(axis=0), self.z.max(axis=0), -np.inf).astype(np.float32)
        rows, cols = np.mgrid[:best.shape[0], :best.shape[1]]
        found: list[SurveyPeak] = []
        while len(found) < count:
            row, col = (int(i) for i in np.unravel_index(int(np.argmax(best)), best.shape))
            if not np.isfinite(best[row, col]):
                break
            x, y = self.grid.to_map(col, row)
            heading = int(np.argmax(self.z[:, row, col]))
            found.append(SurveyPeak(float(x), float(y), float(self.headings[heading]), float(best[row, col])))
            best[np.hypot(rows - row, cols - col) < apart] = -np.inf
        return found


def headings_within(reach: float, step: float = HEADING_STEP) -> Float64:
    """Return headings (K,) at most `step` apart, symmetric about 0, so that none within `reach` is farther than half a step from one;
    of pi or more the whole circle, once. In radians."""
    reach = min(reach, np.pi)
    count = max(int(np.ceil(2 * reach / step - 1e-9)), 1)
    return (np.arange(count) - (count - 1) / 2) * (2 * reach / count)


def survey(patch: DescriptorMap, overview: Overview, headings: Sequence[float] | Float64, *, place: tuple[float, float],
           scale: float = 1.0) -> SurveySurface:
    """Return what all headings say of a patch: `layers`, collected."""
    found = list(layers(patch, overview, headings, place=place, scale=scale))
    return SurveySurface(np.array([layer.heading for layer in found]), np.stack([layer.z for layer in found]),
                         np.stack([layer.known for layer in found]), overview.grid)


def layers(patch: DescriptorMap, overview: Overview, headings: Sequence[float] | Float64, *, place: tuple[float, float],
           scale: float = 1.0) -> Iterator[Layer]:
    """Look for a patch everywhere, turned by each of `headings` in radians, counter-clockwise; two of them at a time.

    `place`: metres in `map` of the point of the patch whose place is sought, as the boresight's, about which it is turned;
    `scale`: how many times larger the ground is than the patch shows it. The patch is described once: what it says is turned with
    it. Raises InputError where its descriptors have no channels that can be turned, ValueError where there is no heading.
    """
    if not len(headings):
        raise ValueError("a survey needs a heading")
    turnable = Turnable.of(patch, overview.cell_px // patch.stride, place)
    spectra = overview.spectra(turnable.margin(scale))

    def layer(heading: float) -> Layer:
        seen, valid = turnable.at(heading, scale)
        scores, known, certainty = _scores(seen, valid, spectra, overview.grid.shape)
        return Layer(heading, _standard(scores, known, certainty, BROAD_PX / overview.cell_px), known)

    for first in range(0, len(headings), 2):
        pair = [float(heading) for heading in headings[first:first + 2]]
        if len(pair) == 2:
            one, other = pair
            yield from together(lambda one=one: layer(one), lambda other=other: layer(other))  # type: ignore[misc]
        else:
            yield layer(pair[0])


def _scores(seen: Float32, valid: Mask, spectra: Spectra, shape: tuple[int, int]) -> tuple[Float32, Mask, Float32]:
    """The correlation (rows, cols) of a patch whose middle lies in each cell, where it is known, and by how much chance is less
    there than where fewer cells meet."""
    cells, size = max(float(valid.sum()), 1.0), spectra.size
    block = (seen - (seen.sum(axis=(1, 2)) / np.float32(cells))[:, None, None]) * valid
    product = spectrum(block, size)
    np.conjugate(product, out=product)
    product *= spectra.values[0]
    mask = spectrum(valid, size).conj()
    products = surface(product.sum(axis=0), size, shape)
    energy, met = surface(spectra.energy[0] * mask, size, shape), surface(spectra.valid[0] * mask, size, shape)
    scale = np.sqrt(np.maximum(energy, 0) * np.einsum("cij,cij->", block, block))
    known = np.asarray((met >= LEAST_COVER * cells) & (scale > LEAST_SCALE))
    scores = np.divide(products, scale, out=np.zeros_like(products), where=known)
    return scores, known, np.sqrt(np.clip(met / np.float32(cells), 0, 1))


def _standard(scores: Float32, known: Mask, certainty: Float32, broad: float) -> Float32:
    """Scores without waves broader than `broad` cells, in standard deviations of the background."""
    share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), broad)
    waves = cv2.GaussianBlur(scores, (0, 0), broad) / np.maximum(share, np.float32(1e-3))
    sharp = (scores - waves) * certainty
    background = sharp[known]
    mean, deviation = 0.0, 0.0
    for _ in range(BACKGROUND_ROUNDS):
        if background.size:
            mean, deviation = float(background.mean()), float(background.std())
            background = background[np.abs(background - mean) <= OUTLYING * deviation]
    return np.where(known, (sharp - np.float32(mean)) / np.float32(max(deviation, LEAST_SCALE)), np.float32(0))
