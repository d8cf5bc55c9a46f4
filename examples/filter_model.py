"""What the filter of filter_gtsam.py believes of sensors and fixes: states, errors, and how each depends on the states."""

from __future__ import annotations

from dataclasses import dataclass

import gtsam
import numpy as np

# what is estimated beside the pose; docs/integration.md has the table
YAW_RATE, SCALE, SIDE, QUICK, SLOW, BORESIGHT, PLACE, HEIGHT = 0, 1, 2, [3, 4], [5, 6], [7, 8], [9, 10, 11], 12
BESIDE = 13
STATES = 6 + BESIDE
SECOND = 1_000_000_000
UP = np.array([0.0, 0.0, 1.0])
UPWARD = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])  # UPWARD @ v is the cross product of UP and v


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
        rate, quick, slow, boresight = np.radians([self.yaw_rate_deg_s, self.attitude_quick_deg, self.attitude_slow_deg,
                                                   self.boresight_deg])
        return np.array([rate, self.odometry_share, self.odometry_share, quick, quick, slow, slow, boresight, boresight,
                         1.0, 1.0, 1.0, self.height_m])

    def kept(self, way: Way) -> np.ndarray:
        """How much of them (BESIDE,) is the same at the end of a way: first-order Gauss-Markov processes of time, or of place."""
        odometry, quick, slow, boresight = (self.odometry_lasts_s, self.attitude_quick_lasts_s, self.attitude_slow_lasts_s,
                                            self.boresight_lasts_s)
        lasts = np.array([self.yaw_rate_lasts_s, odometry, odometry, quick, quick, slow, slow, boresight, boresight,
                          np.inf, np.inf, np.inf, self.height_lasts_s])
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
    """What the localizer says: `place` (3,) and `yaw` in map, and the `covariance` (3, 3) of x, y and yaw; `sight` (3,), the line
    of sight in base_link, where the place is a ground point, None where it is that of base_link."""

    stamp_ns: int
    place: np.ndarray
    yaw: float
    covariance: np.ndarray
    sight: np.ndarray | None

    def noise(self, options: Options) -> np.ndarray:
        """The part (3, 3) of the covariance that is new with this fix."""
        return self.covariance * (1.0 if self.sight is None else 1 - options.place_share)

    def error(self, pose: gtsam.Pose3, beside: np.ndarray, options: Options) -> tuple[np.ndarray, list[np.ndarray]]:
        """How far (3,) x, y and yaw are from what is expected: the measurement equation of docs/integration.md."""
        r, position = pose.rotation().matrix(), pose.translation()
        by_pose, by_beside, error = np.zeros((3, 6)), np.zeros((3, BESIDE)), np.zeros(3)
        error[2] = np.remainder(np.arctan2(r[1, 0], r[0, 0]) - self.yaw + np.pi, 2 * np.pi) - np.pi
        by_pose[2, 1:3] = np.array([r[1, 0] * r[0, 2] - r[0, 0] * r[1, 2], r[0, 0] * r[1, 1] - r[1, 0] * r[0, 1]]) / (
            r[0, 0] ** 2 + r[1, 0] ** 2)
        if self.sight is None:
            error[:2], by_pose[:2, 3:] = position[:2] - self.place[:2], r[:2]
            return error, [by_pose, by_beside]
        seen = self.sight + _cross(np.append(beside[BORESIGHT], 0.0)) @ self.sight
        eye, v = position + r @ options.camera, r @ seen
        reach = (self.place[2] - eye[2]) / v[2]
        ground = eye + reach * v
        along = (np.eye(3) - np.outer(v, UP) / v[2])[:2]
        error[:2] = (ground - self.place)[:2]
        by_pose[:2, :3], by_pose[:2, 3:] = -along @ _cross(ground - position) @ r, along @ r
        by_beside[:2, BORESIGHT] = -reach * (along @ r @ _cross(self.sight))[:, :2]
        by_beside[:, PLACE] = np.sqrt(options.place_share) * np.linalg.cholesky(self.covariance)
        return error + by_beside[:, PLACE] @ beside[PLACE], [by_pose, by_beside]


def _cross(v: np.ndarray) -> np.ndarray:
    return np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


def _turned(vector: np.ndarray) -> np.ndarray:
    return gtsam.Rot3.Expmap(vector).matrix()
