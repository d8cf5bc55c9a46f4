"""Flights of known cameras over level ground: what odometry states of them, and fixes with known errors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from judged import parts_of
from numpy.typing import NDArray
from sights import CAMERA, alike, smooth

from promptmid_core.geometry import NADIR, Pose, Prior
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.localization.boresight import Boresight
from promptmid_core.localization.fix import Candidate, Fix, GroundPoint, State
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.localization.reckoning import Twist
from promptmid_core.reasons import Reason

Array = NDArray[np.float64]
START_NS = 1_700_000_000_000_000_000
STEP_S = 0.2


@dataclass(frozen=True)
class Trip:
    """`turns`: 'wander', 'box' of legs and right angles, or 'straight'; the camera as it is: `mount` degrees beside what is told,
    `delay` in seconds, `ahead` degrees that it looks forward; what odometry is wrong by: `tilt` degrees for `tilt_s` seconds and
    `bias` for good, `drift` as a share of the speed for some 12 s, `wind` m/s, `scale` of the speed, `heading` degrees; `taken`:
    share of each fix that the filter takes; `lever` metres."""

    fixes: int = 200
    height: float = 5000.0
    speed: float = 100.0
    turns: str = "wander"
    mount: tuple[float, float, float] = (0.0, 0.0, 0.0)
    delay: float = 0.0
    ahead: float = 0.0
    tilt: float = 0.08
    tilt_s: float = 5.0
    bias: tuple[float, float] = (0.0, 0.0)
    drift: float = 0.01
    wind: tuple[float, float] = (0.0, 0.0)
    scale: float = 0.0
    heading: float = 0.0
    taken: float = 0.0
    lever: tuple[float, float, float] = (0.0, 0.0, 0.0)
    wrong: float = 0.0


class Way:
    """Odometry as a Boresight asks for it."""

    def __init__(self) -> None:
        self.buffer, self.heard_ns = PriorBuffer(), 0

    def at(self, stamp_ns: int) -> tuple[Prior, None]:
        return self.buffer.at(stamp_ns), None


def flown(trip: Trip, seed: int) -> Boresight:
    """What a flight lets be suspected, after each fix and in the end; a fix a second."""
    rng = np.random.default_rng(seed)
    times = np.arange(round((trip.fixes + 4) / STEP_S)) * STEP_S
    yaw, tilt = _yaw(rng, times, trip.turns), np.deg2rad(1.0) * np.column_stack([smooth(rng, times, 4.0) for _ in range(2)])
    velocity = trip.speed * np.column_stack([np.cos(yaw), np.sin(yaw)])
    place = np.column_stack([np.cumsum(velocity, axis=0) * STEP_S, trip.height * (1 + 0.01 * smooth(rng, times, 15.0))])
    turned = np.deg2rad(trip.heading)
    rates = trip.drift * trip.speed * np.column_stack([alike(rng, times, 12.0) for _ in range(2)]) + trip.wind + (
        trip.scale * velocity + turned * np.column_stack([-velocity[:, 1], velocity[:, 0]]))
    off = 100.0 * rng.standard_normal(2) + np.cumsum(rates, axis=0) * STEP_S
    lasting = trip.tilt_s or 1e-3
    wrong = np.deg2rad(trip.tilt * np.column_stack([alike(rng, times, lasting) for _ in range(2)]) + trip.bias)
    headings = turned + np.deg2rad(1.0) * alike(rng, times, 20.0)
    told = replace(CAMERA, mount=Pose(np.array(trip.lever), rotation_rpy(0.0, -np.deg2rad(trip.ahead), 0.0) @ NADIR.rotation))
    mount = rotation_rpy(*np.deg2rad(trip.mount)) @ told.mount.rotation
    sights = told.mount.rotation @ told.boresight(), mount @ told.boresight()
    covariance = np.diag([50.0, 50.0, 20.0, *np.deg2rad([trip.tilt] * 2 + [1.0])]) ** 2
    way, found, pull, count = Way(), Boresight(), np.zeros(2), 0
    for i, second in enumerate(times):
        rotation = rotation_rpy(*(tilt[i] + wrong[i]), yaw[i] + headings[i])
        stamp = START_NS + round(second * 1e9)
        prior = Prior(stamp, Pose(place[i] + [*(off[i] + pull), 0.0], rotation), covariance)
        spin = (tilt[min(i + 1, len(times) - 1)] - tilt[i]) / STEP_S
        way.buffer.add(prior, Twist(rotation.T @ [*(velocity[i] + rates[i]), 0.0], np.array([*spin, 1e-6])))
        way.heard_ns = stamp
        if second < count + 2 or count == trip.fixes:
            continue
        # an image between two samples of odometry, as images are
        shot, count = second - 0.07, count + 1
        then = shot - trip.delay
        eye, (roll, pitch, heading) = (np.array([np.interp(then, times, axis) for axis in each.T])
                                       for each in (place, np.column_stack([tilt, yaw])))
        taken = rotation_rpy(roll, pitch, heading)
        ray, eye = taken @ sights[1], eye + taken @ told.mount.position
        ground = eye - ray * (eye[2] / ray[2]) + [*(4.0 * rng.standard_normal(2)), 0.0]
        if rng.random() < trip.wrong:
            ground[:2] += rng.normal(0.0, 400.0, 2)
        by = way.buffer.at(START_NS + round(shot * 1e9))
        seen = heading + np.deg2rad(trip.mount[2] + 0.2 * rng.standard_normal())
        pose = by.headed(seen).rotation
        ray, lever = pose @ sights[0], pose @ told.mount.position
        height = by.pose.position[2] + lever[2]
        at = np.append(ground[:2] + ray[:2] * (height / ray[2]) - lever[:2], by.pose.position[2])
        fix = Fix(by.stamp_ns, State.TRACKING, Reason.FIX, "", Pose(at, pose), np.eye(6), ("x", "y", "yaw"),
                  Candidate(by.stamp_ns, by, Reason.FIX, ""), ground=GroundPoint(ground, parts_of(5.0), sights[0]))
        found.add(fix, told, way)
        pull = pull + trip.taken * (at[:2] - by.pose.position[:2])
    return found


def _yaw(rng: np.random.Generator, times: Array, turns: str) -> Array:
    if turns == "straight":
        rate = np.deg2rad(0.3) * smooth(rng, times, 8.0)
    elif turns == "box":
        rate = np.deg2rad(6.0) * (times % 45 > 30)
    else:
        rate = np.deg2rad(6.0) * np.clip(smooth(rng, times, 20.0), -1, 1)
    return rng.uniform(-3, 3) + np.cumsum(rate) * STEP_S
