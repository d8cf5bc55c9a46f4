"""A filter to begin with: dead reckoning and the localizer's fixes in a fixed-lag smoother of GTSAM.

It needs `pip install gtsam`, and no ROS: filter_gtsam_node.py has it read and publish topics. What it estimates stands in
filter_model.py; docs/integration.md tells the rules and how good it is. To use it elsewhere copy the three files into one folder.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

import gtsam
import numpy as np
from filter_model import BESIDE, SECOND, STATES, Belief, Fix, Motion, Options, Way, level_error, noise_of, odometry_error
from gtsam.symbol_shorthand import E, X

GATE = 16.3  # 99.9 % of the chi-square distribution with three degrees of freedom
REJECTED = 5  # fixes in a row after which the filter takes itself for wrong
LAG_S = 5.0  # of the smoother
LATE_S = 5.0  # a fix that is older may be lost
KEYFRAME_S = 10.0  # without fixes


class Filter:
    """Give it `start`, then dead reckoning (`move`), which is answered with what is believed, and fixes (`take`), as they come.

    The graph ends at the last fix, or LATE_S and a keyframe before now, and dead reckoning leads from there: a fix counts at its
    stamp, however late it comes. `rejected`, `restarts`, `late`: how many fixes the gate rejected, how often that was doubted,
    and how many were too late.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        # of what is in the graph: sigmas that are of one size keep it solvable
        self._units = np.concatenate([np.ones(6), self.options.sigmas()])
        self.rejected = self.restarts = self.late = self.taken = 0
        self._motions: deque[Motion] = deque()
        self._given: tuple[np.ndarray, float, np.ndarray] | None = None
        self._last: Belief | None = None
        self._way: Way | None = None
        self._in_a_row = 0

    @property
    def belief(self) -> Belief | None:
        """What is believed of the last keyframe; None before the start."""
        return self._last

    @property
    def now(self) -> Belief | None:
        """What is believed of the time of the newest dead reckoning; None before the start."""
        return self._last.moved(self._way, self.options) if self._last is not None and self._way is not None else None

    def start(self, place: np.ndarray, yaw: float, covariance: np.ndarray) -> None:
        """Begin at a place (2,) and yaw in map, with the covariance (3, 3) of both, with the next dead reckoning."""
        self._given, self._last = (place, yaw, covariance), None

    def move(self, motion: Motion) -> Belief | None:
        """Take dead reckoning, and return the belief at its time; None before the start."""
        if self._motions and motion.stamp_ns <= self._motions[-1].stamp_ns:
            return None
        self._motions.append(motion)
        if self._last is None:
            if self._given is None:
                self._motions.clear()
                return None
            self._begin(motion, *self._given)
        assert self._last is not None and self._way is not None
        if motion is not self._last.at:
            self._way = self._way.on(motion)
        if self._way.seconds > KEYFRAME_S + LATE_S:
            self._add(self._last.at.stamp_ns + round(KEYFRAME_S * SECOND), None)
        return self.now

    def take(self, fix: Fix) -> bool:
        """Take a fix, and return whether it counts."""
        if self._last is None or fix.stamp_ns <= self._last.at.stamp_ns or fix.stamp_ns > self._motions[-1].stamp_ns:
            self.late += 1
            return False
        expected = self._last.moved(self._way_to(fix.stamp_ns), self.options)
        error, jacobians = fix.error(expected.pose, expected.beside, self.options)
        h = np.hstack(jacobians)
        d2 = float(error @ np.linalg.solve(h @ expected.covariance @ h.T + fix.noise(self.options), error))
        if d2 > GATE:
            self.rejected += 1
            self._in_a_row += 1
            if self._in_a_row < REJECTED:
                return False
            # so many fixes do not err one after the other: what is believed was too sure
            self._way_until(fix.stamp_ns)
            self._restart(self._doubted(expected, error))
            self.restarts += 1
            return False
        self._in_a_row = 0
        self.taken += 1
        self._add(fix.stamp_ns, fix)
        return True

    def _begin(self, motion: Motion, place: np.ndarray, yaw: float, covariance: np.ndarray) -> None:
        x, y, z = motion.up
        level = gtsam.Rot3.RzRyRx(np.arctan2(y, z), np.arctan2(-x, np.hypot(y, z)), yaw)
        o = self.options
        tilt = np.radians(np.hypot(o.attitude_quick_deg, o.attitude_slow_deg) + o.attitude_noise_deg)
        in_map = np.diag([0.0, 0.0, o.height_m ** 2 + o.height_noise_m ** 2, tilt ** 2, tilt ** 2, 0.0]).astype(float)
        in_map[np.ix_([0, 1, 5], [0, 1, 5])] = covariance
        to_body = np.zeros((6, 6))
        to_body[:3, 3:] = to_body[3:, :3] = level.matrix().T
        joint = np.zeros((STATES, STATES))
        joint[:6, :6], joint[6:, 6:] = to_body @ in_map @ to_body.T, np.diag(o.sigmas() ** 2)
        self._restart(Belief(motion, gtsam.Pose3(level, np.array([*place, motion.height])), np.zeros(BESIDE), joint))

    def _doubted(self, belief: Belief, error: np.ndarray) -> Belief:
        """The belief with the place as unsure as it is off, the heading as at the start, and nothing known of what is beside."""
        assert self._given is not None
        rotation, covariance = belief.pose.rotation().matrix(), np.zeros((STATES, STATES))
        covariance[:6, :6], covariance[6:, 6:] = belief.covariance[:6, :6], np.diag(self.options.sigmas() ** 2)
        covariance[:3, :3] += self._given[2][2, 2] * np.outer(rotation[2], rotation[2])
        covariance[3:6, 3:6] += error[:2] @ error[:2] * rotation.T @ np.diag([1.0, 1.0, 0.0]) @ rotation
        return replace(belief, covariance=covariance)

    def _restart(self, belief: Belief) -> None:
        """Begin a graph at a belief."""
        parameters = gtsam.LevenbergMarquardtParams()
        parameters.setMaxIterations(3)
        parameters.setRelativeErrorTol(1e-3)
        parameters.setAbsoluteErrorTol(1e-3)
        # a graph that is nearly linear needs no damping, and would try it where rounding is all that is left
        parameters.setlambdaInitial(1e-9)
        parameters.setlambdaUpperBound(1e-8)
        self._smoother = gtsam.BatchFixedLagSmoother(LAG_S, parameters)
        self._count, self._in_a_row = 0, 0
        graph, values = gtsam.NonlinearFactorGraph(), self._values(belief)
        root = np.linalg.inv(np.linalg.cholesky(belief.covariance)) * self._units
        graph.push_back(gtsam.LinearContainerFactor(gtsam.JacobianFactor(
            X(0), root[:, :6], E(0), root[:, 6:], np.zeros(STATES), gtsam.noiseModel.Unit.Create(STATES)), values))
        self._solve(graph, values, belief.at)

    def _add(self, stamp_ns: int, fix: Fix | None) -> None:
        """Add a keyframe to the graph, with what was measured there."""
        assert self._last is not None
        way = self._way_until(stamp_ns)
        expected, k, o = self._last.moved(way, self.options), self._count, self.options
        self._count += 1
        graph, values = gtsam.NonlinearFactorGraph(), self._values(expected)

        units = self._units[6:]

        def moved(this: Any, at: gtsam.Values, jacobians: Any) -> np.ndarray:
            error, found = odometry_error(way, at.atPose3(X(k)), units * at.atVector(E(k)), at.atPose3(X(k + 1)))
            return _told(error, [found[0], units * found[1], found[2]], jacobians)

        def level(this: Any, at: gtsam.Values, jacobians: Any) -> np.ndarray:
            error, found = level_error(way.end, at.atPose3(X(k + 1)), units * at.atVector(E(k + 1)))
            return _told(error, [found[0], units * found[1]], jacobians)

        def seen(this: Any, at: gtsam.Values, jacobians: Any) -> np.ndarray:
            error, found = fix.error(at.atPose3(X(k + 1)), units * at.atVector(E(k + 1)), o)
            return _told(error, [found[0], units * found[1]], jacobians)

        noise, kept = gtsam.noiseModel.Diagonal.Sigmas, o.kept(way)
        graph.push_back(gtsam.CustomFactor(noise(noise_of(way, o)), [X(k), E(k), X(k + 1)], moved))
        tilt = np.radians(o.attitude_noise_deg)
        graph.push_back(gtsam.CustomFactor(noise(np.array([tilt, tilt, o.height_noise_m])), [X(k + 1), E(k + 1)], level))
        zero = gtsam.Values()
        zero.insert(E(k), np.zeros(BESIDE))
        zero.insert(E(k + 1), np.zeros(BESIDE))
        graph.push_back(gtsam.LinearContainerFactor(gtsam.JacobianFactor(
            E(k), -np.diag(kept), E(k + 1), np.eye(BESIDE), np.zeros(BESIDE), noise(np.sqrt(1 - kept ** 2))), zero))
        if fix is not None:
            graph.push_back(gtsam.CustomFactor(gtsam.noiseModel.Gaussian.Covariance(fix.noise(o)), [X(k + 1), E(k + 1)], seen))
        self._solve(graph, values, way.end)

    def _solve(self, graph: gtsam.NonlinearFactorGraph, values: gtsam.Values, at: Motion) -> None:
        k, seconds = self._count, at.stamp_ns / SECOND
        self._smoother.update(graph, values, {X(k): seconds, E(k): seconds})
        estimate = self._smoother.calculateEstimate()
        joint = gtsam.Marginals(self._smoother.getFactors(), estimate).jointMarginalCovariance([X(k), E(k)])
        covariance = np.block([[joint.at(a(k), b(k)) for b in (X, E)] for a in (X, E)])
        covariance = (covariance + covariance.T) / 2 * np.outer(self._units, self._units)
        self._last = Belief(at, estimate.atPose3(X(k)), self._units[6:] * estimate.atVector(E(k)), covariance)
        self._way = Way.from_(at)
        for motion in self._motions:
            self._way = self._way.on(motion) if motion.stamp_ns > at.stamp_ns else self._way

    def _values(self, belief: Belief) -> gtsam.Values:
        values = gtsam.Values()
        values.insert(X(self._count), belief.pose)
        values.insert(E(self._count), belief.beside / self._units[6:])
        return values

    def _way_to(self, stamp_ns: int) -> Way:
        """Dead reckoning from the last keyframe to a time."""
        assert self._last is not None
        way = Way.from_(self._last.at)
        for motion in self._motions:
            if motion.stamp_ns >= stamp_ns:
                return way.on(way.end.towards(motion, stamp_ns))
            way = way.on(motion) if motion.stamp_ns > way.end.stamp_ns else way
        raise ValueError("dead reckoning has not come so far")

    def _way_until(self, stamp_ns: int) -> Way:
        """The same, and what is before that time is done with."""
        way = self._way_to(stamp_ns)
        while self._motions[0].stamp_ns < stamp_ns:
            self._motions.popleft()
        return way


def _told(error: np.ndarray, found: list[np.ndarray], jacobians: Any) -> np.ndarray:
    """An error, its Jacobians in the list that GTSAM gives where it wants them."""
    if jacobians is not None:
        for i, jacobian in enumerate(found):
            jacobians[i] = jacobian
    return error
