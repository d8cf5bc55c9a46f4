"""Faults of camera_info: two cameras in turn, the wrong one, none, one that describes no camera."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from benchmarks.faults.aircraft import Aircraft
from benchmarks.faults.fault import Fault, require
from benchmarks.faults.images import SOME, redrawn
from benchmarks.faults.roundtrip import Shot


def described(info: Any, scale: float, focal: float) -> Any:
    """Return a copy of a CameraInfo for images of another size, or of a lens of another focal length."""
    changed = copy(info)
    changed.width, changed.height = int(info.width * scale), int(info.height * scale)
    k = np.array(info.k, np.float64).reshape(3, 3)
    k[:2, 2] = (k[:2, 2] + 0.5) * scale - 0.5
    k[0, 0], k[1, 1] = k[0, 0] * scale * focal, k[1, 1] * scale * focal
    changed.k = k.ravel()
    return changed


def of_two(shot: Shot, number: int) -> Shot:
    """Return each second shot as one of a camera of half the size, image and camera_info."""
    if number % 2:
        return shot
    small = redrawn(shot, lambda pixels: cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return replace(small, infos=tuple(described(info, 0.5, 1.0) for info in shot.infos))


def two_cameras(aircraft: Aircraft) -> None:
    reasons = aircraft.fly(of_two(shot, number) for number, shot in enumerate(aircraft.trip.shots(2 * SOME)))
    require(set(reasons) == {"fix"}, f"two cameras in turn, each with its own camera_info, gave {reasons}")


def two_infos(aircraft: Aircraft) -> None:
    """One camera, while the camera_info of another comes on the same topic."""
    for number, shot in enumerate(aircraft.trip.shots(2 * SOME)):
        other = tuple(described(info, 0.5, 1.0) for info in shot.infos)
        aircraft.fly([replace(shot, infos=shot.infos + other if number % 2 else other + shot.infos)])


def two_lenses(aircraft: Aircraft) -> None:
    for number, shot in enumerate(aircraft.trip.shots(2 * SOME)):
        aircraft.fly([replace(shot, infos=tuple(described(info, 1.0, 1.0 if number % 2 else 1.4) for info in shot.infos))])


def no_info(aircraft: Aircraft) -> None:
    reasons = aircraft.fly(replace(shot, infos=()) for shot in aircraft.trip.shots(SOME))
    require(set(reasons) == {"fix"}, f"without a new camera_info the last one holds, but there were {reasons}")


def info_missing(aircraft: Aircraft) -> None:
    aircraft.fly(replace(shot, infos=()) for shot in aircraft.trip.shots(SOME))


def zero_k(aircraft: Aircraft) -> None:
    for shot in aircraft.trip.shots(SOME):
        aircraft.fly([replace(shot, infos=tuple(described(info, 1.0, 0.0) for info in shot.infos))])


CAMERAS = (
    Fault("two_cameras", "images of two sizes in turn, each with its camera_info", two_cameras),
    Fault("two_infos", "the camera_info of another camera comes under the same stamps", two_infos, frozenset({"image_size"})),
    Fault("two_lenses", "each second camera_info has another focal length", two_lenses),
    Fault("no_info", "camera_info comes no more", no_info),
    Fault("info_missing", "no camera_info has come yet", info_missing, frozenset({"camera_info_missing"}), own=True, cold=True),
    Fault("zero_k", "camera_info with a zero K", zero_k, frozenset({"camera_info_invalid"})),
)
