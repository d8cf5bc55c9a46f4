"""The flight as GeoJSON (RFC 7946): tracks, frames and the ground that they show, in WGS84."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.geometry import Pose
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.outputs.markers import seen_ground
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.results.row import row_of
from promptmid_core.replay.run import Flight, ReplayedFrame

TOLD = ("frame", "stamp_ns", "verdict", "reason", "sentence", "state", "ground_error_px", "ground_error_m", "error_px", "error_m",
        "sigma_m", "protection_m", "probability")


def write_globe(folder: Path, flight: Flight, reference: ReferenceMap) -> None:
    """Write `track.geojson`: lines of truth, prior and fix, a point a frame, and of each fix its footprint on the ground.

    What a feature is stands in its property `kind`: `track`, `frame` or `footprint`. A frame without a fix lies at its prior, or
    where it has none at its truth. Raises OSError where it cannot be written.
    """
    geodetic, terrain = Geodetic(reference.frame, reference.vertical_datum), reference.terrain()
    frames = flight.frames
    priors = [frame.fix.candidate.prior for frame in frames]
    features = [feature for name, poses in (
        ("truth", [frame.truth for frame in frames]), ("prior", [prior.pose if prior else None for prior in priors]),
        ("fix", [frame.fix.pose for frame in frames])) for feature in _track(name, poses, geodetic)]
    for frame, prior in zip(frames, priors, strict=True):
        pose = frame.fix.pose or (prior.pose if prior else frame.truth)
        if pose is None:
            continue
        row = row_of(frame, flight.gsd_m)
        told = {name: row[name] for name in TOLD}
        features += _feature("Point", _place(geodetic, pose.position), {"kind": "frame", **told})
        features += _footprint(frame, geodetic, terrain, {"kind": "footprint", **told})
    (folder / "track.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}, allow_nan=False) + "\n",
                                          encoding="utf-8")


def _footprint(frame: ReplayedFrame, geodetic: Geodetic, terrain: Terrain, told: dict[str, Any]) -> list[dict[str, Any]]:
    if frame.camera is None or frame.fix.pose is None:
        return []
    corners = seen_ground(frame.camera, frame.fix.pose, terrain)
    if corners is None:
        return []
    ring = np.array(corners)
    turned = np.roll(ring, -1, axis=0)
    if float((ring[:, 0] * turned[:, 1] - turned[:, 0] * ring[:, 1]).sum()) < 0:
        ring = ring[::-1]  # RFC 7946 has rings counter-clockwise
    places = [_place(geodetic, point)[:2] for point in ring]
    return _feature("Polygon", [[*places, places[0]]], told)


def _track(name: str, poses: Sequence[Pose | None], geodetic: Geodetic) -> list[dict[str, Any]]:
    places = [_place(geodetic, pose.position) for pose in poses if pose is not None]
    return _feature("LineString", places, {"kind": "track", "of": name}) if len(places) > 1 else []


def _place(geodetic: Geodetic, position: Iterable[float]) -> list[float]:
    """Longitude, latitude, and the height above the ellipsoid where the map's datum tells it."""
    latitude, longitude, altitude = geodetic.place(*(float(value) for value in position))
    return [round(longitude, 9), round(latitude, 9), *([round(altitude, 3)] if isfinite(altitude) else [])]


def _feature(kind: str, coordinates: Any, properties: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties}]
