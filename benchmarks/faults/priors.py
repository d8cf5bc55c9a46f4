"""Faults of the odometry: it stops, repeats, comes late, lies, and states covariances that are none."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from math import cos, sin
from typing import Any

import numpy as np

from benchmarks.faults.aircraft import Aircraft
from benchmarks.faults.fault import Fault
from benchmarks.faults.images import MANY, SOME
from benchmarks.faults.roundtrip import stamped

INVALID = frozenset({"prior_invalid"})
Change = Callable[[Any], object]


def lying(change: Change, count: int, aircraft: Aircraft) -> None:
    """Fly with every odometry message changed in place."""
    def changed(message: Any) -> Any:
        copied = deepcopy(message)
        change(copied)
        return copied

    aircraft.fly(replace(shot, odometry=tuple(changed(message) for message in shot.odometry))
                 for shot in aircraft.trip.shots(count))


def stops(aircraft: Aircraft) -> None:
    aircraft.fly(replace(shot, odometry=()) for shot in aircraft.trip.shots(MANY))


def repeats(aircraft: Aircraft) -> None:
    aircraft.fly(replace(shot, odometry=tuple(message for message in shot.odometry for _ in range(3)))
                 for shot in aircraft.trip.shots(SOME))


def stands(aircraft: Aircraft) -> None:
    """The same pose under new stamps, while the aircraft flies on."""
    shots = aircraft.trip.shots(MANY)
    first = shots[0].odometry[0]
    aircraft.fly(replace(shot, odometry=tuple(stamped(first, _ns(message)) for message in shot.odometry)) for shot in shots)


def shuffled(aircraft: Aircraft) -> None:
    random = np.random.default_rng(3)
    for shot in aircraft.trip.shots(SOME):
        order = random.permutation(len(shot.odometry)).tolist()
        aircraft.fly([replace(shot, odometry=tuple(shot.odometry[at] for at in order))])


def behind(aircraft: Aircraft) -> None:
    """The odometry of an image comes after it."""
    aircraft.fly(replace(shot, odometry=(), late=shot.odometry) for shot in aircraft.trip.shots(SOME))


def late(aircraft: Aircraft) -> None:
    """The odometry of an image comes with the next one."""
    shots = aircraft.trip.shots(SOME)
    for shot, before in zip(shots[1:], shots, strict=False):
        aircraft.fly([replace(shot, odometry=before.odometry)])
    aircraft.fly([replace(shots[-1], image=None, infos=())])


def _ns(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def _move(metres: float, message: Any) -> None:
    message.pose.pose.position.x += metres


def _move_within(share: float, message: Any) -> None:
    message.pose.pose.position.x += share * message.pose.covariance[0] ** 0.5


def _deny(message: Any) -> None:
    """A jump of 600 m that a covariance of a metre denies."""
    _move(600.0, message)
    _covariance(np.diag([1.0, 1.0, 1.0, 1e-6, 1e-6, 1e-6]), message)


def _turn(angle: float, message: Any) -> None:
    q = message.pose.pose.orientation
    c, s = cos(angle / 2), sin(angle / 2)
    q.x, q.y, q.z, q.w = c * q.x - s * q.y, c * q.y + s * q.x, c * q.z + s * q.w, c * q.w - s * q.z


def _climb(share: float, message: Any) -> None:
    message.pose.pose.position.z *= share


def _place(value: float, message: Any) -> None:
    message.pose.pose.position.x = value


def _orientation(value: float, message: Any) -> None:
    q = message.pose.pose.orientation
    q.x = q.y = q.z = q.w = value


def _covariance(values: Any, message: Any) -> None:
    message.pose.covariance = np.asarray(values, np.float64).ravel()


def _frame(name: str, message: Any) -> None:
    message.header.frame_id = name


def _child(name: str, message: Any) -> None:
    message.child_frame_id = name


def _lie(name: str, about: str, change: Change, shows: frozenset[str] = frozenset(), count: int = SOME) -> Fault:
    return Fault(name, about, partial(lying, change, count), shows)


NAN, HUGE = float("nan"), 1e300
INDEFINITE = np.eye(6) + 5 * np.eye(6)[::-1]
PRIORS = (
    Fault("odometry_stops", "no odometry comes", stops, frozenset({"prior_missing"})),
    Fault("odometry_repeats", "each message comes three times", repeats),
    Fault("odometry_stands", "the same pose under new stamps, while the aircraft flies on", stands),
    Fault("odometry_shuffled", "the messages come out of order", shuffled),
    Fault("odometry_behind", "odometry comes after its image", behind),
    Fault("odometry_late", "odometry comes a second late", late, frozenset({"prior_missing"})),
    _lie("jump_within", "the pose jumps by half its standard deviation", partial(_move_within, 0.5)),
    _lie("jump_to_the_edge", "the pose jumps by two and a half standard deviations", partial(_move_within, 2.5), count=MANY),
    _lie("jump_beyond", "the pose jumps by 2 km", partial(_move, 2000.0), count=MANY),
    _lie("jump_denied", "the pose jumps by 600 m and claims to be known to a metre", _deny, count=MANY),
    _lie("jump_off_the_map", "the pose jumps by 50 km", partial(_move, 5e4)),
    _lie("wrong_yaw", "the heading is wrong by 40 degrees", partial(_turn, 0.7), count=MANY),
    _lie("turned_round", "the heading is wrong by half a turn", partial(_turn, 3.14159), count=MANY),
    _lie("wrong_height", "the height is a third too large", partial(_climb, 1.33)),
    _lie("nan_place", "the position is NaN", partial(_place, NAN), INVALID),
    _lie("far_place", "the position is 1e300 m", partial(_place, HUGE), INVALID),
    _lie("nan_orientation", "the orientation is NaN", partial(_orientation, NAN), INVALID),
    _lie("zero_orientation", "the orientation is zero", partial(_orientation, 0.0), INVALID),
    _lie("zero_covariance", "no covariance is stated", partial(_covariance, np.zeros(36))),
    _lie("nan_covariance", "the covariance is NaN", partial(_covariance, np.full(36, NAN)), INVALID),
    _lie("huge_covariance", "variances of 1e300", partial(_covariance, np.diag(np.full(6, HUGE))),
         frozenset({"prior_invalid", "prior_too_uncertain"})),
    _lie("overflowing_covariance", "all values of the covariance are 1e300", partial(_covariance, np.full(36, HUGE)), INVALID),
    _lie("denormal_covariance", "variances of 6.9e-310", partial(_covariance, np.full(36, 6.9e-310)), INVALID),
    _lie("negative_covariance", "variances of -1", partial(_covariance, np.diag(np.full(6, -1.0))), INVALID),
    _lie("indefinite_covariance", "correlations beyond 1", partial(_covariance, INDEFINITE), INVALID),
    _lie("wide_covariance", "variances of 1e8 m2", partial(_covariance, np.diag([1e8, 1e8, 1e8, 1, 1, 10])),
         frozenset({"prior_too_uncertain"})),
    _lie("tiny_covariance", "variances of 1e-12", partial(_covariance, np.diag(np.full(6, 1e-12)))),
    _lie("wrong_frame", "odometry in the frame earth", partial(_frame, "earth"), frozenset({"prior_frame"})),
    _lie("other_frame", "odometry in odom, where map was", partial(_frame, "odom"), frozenset({"prior_missing", "prior_frame"})),
    _lie("wrong_child", "odometry of the camera", partial(_child, "camera"), frozenset({"prior_frame"})),
)
