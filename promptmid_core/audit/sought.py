"""Pieces of a raster sought on the map: how far from the raster's place the map has the same ground."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.audit.places import Sightings
from promptmid_core.audit.source import Source
from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import InputError
from promptmid_core.geometry import Measure
from promptmid_core.localization.integrity import SHARED_GROUND, evidence
from promptmid_core.matching.blocks import RADIUS, block_surfaces
from promptmid_core.matching.search import Extent, search
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.sought import COARSE_FACTOR
from promptmid_core.matching.ties import tie_points
from promptmid_core.matching.verification import verify
from promptmid_core.matching.window import SearchWindow
from promptmid_core.prompts.prompt import Modality
from promptmid_core.refmap import ReferenceMap

SIDES_PX = 192, 128, 96  # of a piece: the largest of which the common ground has some
OVERLAP = 2  # pieces overlap by half
MOST_PIECES = 400
LEAST_VALID = 0.6
AGREE_PX = 2.0  # tie points so near their median belong to it
LEAST_TIES = 6


@dataclass(frozen=True)
class RasterPiece:
    """A piece of a raster: its `middle` (2,) in `map`, and how far beside it the map has the same ground: `shift` (2,) east and
    north with the standard deviation `sigma` an axis, all in metres; None where it was not found on the map."""

    middle: Float64
    shift: Float64 | None = None
    sigma: float = 0.0


@dataclass(frozen=True)
class RasterSearch:
    """The `pieces` of a raster, by `name`, and the `sightings` of those that were found."""

    name: str
    pieces: tuple[RasterPiece, ...]
    sightings: Sightings

    @property
    def found(self) -> list[RasterPiece]:
        return [piece for piece in self.pieces if piece.shift is not None]


def sought(raster: Source, reference: ReferenceMap, descriptor: Descriptor, radius_px: float,
           progress: Callable[[int, int], None] | None = None) -> RasterSearch:
    """Look for the pieces of a raster on the map, up to `radius_px` from where it has them.

    A piece counts as found as a frame's match does: by the odds of its score and of the tie points that agree. Raises InputError
    where the raster and the map have too little ground in common for a piece.
    """
    corners = list(_corners(raster, reference))
    if not corners:
        raise InputError(f"{raster.name} and {reference.path} have less than {SIDES_PX[-1]} px of ground in common; hold the map "
                         "against a raster that covers more of it")
    pieces, places, errors, numbers = [], [], [], []
    for number, (col, row, side) in enumerate(corners):
        piece, seen, error = _looked_for(raster, reference, descriptor, (col, row, side), radius_px)
        pieces.append(piece)
        places.append(seen)
        errors.append(error)
        numbers.append(np.full(len(seen), number))
        if progress is not None:
            progress(number + 1, len(corners))
    at, frame = np.concatenate(places), np.concatenate(numbers)
    all_of_it = np.ones(len(at), bool)
    sightings = Sightings(raster.name, at, np.concatenate(errors), np.zeros(len(at)), frame, all_of_it, len(corners))
    return RasterSearch(raster.name, tuple(pieces), sightings)


def _corners(raster: Source, reference: ReferenceMap) -> Iterator[tuple[int, int, int]]:
    """The first column and row, and the side, of pieces spread evenly over the ground that the raster and the map have."""
    left, top, width, height = raster.part
    unit = reference.stride * COARSE_FACTOR * 2
    fitting = [side for side in SIDES_PX if side <= min(width, height)]
    if not fitting:
        return
    side = fitting[0]
    cols, rows = ((start + np.arange(0, length - side + 1, side // OVERLAP)) // unit * unit
                  for start, length in ((left, width), (top, height)))
    places = list(product(rows.tolist(), cols.tolist()))
    step = max(1, -(-len(places) // MOST_PIECES))
    for row, col in places[::step]:
        yield col, row, side


def _looked_for(raster: Source, reference: ReferenceMap, descriptor: Descriptor, place: tuple[int, int, int],
                radius_px: float) -> tuple[RasterPiece, Float64, Float64]:
    """A piece with what it came to, and its tie points: places (N, 2) by the raster, errors (N, 2) of the map."""
    col, row, side = place
    nothing = np.zeros((0, 2))
    patch = raster.read(col, row, side, side)
    missed = RasterPiece(np.array([float(at) for at in patch.grid.to_map((side - 1) / 2, (side - 1) / 2)])), nothing, nothing
    if patch.valid.mean() < LEAST_VALID:
        return missed
    stride = reference.stride
    # whole coarse cells, with what the blocks reach beyond
    margin = (int(np.ceil(radius_px / stride)) + 2 * RADIUS + 1) // COARSE_FACTOR * COARSE_FACTOR * stride
    window = reference.descriptors(col - margin, row - margin, side + 2 * margin, side + 2 * margin)
    inner = window.valid[margin // stride:-(margin // stride), margin // stride:-(margin // stride)]
    if inner.mean() < LEAST_VALID:
        return missed
    described = descriptor.describe(patch, reference.prompt(col, row, side, side, raster.modality))
    if raster.modality is Modality.SAR:
        # colours and brightness are compared across modalities alone
        described, window = described.only(Measure.CORRELATION), window.only(Measure.CORRELATION)
    peaks = search(described, SearchWindow(window), Extent(radius_px * reference.gsd, 0.0, 0.0))
    if not peaks or peaks[0].on_edge:
        return missed
    at = Similarity(peaks[0].similarity.centre, peaks[0].similarity.east, peaks[0].similarity.north)
    ties = tie_points(block_surfaces(described, window, at))
    if len(ties) < LEAST_TIES:
        return missed
    moves = ties.found - ties.seen
    middle = np.median(moves, axis=0)
    agree = np.hypot(*(moves - middle).T) <= AGREE_PX * reference.gsd
    if agree.sum() < LEAST_TIES:
        return missed
    shift = moves[agree].mean(axis=0)
    found = Similarity(at.centre, float(shift[0]), float(shift[1]))
    if evidence(verify(described, window, found), agree, descriptor.evidence) <= 0:
        return missed
    spread = float(moves[agree].var(axis=0).mean())
    sigma = float(np.sqrt(spread * SHARED_GROUND / agree.sum()))
    return RasterPiece(missed[0].middle, shift, sigma), ties.seen[agree], moves[agree]
