"""The flight over the SAR map as a picture that can be moved: paths in the units of its backdrop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.plots import uri
from promptmid_core.preview.overview import overview
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.run import Flight, ReplayedFrame

MARGIN, WIDE = 0.08, 1000.0
LEAST_ASPECT, MOST_ASPECT = 0.45, 0.75
PALE, CONTRAST = 120, 0.53  # a backdrop that tracks can be read on
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 72]
# fixes by their error up to so many px: a colour and a width, so that grey paper tells them apart too
STEPS = ((0.5, "#1d5fd1", 6.0), (1.0, "#0f8b8d", 6.5), (2.0, "#3f9142", 7.0), (5.0, "#d9a406", 8.5), (10.0, "#e0621b", 10.5),
         (np.inf, "#c62524", 13.0))


@dataclass(frozen=True)
class Dots:
    """Fixes of like error: `path` has a point of no length for each, `label` says which they are."""

    path: str
    colour: str
    wide: float
    label: str
    count: int


@dataclass(frozen=True)
class MapView:
    """`width` and `height` of the picture in its units, each of `metres`; paths as SVG has them. `places` (N, 2): of each frame,
    NaN where it has none; `by`: what the fixes are coloured by."""

    width: float
    height: float
    metres: float
    backdrop: str
    truth: str
    prior: str
    dots: tuple[Dots, ...]
    refused: str
    refused_count: int
    places: Float64
    by: str


def mapview(flight: Flight, reference: ReferenceMap, frames: Sequence[ReplayedFrame]) -> MapView | None:
    """Draw `frames` of a flight over the SAR map; None where none of them has a position."""
    truth = _positions(frame.truth.position if frame.truth else None for frame in frames)
    prior = _positions(frame.fix.candidate.prior.pose.position if frame.fix.candidate.prior else None for frame in frames)
    fixes = _positions(frame.fix.pose.position if frame.fix.pose else None for frame in frames)
    tracks = np.vstack([truth, prior, fixes])
    tracks = tracks[np.isfinite(tracks).all(axis=1)]
    if not len(tracks):
        return None
    west, south, east, north = _window(flight, reference, tracks)
    col, row = reference.grid.to_pixel(np.array([west, east]), np.array([north, south]))
    image, bounds = overview(reference, (float(col[0]), float(row[0]), float(col[1]), float(row[1])))
    metres = (bounds[2] - bounds[0]) / WIDE
    height = (bounds[3] - bounds[1]) / metres

    def placed(positions: Float64) -> Float64:
        return np.column_stack([positions[:, 0] - bounds[0], bounds[3] - positions[:, 1]]) / metres

    pale = np.asarray(PALE + image * CONTRAST, np.uint8)
    refused = np.where(np.isfinite(truth), truth, prior)
    no_fix = np.array([not frame.fix.accepted for frame in frames], bool)
    known = any(frame.ground_error_px is not None for frame in frames)
    errors = np.array([np.nan if value is None else value for value in (
        frame.ground_error_px if known else frame.sigma_px for frame in frames)], np.float64)
    return MapView(WIDE, height, metres, uri(cv2.imencode(".jpg", pale, QUALITY)[1].tobytes(), "jpeg"), _line(placed(truth)),
                   _line(placed(prior)), _dots(placed(fixes), errors), _crosses(placed(refused[no_fix])), int(no_fix.sum()),
                   placed(np.where(no_fix[:, None], refused, fixes)), "ground error" if known else "sigma")


def _window(flight: Flight, reference: ReferenceMap, tracks: Float64) -> tuple[float, float, float, float]:
    """West, south, east, north in metres: the tracks with a margin, neither very wide nor very high, as far as the map goes."""
    (west, south), (east, north) = tracks.min(axis=0)[:2], tracks.max(axis=0)[:2]
    pad = max(MARGIN * max(east - west, north - south), flight.patch_px * flight.gsd_m / 2)
    west, south, east, north = west - pad, south - pad, east + pad, north + pad
    more = max(LEAST_ASPECT * (east - west) - (north - south), 0.0) / 2
    wider = max((north - south) / MOST_ASPECT - (east - west), 0.0) / 2
    x_min, y_min, x_max, y_max = reference.grid.bounds
    west, east, south, north = west - wider, east + wider, south - more, north + more
    if west < x_max and east > x_min:
        west, east = max(west, x_min), min(east, x_max)
    if south < y_max and north > y_min:
        south, north = max(south, y_min), min(north, y_max)
    return float(west), float(south), float(east), float(north)


def _positions(positions: Iterable[Float64 | None]) -> Float64:
    rows = [np.full(2, np.nan) if position is None else position[:2] for position in positions]
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def _dots(places: Float64, errors: Float64) -> tuple[Dots, ...]:
    told, low = [], -np.inf
    seen = np.isfinite(places).all(axis=1)
    for high, colour, wide in STEPS:
        those = places[seen & (errors > low) & (errors <= high)]
        label = f"to {high:g} px" if np.isfinite(high) else f"above {low:g} px"
        told.append(Dots(_marks(those), colour, wide, label, len(those)))
        low = high
    unknown = places[seen & np.isnan(errors)]
    if len(unknown):
        told.append(Dots(_marks(unknown), "#5b6675", 6.0, "not known", len(unknown)))
    return tuple(each for each in told if each.count)


def _marks(places: Float64) -> str:
    return "".join(f"M{x:.2f} {y:.2f}h0" for x, y in places)


def _crosses(places: Float64) -> str:
    # as marks, drawn as crosses by the page: a cross of its own size at any zoom has to be no path
    return _marks(places[np.isfinite(places).all(axis=1)])


def _line(places: Float64) -> str:
    """A line that is broken where a frame has no place."""
    told, pen = [], "M"
    for x, y in places:
        if not (np.isfinite(x) and np.isfinite(y)):
            pen = "M"
            continue
        told.append(f"{pen}{x:.2f} {y:.2f}")
        pen = "L"
    return "".join(told)
