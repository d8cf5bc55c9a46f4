"""Dead reckoning: how the aircraft has moved by its odometry, free of the jumps that a filter's estimate makes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import DeadReckoning, Pose, Prior

LONG_NS = 500_000_000  # a step over a longer time is believed within what the aircraft may have done unseen
REMEMBERED = 25  # steps whose differences from the velocity tell how large an ordinary one is
JUMP = 8.0  # times an ordinary difference that is a jump
LEAST_SHARE, LEAST_M = 0.1, 0.2  # of a step's length and metres: a difference up to this is never a jump
MOST_APART = 10  # steps in a row that a pose may differ from its velocity before one of the two is wrong for good
LEAST_TURN = float(np.deg2rad(0.5))
MOST_TURN_S = float(np.deg2rad(90.0))  # of an aircraft that states no turn
BRIEF_S = 0.005  # steps of less time tell no velocity
LEAST_WAY_M = 1.0
ANYWHERE_M = 1e5
MOST_M_S = 1e4
MOST_LOOSE = 0.5  # of the speed: what states more than this states nothing
UNSEEN_M_S2 = 1.0  # acceleration that nobody has seen


@dataclass(frozen=True)
class Twist:
    """Velocity (3,) in m/s and rates of turn (3,) in rad/s, along the axes of `base_link`; `sigma` m/s of the horizontal
    velocity, one axis, 0 where it is not stated."""

    linear: Float64
    angular: Float64
    sigma: float = 0.0

    @staticmethod
    def of(message: Any) -> Twist | None:
        """Return the twist of a nav_msgs/Odometry; None where it states none: all zero, or not all of it numbers."""
        twist = message.twist.twist
        linear, angular = (np.array([each.x, each.y, each.z], np.float64) for each in (twist.linear, twist.angular))
        told = np.concatenate([linear, angular])
        if not told.any() or not np.isfinite(told).all() or np.abs(told).max() > MOST_M_S:
            return None
        variance = float(max(message.twist.covariance[0], message.twist.covariance[7]))
        return Twist(linear, angular, float(np.sqrt(variance)) if 0 < variance < MOST_M_S ** 2 else 0.0)

    def step(self, seconds: float) -> Pose:
        """Return the pose after a time from that before, both of `base_link`."""
        # the arc's chord: turned by half the turn
        turn = self.angular * seconds
        half, whole = _NONE.corrected(np.array([0, 0, 0, *turn / 2])), _NONE.corrected(np.array([0, 0, 0, *turn]))
        return Pose(half.rotation @ (self.linear * seconds), whole.rotation)


class Reckoner:
    """Adds the steps of odometry, one sample after the other.

    A step of the pose that is unlike the velocity is a jump of the filter, not of the aircraft: there the velocity is believed.
    Where none is stated that of the steps before serves: a step unlike the one before is a jump, another like it is motion. Roll
    and pitch are always the filter's, which knows them by gravity.
    """

    def __init__(self) -> None:
        self._last: tuple[Prior, Twist | None] | None = None
        self._motion: DeadReckoning | None = None
        self._steady: tuple[Twist, ...] = ()
        self._differences: deque[float] = deque(maxlen=REMEMBERED)
        self._counted_at = np.zeros(2)
        self._apart, self._steps_apart = np.zeros(3), 0

    def add(self, prior: Prior, twist: Twist | None) -> DeadReckoning:
        """Return the motion up to a sample that follows the last one in time."""
        last = self._last
        if last is not None and self._motion is not None and prior.stamp_ns <= last[0].stamp_ns:
            return self._motion
        self._last = prior, twist
        if last is None or self._motion is None:
            if self._motion is None:
                self._motion, self._counted_at = DeadReckoning(prior.pose, 0.0), prior.pose.position[:2]
            self._motion = replace(self._motion, pose=_tilted(self._motion.pose, prior.pose))
            return self._motion
        before, seconds = last[0], (prior.stamp_ns - last[0].stamp_ns) / 1e9
        step = whole = before.pose.inverse() @ prior.pose
        stated = _mean(last[1], twist)
        expected = _nearest(step, [each.step(seconds) for each in ((stated,) if stated else self._steady)])
        doubt = torn = 0.0
        if expected is not None:
            apart = float(np.linalg.norm(step.position - expected.position))
            turned = float(np.linalg.norm(_turn(expected.inverse() @ step)))
            turns = stated is not None and bool(stated.angular.any())
            most = LEAST_TURN + JUMP * float(np.linalg.norm(_turn(expected))) if turns else MOST_TURN_S * seconds
            if prior.stamp_ns - before.stamp_ns > LONG_NS:
                unseen = UNSEEN_M_S2 * seconds ** 2 / 2
                doubt = unseen + (apart if apart > unseen else 0.0)
            else:
                torn = self._contradicted(step.position - expected.position, _least(expected))
                if apart > self._limit(expected) or turned > most:
                    step = expected
                self._differences.append(apart)
        if seconds >= BRIEF_S:
            self._steady = tuple(Twist(each.position / seconds, _turn(each) / seconds) for each in (step, whole))
        pose = _tilted(self._motion.pose @ step, prior.pose)
        loose = min(twist.sigma, MOST_LOOSE * float(np.linalg.norm(step.position)) / seconds) * seconds if twist else 0.0
        if seconds >= BRIEF_S:
            east, north = ((pose.position - self._motion.pose.position)[:2] / seconds).tolist()
            self._motion = replace(self._motion, velocity=(east, north))
        self._motion = replace(self._motion, pose=pose, flown=self._motion.flown + self._counted(pose.position[:2]),
                               loose=self._motion.loose + loose, doubt=self._motion.doubt + doubt, torn=self._motion.torn + torn)
        return self._motion

    def restart(self) -> None:
        """Go on from a clock or a frame that was set anew; how far was flown between nobody knows."""
        self._last, self._steady = None, ()
        if self._motion is not None:
            self._motion = replace(self._motion, doubt=self._motion.doubt + ANYWHERE_M)

    def _counted(self, place: Float64) -> float:
        """The way since the place that was counted last, once it is long enough that noise on the spot adds nothing."""
        way = float(np.hypot(*(place - self._counted_at)))
        if way < LEAST_WAY_M:
            return 0.0
        self._counted_at = place
        return way

    def _limit(self, expected: Pose) -> float:
        ordinary = float(np.median(self._differences)) if len(self._differences) >= 5 else 0.0
        return max(JUMP * ordinary, _least(expected))

    def _contradicted(self, difference: Float64, least: float) -> float:
        """The metres by which the way is in doubt since poses and velocities go apart step by step, and do not just jump or
        tremble."""
        apart = float(np.linalg.norm(difference))
        if apart <= least:
            self._apart, self._steps_apart = np.zeros(3), 0
            return 0.0
        self._apart, self._steps_apart = self._apart + difference, self._steps_apart + 1
        goes_on = self._steps_apart > MOST_APART and np.linalg.norm(self._apart) > MOST_APART / 2 * apart
        return apart if goes_on else 0.0


_NONE = Pose(np.zeros(3), np.eye(3))


def _least(expected: Pose) -> float:
    """The difference from an expected step that is never a jump."""
    return LEAST_SHARE * float(np.linalg.norm(expected.position)) + LEAST_M


def _turn(step: Pose) -> Float64:
    return step.correction_from(_NONE)[3:]


def _mean(first: Twist | None, last: Twist | None) -> Twist | None:
    if first is None or last is None:
        return first or last
    return Twist((first.linear + last.linear) / 2, (first.angular + last.angular) / 2)


def _nearest(step: Pose, expected: list[Pose]) -> Pose | None:
    return min(expected, key=lambda each: float(np.linalg.norm(each.position - step.position)), default=None)


def _tilted(pose: Pose, tilt: Pose) -> Pose:
    """A pose with the roll and the pitch of another one."""
    roll, pitch, _ = tilt.rpy()
    return Pose.from_rpy(pose.position, roll, pitch, pose.yaw)
