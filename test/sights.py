"""Observations of a camera as its model has them: flights that excite what a calibration asks for, or not, with known noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptmid_core.calibration.camera.model import AFTER_S, BEFORE_S, STEP_S, Observations
from promptmid_core.geometry import Camera
from promptmid_core.geometry.pose import rotation_rpy, rotation_vector
from promptmid_core.localization.camera_calibration import CameraCalibration

Array = NDArray[np.float64]
CAMERA = Camera(480, 360, np.array([[434.0, 0, 242.7], [0, 434.0, 177.4], [0, 0, 1]]))
OFFSETS = np.arange(-round(BEFORE_S / STEP_S), round(AFTER_S / STEP_S) + 1) * STEP_S


@dataclass(frozen=True)
class Sky:
    """A flight over level ground: `turn_deg_s`, most rate of its turns; `sway_deg` of roll and pitch, one standard deviation; the
    noise: place metres per root of a metre, attitude and heading in degrees, height in percent, fixes in metres."""

    height: float = 5000.0
    speed: float = 100.0
    turn_deg_s: float = 15.0
    sway_deg: float = 1.5
    drift: float = 0.5
    attitude_deg: float = 0.05
    heading_deg: float = 0.5
    height_percent: float = 0.5
    fix_m: float = 4.0
    bias_deg: float = 0.05


def alike(rng: np.random.Generator, times: Array, seconds: float) -> Array:
    """An Ornstein-Uhlenbeck process of deviation 1 at even times."""
    share = np.exp(-(times[1] - times[0]) / seconds)
    signal = rng.standard_normal(len(times))
    for i in range(1, len(times)):
        signal[i] = share * signal[i - 1] + np.sqrt(1 - share ** 2) * signal[i]
    return signal


def smooth(rng: np.random.Generator, times: Array, seconds: float) -> Array:
    """A sum of waves with periods around some seconds, of deviation about 1."""
    periods, phases = seconds * rng.uniform(0.6, 2.5, 8), rng.uniform(0, 2 * np.pi, 8)
    waves: Array = np.sin(2 * np.pi * times[:, None] / periods + phases).sum(axis=1) / 2
    return waves


def observed(rng: np.random.Generator, truth: CameraCalibration, sky: Sky, frames: int) -> Observations:
    """What a camera of this truth shows from a flight, an image a second."""
    fine = np.arange(-2.0, frames + 2.0, STEP_S)
    yaw = np.cumsum(np.deg2rad(sky.turn_deg_s) * np.clip(smooth(rng, fine, 12.0), -1, 1)) * STEP_S
    tilt = np.deg2rad(sky.sway_deg) * np.column_stack([smooth(rng, fine, 4.0), smooth(rng, fine, 4.0)])
    way = np.cumsum(sky.speed * STEP_S * np.column_stack([np.cos(yaw), np.sin(yaw)]), axis=0)
    place = np.column_stack([way, sky.height * (1 + 0.01 * smooth(rng, fine, 15.0))])
    turned = np.array([rotation_rpy(*each) for each in np.column_stack([tilt, yaw])])
    wrong = np.column_stack([
        np.cumsum(sky.drift * np.sqrt(sky.speed * STEP_S) * rng.standard_normal((len(fine), 2)), axis=0),
        sky.height * sky.height_percent / 100 * alike(rng, fine, 20.0)])
    tilts = np.deg2rad(sky.attitude_deg) * np.column_stack([alike(rng, fine, 5.0), alike(rng, fine, 5.0)])
    bias = np.deg2rad(sky.bias_deg) * rng.choice([-1.0, 1.0], 2)
    errors = np.column_stack([tilts + bias, np.deg2rad(sky.heading_deg) * alike(rng, fine, 20.0)])
    told = np.array([rotation @ rotation_vector(error) for rotation, error in zip(turned, errors, strict=True)])
    camera = truth.camera(CAMERA)
    ground, seen, scale, positions, rotations = [], [], [], [], []
    for frame in range(frames):
        at = 20 + round(frame / STEP_S)
        then = fine[at] - truth.delay_s
        i = int(np.floor((then - fine[0]) / STEP_S))
        share = (then - fine[i]) / STEP_S
        eye = (1 - share) * place[i] + share * place[i + 1]
        rotation = rotation_rpy(*((1 - share) * np.append(tilt[i], yaw[i]) + share * np.append(tilt[i + 1], yaw[i + 1])))
        ray = rotation @ camera.mount.rotation @ camera.boresight()
        noise = sky.fix_m * rng.standard_normal(2)
        ground.append(np.append((eye - ray * eye[2] / ray[2])[:2] + noise, 0.0))
        housing = rotation @ camera.mount.rotation @ CAMERA.mount.rotation.T
        seen.append(rotation_vector(np.array([0, 0, np.deg2rad(0.1) * rng.standard_normal()])) @ housing)
        scale.append(np.log(eye[2] / camera.k[0, 0]) + 0.003 * rng.standard_normal())
        around = at + np.rint(OFFSETS / STEP_S).astype(int)
        positions.append(place[around] + wrong[around])
        rotations.append(told[around])
    count = np.arange(frames, dtype=np.float64)
    return Observations(
        count, sky.speed * count, np.array(positions), np.array(rotations), CAMERA, np.array(ground),
        np.broadcast_to(6.0 ** 2 * np.eye(2), (frames, 2, 2)), np.array(seen), np.full(frames, np.deg2rad(0.15) ** 2),
        np.array(scale), np.full(frames, 0.004 ** 2), sky.height * sky.height_percent / 100,
        np.deg2rad(sky.heading_deg))
