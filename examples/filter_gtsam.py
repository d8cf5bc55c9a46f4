"""A filter to begin with: dead reckoning and the localizer's `~/ground_point` in a fixed-lag smoother of GTSAM.

It needs `pip install gtsam`, and no ROS: examples/filter_gtsam_node.py has it read and publish topics. docs/integration.md says what it
estimates, by which rules, and how good it is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import gtsam
import numpy as np
from gtsam.symbol_shorthand import E, X

# what is estimated beside the pose; docs/integration.md has the table
YAW_RATE, SCALE, SIDE, QUICK, SLOW, BORESIGHT, PLACE, HEIGHT = 0, 1, 2, [3, 4], [5, 6], [7, 8], [9, 10], 11
BESIDE = 12
STATES = 6 + BESIDE
SECOND = 1_000_000_000
UP = np.array([0.0, 0.0, 1.0])
UPWARD = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])  # UPWARD @ v is the cross product of UP and v
GATE = 13.8  # 99.9 % of the chi-square distribution with two degrees of freedom
REJECTED = 5  # fixes in a row after which the filter takes itself for wrong
LAG_S = 5.0  # of the smoother
LATE_S = 5.0  # a fix that is older may be lost
KEYFRAME_S = 10.0  # without fixes


@dataclass(frozen=True)
class Options:
    """What is wrong with the sensors, one standard deviation each, and for how long it stays: those of your aircraft."""

    fixes: str = "ground_point"  # or pose
    yaw_rate_deg_s: float = 0.03
    yaw_rate_lasts_s: float = 3600.0
    odometry_share: float = 0.007  # of the velocity, along it and across it
    odometry_lasts_s: float = 600.0
    attitude_quick_deg: float = 0.08  # roll and pitch: what changes soon,
    attitude_quick_lasts_s: float = 5.0
    attitude_slow_deg: float = 0.08  # and what stays
    attitude_slow_lasts_s: float = 300.0
    boresight_deg: float = 0.3  # the camera's roll and pitch beside the mount that is told
    boresight_lasts_s: float = 1e6
    height_m: float = 20.0
    height_lasts_s: float = 300.0
    place_share: float = 0.9  # of a fix's variance that its place brings, the rest being new in each fix,
    place_lasts_m: float = 1400.0  # and over which way: 170 px of the map
    velocity_noise: float = 0.1  # m/s in a second
    rate_noise_deg: float = 0.01  # deg in a second
    attitude_noise_deg: float = 0.02
    height_noise_m: float = 2.0
    camera_forward_m: float = 0.0  # where the camera is in base_link
    camera_left_m: float = 0.0
    camera_up_m: float = 0.0

    def sigmas(self) -> np.ndarray:
        """Standard deviations (BESIDE,) of what is estimated beside the pose; the place's are in those of the fix."""
        quick, slow, boresight = (np.radians(each) for each in (self.attitude_quick_deg, self.attitude_slow_deg, self.boresight_deg))
        return np.array([np.radians(self.yaw_rate_deg_s), self.odometry_share, self.odometry_share, quick, quick, slow, slow,
                         boresight, boresight, 1.0, 1.0, self.height_m])

    def kept(self, way: Way) -> np.ndarray:
        """How much of them (BESIDE,) is the same at the end of a way: first-order Gauss-Markov processes of time, or of place."""
        odometry, quick, slow, boresight = (self.odometry_lasts_s, self.attitude_quick_lasts_s, self.attitude_slow_lasts_s,
                                            self.boresight_lasts_s)
        lasts = np.array([self.yaw_rate_lasts_s, odometry, odometry, quick, quick, slow, slow, boresight, boresight, np.inf, np.inf,
                          self.height_lasts_s])
        kept = np.exp(-way.seconds / lasts)
        kept[PLACE] = np.exp(-float(np.linalg.norm(way.step)) / self.place_lasts_m)
        return kept

    @property
    def camera(self) -> np.ndarray:
        return np.array([self.camera_forward_m, self.camera_left_m, self.camera_up_m])


@dataclass(frozen=True)
class Motion:
    """Dead reckoning at a time: `velocity` (3,) m/s and `rate` (3,) rad/s in base_link, `up` (3,) there, `height` in map, m."""

    stamp_ns: int
    velocity: np.ndarray
    rate: np.ndarray
    up: np.ndarray
    height: float

    def towards(self, other: Motion, stamp_ns: int) -> Motion:
        """The motion at a time between this one and another."""
        share = (stamp_ns - self.stamp_ns) / (other.stamp_ns - self.stamp_ns)
        velocity, rate, up = (a + share * (b - a) for a, b in ((self.velocity, other.velocity), (self.rate, other.rate),
                                                               (self.up, other.up)))
        return Motion(stamp_ns, velocity, rate, up / np.linalg.norm(up), self.height + share * (other.height - self.height))


@dataclass(frozen=True)
class Way:
    """Dead reckoning between two times, added up: `turn` (3, 3) and `step` (3,) in the axes of the beginning, `swing` (3,) by
    which the step changes with a yaw rate that is wrong by 1 rad/s."""

    end: Motion
    seconds: float
    turn: np.ndarray
    step: np.ndarray
    swing: np.ndarray

    @staticmethod
    def from_(begin: Motion) -> Way:
        return Way(begin, 0.0, np.eye(3), np.zeros(3), np.zeros(3))

    def on(self, to: Motion) -> Way:
        """The way to a later time."""
        seconds = (to.stamp_ns - self.end.stamp_ns) / SECOND
        rate, velocity = (self.end.rate + to.rate) / 2, (self.end.velocity + to.velocity) / 2
        step = self.turn @ _turned(rate * seconds / 2) @ velocity * seconds
        swing = -(self.seconds + seconds / 2) * UPWARD @ step
        return Way(to, self.seconds + seconds, self.turn @ _turned(rate * seconds), self.step + step, self.swing + swing)

    def corrected(self, beside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Turn and step with what is estimated of odometry, and how the step (3, BESIDE) depends on it."""
        by = np.zeros((3, BESIDE))
        by[:, YAW_RATE], by[:, SCALE], by[:, SIDE] = self.swing, self.step, UPWARD @ self.step
        return self.turn @ _turned(-beside[YAW_RATE] * self.seconds * UP), self.step + by @ beside, by


@dataclass(frozen=True)
class Belief:
    """Pose and what is `beside` it (BESIDE,) at a time; `covariance` (STATES, STATES): turn and shift in the axes of base_link,
    then what is beside."""

    at: Motion
    pose: gtsam.Pose3
    beside: np.ndarray
    covariance: np.ndarray

    def moved(self, way: Way, options: Options) -> Belief:
        """What dead reckoning makes of it."""
        turn, step, by = way.corrected(self.beside)
        kept = options.kept(way)
        f = np.zeros((STATES, STATES))
        f[:3, :3], f[3:6, 3:6] = turn.T, turn.T
        f[:3, 6 + YAW_RATE] = -way.seconds * UP
        f[3:6, :3], f[3:6, 6:] = -turn.T @ _cross(step), turn.T @ by
        f[6:, 6:] = np.diag(kept)
        new = np.concatenate([noise_of(way, options), options.sigmas() * np.sqrt(1 - kept ** 2)]) ** 2
        return Belief(way.end, self.pose.compose(gtsam.Pose3(gtsam.Rot3(turn), step)), kept * self.beside,
                      f @ self.covariance @ f.T + np.diag(new))

    def in_map(self) -> np.ndarray:
        """The covariance (6, 6) of the pose as ROS has it: x y z roll pitch yaw, about the axes of map."""
        rotation, to_map = self.pose.rotation().matrix(), np.zeros((6, 6))
        to_map[:3, 3:], to_map[3:, :3] = rotation, rotation
        return to_map @ self.covariance[:6, :6] @ to_map.T

    def motion(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Velocity and rate (3,) in base_link, and the covariance (6, 6) of both."""
        v, rate = self.at.velocity, self.at.rate - self.beside[YAW_RATE] * UP
        by = np.column_stack([v, UPWARD @ v])
        covariance = np.diag([0.01, 0.01, 0.01, 1e-6, 1e-6, 1e-6])
        covariance[:3, :3] += by @ self.covariance[6 + SCALE:7 + SIDE, 6 + SCALE:7 + SIDE] @ by.T
        covariance[5, 5] += self.covariance[6 + YAW_RATE, 6 + YAW_RATE]
        return v + by @ self.beside[[SCALE, SIDE]], rate, covariance


def noise_of(way: Way, options: Options) -> np.ndarray:
    """Standard deviations (6,) of what dead reckoning adds to turn and step."""
    return np.repeat([np.radians(options.rate_noise_deg), options.velocity_noise], 3) * np.sqrt(max(way.seconds, 1e-3))


def odometry_error(way: Way, before: gtsam.Pose3, beside: np.ndarray, after: gtsam.Pose3) -> tuple[np.ndarray, list[np.ndarray]]:
    """How far (6,) two poses are from what dead reckoning says, and its Jacobians by both poses and what is beside the first."""
    turn, step, by = way.corrected(beside)
    r0, r1 = before.rotation().matrix(), after.rotation().matrix()
    apart = gtsam.Rot3(turn.T @ r0.T @ r1)
    turned = gtsam.Rot3.Logmap(apart)
    inverse = np.linalg.inv(gtsam.Rot3.ExpmapDerivative(turned))
    moved = r0.T @ (after.translation() - before.translation())
    by_before, by_beside, by_after = np.zeros((6, 6)), np.zeros((6, BESIDE)), np.zeros((6, 6))
    by_before[:3, :3], by_before[3:, :3], by_before[3:, 3:] = -inverse @ r1.T @ r0, _cross(moved), -np.eye(3)
    by_beside[:3, YAW_RATE], by_beside[3:] = inverse @ apart.matrix().T @ UP * way.seconds, -by
    by_after[:3, :3], by_after[3:, 3:] = inverse, r0.T @ r1
    return np.concatenate([turned, moved - step]), [by_before, by_beside, by_after]


def level_error(at: Motion, pose: gtsam.Pose3, beside: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """How far (3,) a pose is from the roll, the pitch and the height that are told."""
    r = pose.rotation().matrix()
    tilt = np.append(beside[QUICK] + beside[SLOW], 0.0)
    up = r.T @ UP
    error = np.append((at.up + _cross(tilt) @ at.up - up)[:2], pose.translation()[2] + beside[HEIGHT] - at.height)
    by_pose, by_beside = np.zeros((3, 6)), np.zeros((3, BESIDE))
    by_pose[:2, :3], by_pose[2, 3:] = -_cross(up)[:2], r[2]
    by_beside[:2, QUICK] = by_beside[:2, SLOW] = -_cross(at.up)[:2, :2]
    by_beside[2, HEIGHT] = 1.0
    return error, [by_pose, by_beside]


@dataclass(frozen=True)
class Fix:
    """What the localizer says: `place` (3,) in map and its `covariance` (2, 2); `sight` (3,), the line of sight in base_link, of
    a ground point, None of a pose."""

    stamp_ns: int
    place: np.ndarray
    covariance: np.ndarray
    sight: np.ndarray | None

    def noise(self, options: Options) -> np.ndarray:
        """The part (2, 2) of the covariance that is new with this fix."""
        return self.covariance * (1.0 if self.sight is None else 1 - options.place_share)

    def error(self, pose: gtsam.Pose3, beside: np.ndarray, options: Options) -> tuple[np.ndarray, list[np.ndarray]]:
        """How far (2,) the fix is from what is expected: the measurement equation of docs/integration.md."""
        r, position = pose.rotation().matrix(), pose.translation()
        by_pose, by_beside = np.zeros((2, 6)), np.zeros((2, BESIDE))
        if self.sight is None:
            by_pose[:, 3:] = r[:2]
            return position[:2] - self.place[:2], [by_pose, by_beside]
        seen = self.sight + _cross(np.append(beside[BORESIGHT], 0.0)) @ self.sight
        eye, v = position + r @ options.camera, r @ seen
        reach = (self.place[2] - eye[2]) / v[2]
        ground = eye + reach * v
        along = (np.eye(3) - np.outer(v, UP) / v[2])[:2]
        offset = np.sqrt(options.place_share) * np.linalg.cholesky(self.covariance)
        by_pose[:, :3], by_pose[:, 3:] = -along @ _cross(ground - position) @ r, along @ r
        by_beside[:, BORESIGHT] = -reach * (along @ r @ _cross(self.sight))[:, :2]
        by_beside[:, PLACE] = offset
        return ground[:2] + offset @ beside[PLACE] - self.place[:2], [by_pose, by_beside]


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
        covariance[3:6, 3:6] += error @ error * rotation.T @ np.diag([1.0, 1.0, 0.0]) @ rotation
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


def _cross(v: np.ndarray) -> np.ndarray:
    return np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


def _turned(vector: np.ndarray) -> np.ndarray:
    return gtsam.Rot3.Expmap(vector).matrix()
