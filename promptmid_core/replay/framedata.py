"""What a page holds of each frame, so that one can be named and opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.replay.run import D2_95, Flight, ReplayedFrame
from promptmid_core.replay.shots import Shot

# a page of more frames is slow to show: of longer flights an even share is shown, and every false fix
MOST = 12_000


def shown(flight: Flight, false_px: float) -> list[ReplayedFrame]:
    """Return the frames that a page shows."""
    step = max(1, -(-len(flight.frames) // MOST))
    return [frame for number, frame in enumerate(flight.frames)
            if number % step == 0 or (frame.ground_error_px or 0.0) > false_px]


def framedata(flight: Flight, frames: Sequence[ReplayedFrame], places: Float64 | None,
              shots: Mapping[int, Shot]) -> dict[str, Any]:
    """Return the data of a page, ready for JSON: columns of one entry a frame, None where nothing is known, and the pictures.

    `t`: seconds since the first frame; `x`, `y`: in the units of the map's picture; `ground`, `error`, `radius`, `prior`: px;
    `why`: index into `reasons`; `said`: of a refused frame its sentence, index into `sentences`.
    """
    reasons: dict[str, int] = {}
    sentences: dict[str, int] = {}
    start = flight.frames[0].bag_ns if flight.frames else 0
    columns: dict[str, list[Any]] = {name: [] for name in (
        "frame", "t", "x", "y", "ground", "error", "radius", "prior", "level", "probability", "ms", "why", "said")}
    for number, frame in enumerate(frames):
        fix, told = frame.fix, frame.fix.protection
        place = (None, None) if places is None else tuple(_short(float(value), 2) for value in places[number])
        level = None if told is None or not isfinite(told.position) else told.position / flight.gsd_m
        values = {
            "frame": frame.index, "t": _short((frame.bag_ns - start) * 1e-9, 2), "x": place[0], "y": place[1],
            "ground": _short(frame.ground_error_px), "error": _short(frame.error_px),
            "radius": _short(_radius(frame, flight.gsd_m)),
            "prior": _short(frame.prior_error_px), "level": _short(level), "probability": _short(fix.probability, 4),
            "ms": _short(frame.latency_ms, 1), "why": reasons.setdefault(str(fix.reason), len(reasons)),
            "said": None if fix.accepted else sentences.setdefault(fix.sentence, len(sentences)),
        }
        for name, value in values.items():
            columns[name].append(value)
    return {"gsd": flight.gsd_m, "columns": columns, "reasons": list(reasons), "sentences": list(sentences),
            "shots": {str(index): asdict(shot) for index, shot in shots.items()}}


def _radius(frame: ReplayedFrame, gsd_m: float) -> float | None:
    """Half the long axis of the 95 % ellipse, px."""
    if frame.fix.covariance is None:
        return None
    return float(np.sqrt(D2_95 * np.linalg.eigvalsh(frame.fix.covariance[:2, :2])[-1])) / gsd_m


def _short(value: float | None, digits: int = 3) -> float | None:
    return None if value is None or not isfinite(value) else round(float(value), digits)
