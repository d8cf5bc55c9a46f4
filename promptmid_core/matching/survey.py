"""Where on a whole map a frame may be, at any heading: a score for each place, and its peaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Float64, Mask
from promptmid_core.geometry import DescriptorMap, Grid
from promptmid_core.matching.correlation import LEAST_SCALE, Spectra, spectrum, surface
from promptmid_core.matching.overview import Overview
from promptmid_core.matching.parallel import together
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.turn import Turnable

SWING = 1.0  # cells that half a step between headings moves a patch's rim; twice as many cost a fourth of a true place's z
MOST_STEP = np.deg2rad(6.0)  # between two headings
BROAD_PX = 24  # pixels of the level: a true place is a sharp peak; broader waves come from the brightness of whole districts
LEAST_ZOOM, MOST_ZOOM = 0.25, 4.0  # scales of a patch
LEAST_COVER = 0.5  # of the patch's cells that the map must know for a place to have a score
BACKGROUND_ROUNDS = 2  # of leaving out what is none
OUTLYING = 4.0  # standard deviations from which on a score is no background
APART = 4.0  # cells between two peaks


@dataclass(frozen=True)
class Layer:
    """What one heading says of all places.

    `heading`: by how much the patch was turned, in radians counter-clockwise; `z` (rows, cols): the score of each cell of the
    overview, in standard deviations of the scores of this heading's other places, whose mean is 0; `known` (rows, cols): where
    there is a score. It is 0 elsewhere, which says nothing.
    """

    heading: float
    z: Float32
    known: Mask


@dataclass(frozen=True)
class SurveyPeak:
    """A maximum over places and headings: what moves the patch's ground there, about the place that was sought, and its z."""

    similarity: Similarity
    z: float


@dataclass(frozen=True)
class SurveySurface:
    """All layers of a patch: `headings` (K,), `z` (K, rows, cols) float16 and `known` as in Layer, `grid` of the cells; `place`
    and `scale` as they were given."""

    headings: Float64
    z: NDArray[np.float16]
    known: Mask
    grid: Grid
    place: tuple[float, float]
    scale: float

    def peaks(self, count: int = 10, apart: float = APART) -> list[SurveyPeak]:
        """Return the highest maxima, highest first, at least `apart` cells from each other, whatever their headings."""
        left = np.where(self.known, self.z, np.float16(-np.inf)).max(axis=0)
        rows, cols = np.mgrid[:left.shape[0], :left.shape[1]]
        found: list[SurveyPeak] = []
        while len(found) < count:
            row, col = (int(i) for i in np.unravel_index(int(np.argmax(left)), left.shape))
            if not np.isfinite(left[row, col]):
                break
            x, y = self.grid.to_map(col, row)
            heading = int(np.argmax(np.where(self.known[:, row, col], self.z[:, row, col], -np.inf)))
            moved = Similarity(self.place, float(x) - self.place[0], float(y) - self.place[1], float(self.headings[heading]),
                               self.scale)
            found.append(SurveyPeak(moved, float(left[row, col])))
            left[np.hypot(rows - row, cols - col) < apart] = -np.inf
        return found


def headings_for(patch: DescriptorMap, overview: Overview, reach: float, *, swing: float = SWING) -> Float64:
    """Return headings (K,) symmetric about 0, in radians, such that a patch turned by anything within `reach` is near one of
    them: its rim at most about `swing` cells off. For a reach of pi or more the whole circle, once."""
    return headings_within(reach, step_for(patch, overview.grid.gsd, swing))


def step_for(patch: DescriptorMap, cell: float, swing: float = SWING) -> float:
    """Return the radians between two headings of a patch of which half moves its rim by about `swing` cells of `cell` metres."""
    # from the middle of a square of the same area to its corner
    rim = max(float(np.sqrt(patch.valid.sum() / 2)), 1.0) * patch.grid.gsd
    return float(min(2 * swing * cell / rim, MOST_STEP))


def headings_within(reach: float, step: float) -> Float64:
    """Return headings (K,) at most `step` apart, symmetric about 0, in radians: none within `reach` is farther than half a step
    from one. For a reach of pi or more the whole circle, once."""
    reach = min(reach, np.pi)
    # a hair more than a whole number of steps is that number
    count = max(int(np.ceil(2 * reach / step - 1e-9)), 1)
    headings: Float64 = np.arange(count, dtype=np.float64) - (count - 1) / 2
    headings *= 2 * reach / count
    return headings


def survey(patch: DescriptorMap, overview: Overview, headings: Sequence[float] | Float64, *, place: tuple[float, float],
           scale: float = 1.0) -> SurveySurface:
    """Return what all headings say of a patch: what `layers` yields, together."""
    found = list(layers(patch, overview, headings, place=place, scale=scale))
    return SurveySurface(np.array([layer.heading for layer in found]), np.stack([layer.z.astype(np.float16) for layer in found]),
                         np.stack([layer.known for layer in found]), overview.grid, place, scale)


def layers(patch: DescriptorMap, overview: Overview, headings: Sequence[float] | Float64, *, place: tuple[float, float],
           scale: float = 1.0, rests: Float64 | None = None) -> Iterator[Layer]:
    """Look for a patch everywhere, turned by one of `headings` after the other, two at a time; none is worked on before it is
    asked for.

    `place`: metres in `map` of the point of the patch whose place is sought, as the boresight's, about which it is turned;
    `scale`: how many times larger the ground is than the patch shows it; `rests` (K, 2): metres east and north from the middle of
    each cell to where the place is sought in it, by heading. The patch is described once: what it says is turned with it. Raises
    InputError where its descriptors have no channels that can be turned, ValueError where its cells do not make up those of the
    overview, the place is not on it, or the scale is none.
    """
    if not LEAST_ZOOM <= scale <= MOST_ZOOM:
        raise ValueError(f"a patch is not searched {scale:g} times as large, but {LEAST_ZOOM:g} to {MOST_ZOOM:g} times")
    factor = overview.cell_px // patch.stride
    if not np.isclose(patch.grid.gsd * factor, overview.grid.gsd, rtol=1e-6, atol=0):
        raise ValueError(f"a patch with cells of {patch.grid.gsd:g} m is not of the level that was surveyed, "
                         f"in cells of {overview.grid.gsd:g} m")
    turnable = Turnable.of(patch, factor, place)
    spectra = overview.spectra(turnable.margin(scale))

    def layer(at: tuple[float, tuple[float, float]]) -> Layer:
        heading, rest = at
        seen, valid = turnable.at(heading, scale, rest)
        scores, known, certainty = _scores(seen, valid, spectra, overview.grid.shape)
        return Layer(heading, _standard(scores, known, certainty, BROAD_PX / overview.cell_px), known)

    within = np.zeros((len(headings), 2)) if rests is None else rests / overview.grid.gsd
    asked = [(float(heading), (float(east), float(north))) for heading, (east, north) in zip(headings, within, strict=True)]
    for one, other in zip(asked[::2], asked[1::2], strict=False):
        yield from together(partial(layer, one), partial(layer, other))
    if len(asked) % 2:
        yield layer(asked[-1])


def _scores(seen: Float32, valid: Mask, spectra: Spectra, shape: tuple[int, int]) -> tuple[Float32, Mask, Float32]:
    """The correlation (rows, cols) of a patch whose middle lies in each cell, where it is known, and how little chance makes of
    it there, beside places where all of the patch meets the map."""
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
