"""A flight planned over a map: heights, what they come to, and where along it frames will match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.geometry import Camera
from promptmid_core.localization.attitude import metres_per_tenth
from promptmid_core.localization.options import Options, SearchOptions
from promptmid_core.plan.heights import Band, band_of
from promptmid_core.plan.route import read_route
from promptmid_core.plan.survey import Piece, Survey, Surveyor
from promptmid_core.plan.way import Way, way_over
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.age import Age, aged

GOOD, FAIR = 0.8, 0.5  # probabilities from which on a piece counts as good, or as fair
STEPS_A_PIECE = 8
NEAR = 0.15  # share of a height within which another is not told of


@dataclass(frozen=True)
class MissionPlan:
    """`height`: metres above ground that is planned with, the median where there is a `way`; `trouble`: why nothing can be
    matched from it; `altitudes`: least and greatest metres above the vertical datum at which the whole ground that is flown
    over lies within the `band`, None where no level flight does; `age`: that of the map on the day `flown`, None where it is
    unknown, and `cautions` for what it costs."""

    reference: ReferenceMap
    camera: Camera
    search: SearchOptions
    band: Band
    height: float
    trouble: str
    altitudes: tuple[float, float] | None
    survey: Survey
    flown: date
    age: Age | None
    cautions: Sequence[str]
    way: Way | None = None
    pieces: Sequence[Piece] = ()

    @property
    def good_share(self) -> float:
        """Of the way, or without one of the ground with data, what counts as good."""
        if self.way is None:
            known = self.survey.probability[np.isfinite(self.survey.probability)]
            return float((known >= GOOD).mean()) if known.size else 0.0
        return sum(piece.to_m - piece.from_m for piece in self.pieces if piece.probability >= GOOD) / self.way.length

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values; heights are above ground."""
        band = self.band
        ends = {"at_min": band.least, "at_max": band.most}
        values: dict[str, Any] = {
            "map": str(self.reference.path), "height_m": {"min": band.least, "max": band.most},
            "resolution_m": {name: height * band.footprint.resolution for name, height in ends.items()},
            "error_m_per_0_1deg": {name: metres_per_tenth(height) for name, height in ends.items()},
            "best_height_m": band.usual, "ceiling": band.ceiling,
            "altitude_m": None if self.altitudes is None else dict(zip(("min", "max"), self.altitudes, strict=True)),
            "planned": band.at(self.height, self.search) | {"trouble": self.trouble},
            "heights": [band.at(height, self.search) for height in self.heights],
            "good_share": self.good_share, "date": str(self.flown), "age": None if self.age is None else self.age.to_dict(),
            "cautions": list(self.cautions),
            "route": [{"from_m": piece.from_m, "to_m": piece.to_m, "probability": piece.probability,
                       "height_m": piece.height_m, "trouble": piece.trouble} for piece in self.pieces],
        }
        return values

    @property
    def heights(self) -> list[float]:
        """Heights of the band that are told of, evenly by their ratio, with the one that is planned with in place of the nearest
        where that is near."""
        told = [round(float(height), 1) for height in np.geomspace(self.band.least, self.band.most, 5)]
        inner = [height for height in told[1:-1] if abs(height / self.height - 1) > NEAR]
        return sorted({told[0], *inner, told[-1], round(self.height, 1)})


def make_plan(reference: ReferenceMap, camera: Camera, options: Options, flown: date, route: Path | None = None,
              height: float | None = None) -> MissionPlan:
    """Return the plan of a flight on a day, at a `height` above ground, along a route, or anywhere over the map.

    Raises InputError where the camera fits the map from no height, or the route cannot be read or leaves the map.
    """
    search = options.search
    band = band_of(reference, camera, search)
    age, cautions = aged(reference, flown, options.errors.registration_sigma_px)
    way = None
    if route is not None:
        piece = band.usual * band.footprint.shorter
        way = way_over(reference, read_route(route), piece / STEPS_A_PIECE, height, band.usual, route)
    planned = float(np.median(way.height)) if way else band.usual if height is None else height
    surveyor = Surveyor(reference, search.patch_px)
    within = float(np.clip(planned, band.least, band.most))
    survey = surveyor.survey(band.footprint_px(within), min(band.level(within), reference.levels - 1))
    return MissionPlan(
        reference, camera, search, band, planned, band.trouble(planned), _altitudes(reference, band, way), survey, flown, age,
        cautions, way, surveyor.pieces(way, band) if way else ())


def _altitudes(reference: ReferenceMap, band: Band, way: Way | None) -> tuple[float, float] | None:
    low, high = reference.header.dem_range if reference.has_dem else (0.0, 0.0)
    if way is not None:
        low, high = float(way.ground.min()), float(way.ground.max())
    ends = high + band.least, low + band.most
    return ends if ends[0] <= ends[1] else None
