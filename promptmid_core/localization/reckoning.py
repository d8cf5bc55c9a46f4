"""Dead reckoning: how the aircraft has moved by its odometry, free of the jumps that a filter's estimate makes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Motion, Pose, Prior

LONG_NS = 500_000_000  # a step over a longer time is believed within what the aircraft may have done unseen
REMEMBERED = 25  # steps whose differences from the velocity tell how large an ordinary one is
JUMP = 8.0  # times an ordinary difference that is a jump
LEAST_SHARE, LEAST_M = 0.1, 0.2  # of a step's length and metres: a difference up to this is never a jump
LEAST_TURN = float(np.deg2rad(0.5))
LEAST_WAY_M = 1.0
UNSEEN_M_S2 = 1.0  # acceleration that nobody has seen


@dataclass(frozen=True)
class Twist:
    """Velocity (3,) in m/s and rates of turn (3,) in rad/s, along the axes of `base_link`."""

    linear: Float64
    angular: Float64

    @staticmethod
    def of(message: Any) -> Twist | None:
        """Return the twist of a nav_msgs/Odometry; None where it states none: all zero, or not all of it numbers."""
        twist = message.twist.twist
        linear, angular = (np.array([each.x, each.y, each.z], np.float64) for each in (twist.linear, twist.angular))
        told = np.concatenate([linear, angular])
        return Twist(linear, angular) if told.any() and np.isfinite(told).all() and np.abs(told).max() < 1e4 else None


class Reckoner:
    """Adds the steps of odometry, one sample after the other.

    A step of the pose that is unlike the velocity is a jump of the filter, not of the aircraft: there the velocity is believed.
    Where none is stated that of the step before serves.
    """

    def __init__(self) -> None:
        self._last: tuple[Prior, Twist | None] | None = None
        self._motion: Motion | None = None
        self._steady: Twist | None = None
        self._differences: deque[float] = deque(maxlen=REMEMBERED)
        self._counted_at = np.zeros(2)

    def add(self, prior: Prior, twist: Twist | None) -> Motion:
        """Return the motion up to a sample that follows the last one in time."""
        last, self._last = self._last, (prior, twist)
        if last is None or self._motion is None or prior.stamp_ns <= last[0].stamp_ns:
            if self._motion is None:
                self._motion, self._counted_at = Motion(prior.pose, 0.0, 0.0), prior.pose.position[:2]
            return self._motion
        before, seconds = last[0], (prior.stamp_ns - last[0].stamp_ns) / 1e9
        step = before.pose.inverse() @ prior.pose
        expected = _step(_mean(last[1], twist) or self._steady, seconds)
        doubt = 0.0
        if expected is not None:
            apart = float(np.linalg.norm(step.position - expected.position))
            turned = float(np.linalg.norm((expected.inverse() @ step).correction_from(_NONE)[3:]))
            if prior.stamp_ns - before.stamp_ns > LONG_NS:
                unseen = UNSEEN_M_S2 * seconds ** 2 / 2
                doubt = unseen + (apart if apart > unseen else 0.0)
            else:
                if apart > self._limit(expected) or turned > LEAST_TURN + JUMP * float(np.linalg.norm(_turn(expected))):
                    step = expected
                self._differences.append(apart)
        self._steady = Twist(step.position / seconds, _turn(step) / seconds)
        pose = self._motion.pose @ step
        self._motion = Motion(pose, self._motion.flown + self._counted(pose.position[:2]), self._motion.doubt + doubt)
        return self._motion

    def restart(self) -> None:
        """Go on from a clock or a frame that was set anew, as if nothing had been flown between."""
        self._last, self._steady = None, None

    def _counted(self, place: Float64) -> float:
        """The way since the place that was counted last, once it is long enough that noise on the spot adds nothing."""
        way = float(np.hypot(*(place - self._counted_at)))
        if way < LEAST_WAY_M:
            return 0.0
        self._counted_at = place
        return way

    def _limit(self, expected: Pose) -> float:
        ordinary = float(np.median(self._differences)) if len(self._differences) >= 5 else 0.0
        return max(JUMP * ordinary, LEAST_SHARE * float(np.linalg.norm(expected.position)) + LEAST_M)


_NONE = Pose(np.zeros(3), np.eye(3))


def _turn(step: Pose) -> Float64:
    return step.correction_from(_NONE)[3:]


def _mean(first: Twist | None, last: Twist | None) -> Twist | None:
    if first is None or last is None:
        return first or last
    return Twist((first.linear + last.linear) / 2, (first.angular + last.angular) / 2)


def _step(twist: Twist | None, seconds: float) -> Pose | None:
    """The pose after a time from that before, both of `base_link`."""
    if twist is None:
        return None
    # the arc's chord: turned by half the turn
    turn = twist.angular * seconds
    half, whole = _NONE.corrected(np.array([0, 0, 0, *turn / 2])), _NONE.corrected(np.array([0, 0, 0, *turn]))
    return Pose(half.rotation @ (twist.linear * seconds), whole.rotation)
