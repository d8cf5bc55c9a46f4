"""A map held against flights and rasters: its offset by place, how much of each one's errors the others foretell, the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.audit.covariance import Covariance, fitted
from promptmid_core.audit.field import Field, field_of, foretold, grid_over
from promptmid_core.audit.look import look
from promptmid_core.audit.places import Places, Sightings, places_of
from promptmid_core.audit.seam import Seam, seam_of
from promptmid_core.audit.sought import RasterPiece, RasterSearch
from promptmid_core.audit.verdict import MapVerdict, not_found, verdict
from promptmid_core.bags.bag import Topics, open_bag
from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import InputError
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import Options
from promptmid_core.localization.rig import Rig
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.format.offset import MOST_NODES

Progress = Callable[[int, int], None]
CELL_PX = 32  # between nodes, as between tie points
WIDER, MOST_PX = 2, 1024  # so much wider than a fix's patch is the ground that is looked at, as far as a patch can be
MARGIN = 3.0  # ranges around what was seen, where next to nothing is left of an offset
LEAST_PLACES = 8
KNOWN = 0.5  # share of a frame's tie points whose cells others have seen, from which on it can be told what they foretell


@dataclass(frozen=True)
class HeldOut:
    """What all other flights foretell of one: the share `covered` of its frames, and of those the lengths (n,) in metres of the
    errors of its ground, `before` and `after` the offset is taken off."""

    covered: float
    before: Float64
    after: Float64

    @property
    def explained(self) -> float | None:
        """The share of the squared errors that the offset takes off; None where no frame is covered."""
        whole = float((self.before ** 2).sum())
        return 1 - float((self.after ** 2).sum()) / whole if whole > 0 else None


@dataclass(frozen=True)
class Audit:
    """What `flights` say of a map, recorded ones and rasters: the `places` that they saw, how alike their errors are, the offset,
    and of each flight what the others foretell, None where there is one flight only."""

    flights: tuple[Sightings, ...]
    places: Places
    covariance: Covariance
    field: Field
    held_out: tuple[HeldOut | None, ...]


@dataclass(frozen=True)
class Held:
    """A map held against all that there is: `sought` are the rasters, `pieces` the places that were found, `audit` the offset
    that they come to, None where nothing was found or only the map's own scenes were compared."""

    sought: tuple[RasterSearch, ...]
    pieces: tuple[RasterPiece, ...]
    audit: Audit | None
    seam: Seam | None
    verdict: MapVerdict


def held(reference: ReferenceMap, flights: Sequence[Sightings], rasters: Sequence[RasterSearch], options: Options,
         limit_px: float) -> Held:
    """Return what `flights` and rasters say of a map, and whether it lies within `limit_px` of them. Raises InputError as
    `concluded` does."""
    elsewhere = not_found(rasters)
    if elsewhere is not None:
        return Held(tuple(rasters), tuple(piece for each in rasters for piece in each.found), None, None, elsewhere)
    overlaps = reference.header.overlaps
    if not flights and not rasters:
        return Held((), (), None, None, verdict((), None, overlaps, limit_px, reference.gsd))
    found = concluded([*flights, *(each.sightings for each in rasters)], reference, registration_m(reference, options))
    # the places of flights stand beside the pieces of rasters
    flown = [] if not flights else _places(places_of(flights, CELL_PX * reference.gsd), found.covariance)
    pieces = [*(piece for each in rasters for piece in each.found), *flown]
    seam = seam_of(pieces, reference.gsd)
    return Held(tuple(rasters), tuple(pieces), found, seam, verdict(pieces, seam, overlaps, limit_px, reference.gsd))


def registration_m(reference: ReferenceMap, options: Options) -> float:
    """Return how well a map's place is known where nothing was seen, in metres."""
    return max(options.errors.registration_sigma_px * reference.gsd, reference.registration_sigma_m)


def _places(places: Places, covariance: Covariance) -> list[RasterPiece]:
    sigmas = np.sqrt(covariance.noise / places.looks)
    return [RasterPiece(at, error, float(sigma)) for at, error, sigma in zip(places.at, places.error, sigmas, strict=True)]


def flown(bags: Sequence[Path], reference: ReferenceMap, descriptor: Descriptor, options: Options, rig: Rig, *,
          topics: Topics | None = None, progress: Progress | None = None) -> list[Sightings]:
    """Return what recorded flights, whose truth is trusted, see on a map that is opened as it was built.

    `progress` is told (images done, images of all bags). Raises InputError as `look` does.
    """
    search = options.search
    wide = replace(options, search=replace(search, patch_px=min(WIDER * search.patch_px, MOST_PX)))
    localizer = Localizer(reference, descriptor, wide)
    opened = [open_bag(bag, topics) for bag in bags]
    counts = [bag.count(bag.image_topic) for bag in opened]
    flights = []
    for number, bag in enumerate(bags):
        told = _after(progress, sum(counts[:number]), sum(counts))
        flights.append(look(bag, localizer, rig, span_m=search.patch_px * reference.gsd, topics=topics, progress=told))
    return flights


def concluded(flights: Sequence[Sightings], reference: ReferenceMap, known_m: float) -> Audit:
    """Return what sightings of flights say of a map whose place is known to `known_m` where nothing was seen. Raises InputError
    where too little ground was seen, and where the flights lie too far apart for one grid."""
    cell_m = CELL_PX * reference.gsd
    for one, other in combinations(flights, 2):
        if np.array_equal(one.times, other.times) and np.array_equal(one.places, other.places):
            raise InputError(f"{one.bag} and {other.bag} are the same flight, which would count as two; name it once")
    places = places_of(flights, cell_m)
    if len(places) < LEAST_PLACES:
        raise InputError(f"the flights show {len(places)} places of {reference.path}, of which nothing can be fitted; audit with "
                         "flights that have more fixes on it")
    covariance = fitted(places, cell_m)
    grid = grid_over(places, cell_m, MARGIN * covariance.range_m, reference.grid.bounds)
    if grid.width * grid.height > MOST_NODES:
        raise InputError(f"the flights lie so far apart on {reference.path} that {grid.width} x {grid.height} nodes would lie "
                         f"between, more than {MOST_NODES}; audit with those of one part of it")
    held_out = [_held_out(flight, [other for other in flights if other is not flight], cell_m) for flight in flights]
    return Audit(tuple(flights), places, covariance, field_of(places, covariance, grid, known_m), tuple(held_out))


def _held_out(flight: Sightings, others: Sequence[Sightings], cell_m: float) -> HeldOut | None:
    """What other flights foretell of one, None where there are none."""
    if not others:
        return None
    places = places_of(others, cell_m)
    covariance = fitted(places, cell_m) if len(places) else Covariance(1.0, cell_m, 1.0)
    known = set(map(tuple, places.cells.tolist()))
    cells = map(tuple, np.floor(flight.places / cell_m).astype(int).tolist())
    covered = np.fromiter((cell in known for cell in cells), bool, len(flight.places))
    before, after, count = [], [], 0
    for number in range(flight.frames):
        ours = flight.middle & (flight.frame == number)
        if not ours.any():
            continue
        count += 1
        if covered[ours].mean() < KNOWN:
            continue
        errors = flight.errors[ours]
        before.append(np.hypot(*errors.mean(axis=0)))
        after.append(np.hypot(*(errors - foretold(places, covariance, flight.places[ours])).mean(axis=0)))
    return HeldOut(len(before) / max(count, 1), np.array(before), np.array(after))


def _after(progress: Progress | None, before: int, total: int) -> Progress | None:
    return None if progress is None else lambda done, _: progress(before + done, total)
