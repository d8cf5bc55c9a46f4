"""Where the frame `odom` lies in `map`: known at one moment, from a pose given by hand or from a fix, and ageing since."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose, Prior
from promptmid_core.geometry.pose import skew

PLANE = [0, 1, 5]  # x, y, yaw: what a fix observes
TILT = [2, 3, 4]  # z, roll, pitch


@dataclass(frozen=True)
class Anchor:
    """`map_from_odom`, and how well it is known.

    `at` (3,): where `base_link` was in `map` when it was set; `covariance` (6, 6): of that pose, map axes; `answered` (6, 6):
    the odometry's covariance of then, odom axes, as far as a fix has replaced it; `drift_share`: standard deviation of the
    odometry's own drift since then, as a share of the distance flown.
    """

    map_from_odom: Pose
    at: Float64
    covariance: Float64
    answered: Float64
    drift_share: float = 0.0

    @staticmethod
    def by_hand(given: Prior, odometry: Prior) -> Anchor:
        """From a pose of `base_link` in `map` and the odometry of that time in `odom`.

        Where the variances of z, roll and pitch are all zero the pose is a planar one, as a mouse click on a map gives it, and
        these three come from the odometry. Its covariance adds to all that the odometry states for itself.
        """
        pose = given.pose
        if not given.covariance[TILT, TILT].any():
            roll, pitch, _ = odometry.pose.rpy()
            pose = Pose.from_rpy(np.append(pose.position[:2], odometry.pose.position[2]), roll, pitch, pose.yaw)
        return Anchor(pose @ odometry.pose.inverse(), pose.position, given.covariance, np.zeros((6, 6)))

    def moved(self, fix: Pose, covariance: Float64, odometry: Prior, drift_share: float) -> Anchor:
        """Moved so that the odometry of the fix's time has the fix's x, y and yaw; z, roll and pitch stay the odometry's.

        `covariance` (6, 6) is the fix's, in map axes.
        """
        delta = np.zeros(6)
        before = self.map_from_odom @ odometry.pose
        delta[PLANE] = fix.correction_from(before)[PLANE]
        after = before.corrected(delta)
        known = np.zeros((6, 6))
        known[np.ix_(PLANE, PLANE)] = covariance[np.ix_(PLANE, PLANE)]
        known[np.ix_(TILT, TILT)] = self.covariance[np.ix_(TILT, TILT)]
        answered = np.zeros((6, 6))
        answered[np.ix_(PLANE, PLANE)] = odometry.covariance[np.ix_(PLANE, PLANE)]
        return Anchor(after @ odometry.pose.inverse(), after.position, known, answered, drift_share)

    def prior(self, odometry: Prior) -> Prior:
        """Odometry in `odom` as a prior in `map`."""
        pose = self.map_from_odom @ odometry.pose
        flown = pose.position - self.at
        # an error of the heading then is an error of place that grows with the distance since
        lever = np.eye(6)
        lever[:3, 3:] = -skew(flown)
        turn = np.kron(np.eye(2), self.map_from_odom.rotation)
        covariance = lever @ self.covariance @ lever.T + turn @ _grown(odometry.covariance, self.answered) @ turn.T
        covariance[[0, 1], [0, 1]] += (self.drift_share * float(np.linalg.norm(flown[:2]))) ** 2
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
