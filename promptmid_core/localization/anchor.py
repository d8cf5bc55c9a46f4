"""Where the frame `odom` lies in `map`: known at one moment, from a pose given by hand or from a fix, and ageing since."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose, Prior
from promptmid_core.geometry.pose import skew

PLANE = [0, 1, 5]  # x, y, yaw: what a fix observes
TILT = [2, 3, 4]  # z, roll, pitch
LEVEL = [3, 4]  # roll, pitch: `odom` is level (REP-105), so odometry alone knows them


@dataclass(frozen=True)
class Drift:
    """How odometry drifts with each metre flown, one sigma: `place` in metres per metre along each axis, `yaw` in radians."""

    place: float
    yaw: float


@dataclass(frozen=True)
class Anchor:
    """`map_from_odom`, a shift and a turn about the vertical, and how well it is known.

    `at` (3,): where `base_link` was in `map` when it was set; `flown_m`: how far it had flown then; `covariance` (6, 6): of that
    pose, map axes; `answered` (6, 6): the odometry's covariance of then, odom axes, as far as a fix has replaced it; `drift`:
    the odometry's own since then.
    """

    map_from_odom: Pose
    at: Float64
    flown_m: float
    covariance: Float64
    answered: Float64
    drift: Drift

    @staticmethod
    def by_hand(given: Prior, odometry: Prior, flown_m: float, drift: Drift) -> Anchor:
        """Return the anchor of a pose of `base_link` in `map`, given by hand, and the odometry of that time in `odom`.

        Roll and pitch are the odometry's. Where the variances of z, roll and pitch are all zero the pose is a planar one, as a
        mouse click on a map gives it, and z is the odometry's too. The rest of its covariance adds to all that the odometry
        states for itself.
        """
        roll, pitch, _ = odometry.pose.rpy()
        position, covariance = given.pose.position, given.covariance.copy()
        if not given.covariance[TILT, TILT].any():
            position = np.append(position[:2], odometry.pose.position[2])
        covariance[LEVEL, :] = covariance[:, LEVEL] = 0.0
        pose = Pose.from_rpy(position, roll, pitch, given.pose.yaw)
        return Anchor(pose @ odometry.pose.inverse(), pose.position, flown_m, covariance, np.zeros((6, 6)), drift)

    def moved(self, fix: Pose, covariance: Float64, odometry: Prior, flown_m: float) -> Anchor:
        """Return the anchor with which the odometry of a fix's time has the fix's x, y and yaw; the rest stays the odometry's.

        `covariance` (6, 6) is the fix's, in map axes.
        """
        delta = np.zeros(6)
        before = self.map_from_odom @ odometry.pose
        delta[PLANE] = fix.correction_from(before)[PLANE]
        after = before.corrected(delta)
        known = np.zeros((6, 6))
        known[np.ix_(PLANE, PLANE)] = covariance[np.ix_(PLANE, PLANE)]
        known[2, 2] = self.covariance[2, 2]
        answered = np.zeros((6, 6))
        answered[np.ix_(PLANE, PLANE)] = odometry.covariance[np.ix_(PLANE, PLANE)]
        return Anchor(after @ odometry.pose.inverse(), after.position, flown_m, known, answered, self.drift)

    def prior(self, odometry: Prior, flown_m: float) -> Prior:
        """Return odometry in `odom`, after `flown_m` metres in all, as a prior in `map`."""
        pose = self.map_from_odom @ odometry.pose
        # an error of the heading then is an error of place that grows with the displacement since
        lever = np.eye(6)
        lever[:3, 3:] = -skew(pose.position - self.at)
        turn = np.kron(np.eye(2), self.map_from_odom.rotation)
        covariance = lever @ self.covariance @ lever.T + turn @ _grown(odometry.covariance, self.answered) @ turn.T
        flown = max(flown_m - self.flown_m, 0.0)
        covariance[[0, 1], [0, 1]] += (self.drift.place * flown) ** 2
        covariance[5, 5] += (self.drift.yaw * flown) ** 2
        return replace(odometry, pose=pose, covariance=(covariance + covariance.T) / 2)


def _grown(now: Float64, then: Float64) -> Float64:
    """What (6, 6) a covariance has grown by, nowhere negative."""
    if not then.any():
        return now
    # metres and radians differ by orders of magnitude: compared as correlations
    sigma = np.sqrt(np.diag(now))
    values, vectors = np.linalg.eigh((now - then) / np.outer(sigma, sigma))
    grown: Float64 = (vectors * np.maximum(values, 0.0)) @ vectors.T * np.outer(sigma, sigma)
    return grown
