"""Poses of `base_link` in `map`, their 6x6 covariance, and small corrections to them."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, hypot

import numpy as np

from promptmid_core.arrays import Float64


@dataclass(frozen=True)
class Pose:
    """Rigid transform of a child frame in `map`: `position` (3,) in metres, `rotation` (3, 3) child -> map."""

    position: Float64
    rotation: Float64

    @staticmethod
    def from_quaternion(position: Float64, xyzw: Float64) -> Pose:
        """Return the pose of a unit quaternion in ROS order (x, y, z, w). Raises ValueError where it is not of unit length within
        1 %."""
        q = np.asarray(xyzw, float)
        # no overflow, whatever the four numbers
        norm = hypot(*q)
        if not abs(norm - 1.0) < 0.01:
            raise ValueError(f"quaternion of length {norm:.3g} is not a rotation")
        x, y, z, w = q / norm
        rotation = np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ])
        return Pose(np.asarray(position, float), rotation)

    @staticmethod
    def from_rpy(position: Float64, roll: float, pitch: float, yaw: float) -> Pose:
        """Return the pose of fixed-axis roll, pitch, yaw in radians (REP-103)."""
        return Pose(np.asarray(position, float), rotation_rpy(roll, pitch, yaw))

    def quaternion(self) -> Float64:
        """Return the unit quaternion (x, y, z, w) with w >= 0."""
        m = self.rotation
        # the largest of the four squared components keeps the division well conditioned
        squares = np.array([1 + m[0, 0] - m[1, 1] - m[2, 2], 1 - m[0, 0] + m[1, 1] - m[2, 2],
                            1 - m[0, 0] - m[1, 1] + m[2, 2], 1 + m[0, 0] + m[1, 1] + m[2, 2]])
        i = int(np.argmax(squares))
        rows = (
            (squares[0], m[1, 0] + m[0, 1], m[0, 2] + m[2, 0], m[2, 1] - m[1, 2]),
            (m[1, 0] + m[0, 1], squares[1], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]),
            (m[0, 2] + m[2, 0], m[2, 1] + m[1, 2], squares[2], m[1, 0] - m[0, 1]),
            (m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], squares[3]),
        )
        q = np.array(rows[i]) / np.linalg.norm(rows[i])
        quaternion: Float64 = q if q[3] >= 0 else -q
        return quaternion

    def rpy(self) -> tuple[float, float, float]:
        """Fixed-axis roll, pitch, yaw in radians."""
        m = self.rotation
        return (atan2(m[2, 1], m[2, 2]), atan2(-m[2, 0], float(np.hypot(m[2, 1], m[2, 2]))), atan2(m[1, 0], m[0, 0]))

    @property
    def yaw(self) -> float:
        return self.rpy()[2]

    def __matmul__(self, other: Pose) -> Pose:
        return Pose(self.position + self.rotation @ other.position, self.rotation @ other.rotation)

    def inverse(self) -> Pose:
        return Pose(-self.rotation.T @ self.position, self.rotation.T)

    def corrected(self, delta: Float64) -> Pose:
        """Moved by `delta` (6,): metres along the map axes, then a rotation vector about the map axes through the child.

        This is the perturbation that a ROS covariance describes (x, y, z, rotation about the fixed X, Y, Z axes).
        """
        return Pose(self.position + delta[:3], rotation_vector(delta[3:]) @ self.rotation)

    def correction_from(self, other: Pose) -> Float64:
        """Return the `delta` (6,) with `other.corrected(delta) == self`."""
        return np.concatenate([self.position - other.position, log_rotation(self.rotation @ other.rotation.T)])


@dataclass(frozen=True)
class DeadReckoning:
    """How the aircraft has moved: `pose`, where it would be had the filter's estimate never jumped, in a frame that never does;
    `flown` metres over the ground; `loose` metres by which the way may be wrong by what odometry states of its velocity, one
    standard deviation; `doubt` metres more, where odometry was missing; `torn` metres more, where its poses and its velocities
    went apart for good; `velocity`: m/s along x and y of that frame."""

    pose: Pose
    flown: float
    loose: float = 0.0
    doubt: float = 0.0
    torn: float = 0.0
    velocity: tuple[float, float] = (0.0, 0.0)

    def unsure_since(self, before: DeadReckoning) -> float:
        """Return the metres by which the way since an earlier time may be wrong beyond what odometry states."""
        return self.doubt - before.doubt + self.torn - before.torn


@dataclass(frozen=True)
class Prior:
    """Where the filter believes `base_link` is: time in ns, pose in `map`, covariance (6, 6) in ROS order.

    `motion`: the same pose by the aircraft's motion alone, None where nothing is known of that; `ranged`: whether its height is
    that above the ground by a range.
    """

    stamp_ns: int
    pose: Pose
    covariance: Float64
    motion: DeadReckoning | None = None
    ranged: bool = False

    @property
    def way(self) -> DeadReckoning:
        """The motion; where nothing is known of it, that of an aircraft which has flown to this very pose."""
        return self.motion or DeadReckoning(self.pose, 0.0)

    @property
    def map_from_motion(self) -> Pose:
        """The shift and the turn about the vertical that take the pose of the way to this place and heading."""
        motion = self.way.pose
        turn = Pose.from_rpy(np.zeros(3), 0.0, 0.0, self.pose.yaw - motion.yaw)
        return Pose(self.pose.position - turn.rotation @ motion.position, turn.rotation)

    @property
    def velocity(self) -> Float64:
        """The velocity (2,) along the map's x and y, in m/s; zero where nothing is known of the motion."""
        velocity: Float64 = self.map_from_motion.rotation[:2, :2] @ np.array(self.way.velocity)
        return velocity

    def headed(self, yaw: float) -> Pose:
        """Return the pose with another heading, turned about the vertical."""
        turn = yaw - self.pose.yaw
        return self.pose.corrected(np.array([0, 0, 0, 0, 0, atan2(np.sin(turn), np.cos(turn))]))


def rotation_rpy(roll: float, pitch: float, yaw: float) -> Float64:
    """Return the rotation matrix of fixed-axis roll, pitch, yaw in radians: Rz(yaw) Ry(pitch) Rx(roll)."""
    cr, sr, cp, sp, cy, sy = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    return np.array([
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ])


def rotation_vector(vector: Float64) -> Float64:
    """Return the rotation matrix of a rotation vector (3,) in radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3) + skew(vector)
    k = skew(np.asarray(vector, float) / angle)
    rotation: Float64 = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)
    return rotation


def log_rotation(rotation: Float64) -> Float64:
    """Return the rotation vector (3,) of a rotation matrix, of length at most pi."""
    x, y, z, w = Pose(np.zeros(3), rotation).quaternion()
    axis = np.array([x, y, z])
    sine = float(np.linalg.norm(axis))
    vector: Float64 = 2 * axis if sine < 1e-12 else axis * (2 * atan2(sine, w) / sine)
    return vector


def skew(v: Float64) -> Float64:
    """Return the matrix with skew(v) @ u = v x u."""
    return np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


def interpolate(before: Prior, after: Prior, stamp_ns: int) -> Prior:
    """Return the prior between two odometry samples: position linear, rotation along the geodesic, covariance linear."""
    span = after.stamp_ns - before.stamp_ns
    share = (stamp_ns - before.stamp_ns) / span if span else 0.0
    motion = None
    if before.motion is not None and after.motion is not None:
        first, last = before.motion, after.motion
        flown, loose, doubt, torn = ((1 - share) * one + share * other for one, other in (
            (first.flown, last.flown), (first.loose, last.loose), (first.doubt, last.doubt), (first.torn, last.torn)))
        motion = DeadReckoning(_between(first.pose, last.pose, share), flown, loose, doubt, torn, last.velocity)
    return Prior(stamp_ns, _between(before.pose, after.pose, share), (1 - share) * before.covariance + share * after.covariance,
                 motion)


def _between(before: Pose, after: Pose, share: float) -> Pose:
    return before.corrected(share * after.correction_from(before))
