"""A fix carried on by odometry: where the aircraft is since, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, radians, sqrt
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.autopilot.earth import advanced, true_from_map
from promptmid_core.autopilot.fixes import ToldFix
from promptmid_core.autopilot.options import CarryOptions
from promptmid_core.errors import Refusal
from promptmid_core.geometry import DeadReckoning, Pose, Prior
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.localization.reckoning import Twist
from promptmid_core.localization.rig import Rig

STANDING_M_S = 0.1  # by which an aircraft that stands drifts too
STANDING = Pose(np.zeros(3), np.eye(3))


@dataclass(frozen=True)
class Carried:
    """Where a fix has led to at `stamp_ns`: `pose` in `map`; `latitude`, `longitude` in degrees and `altitude` in
    metres above the ellipsoid, NaN where it is not known; `sigma`: standard deviation of each horizontal axis in metres;
    `velocity` (3,) in m/s to true east, north and up, None where odometry states none, with its standard deviation
    `velocity_sigma`, 0 where that is not stated; `covariance` (6, 6) in ROS order by the axes of `map`."""

    fix: ToldFix
    stamp_ns: int
    pose: Pose
    latitude: float
    longitude: float
    altitude: float
    sigma: float
    covariance: Float64
    velocity: Float64 | None = None
    velocity_sigma: float = 0.0

    @property
    def age_s(self) -> float:
        """Seconds since the fix's image."""
        return (self.stamp_ns - self.fix.stamp_ns) / 1e9


class Carrier:
    """Follows odometry, by its differences alone, so that no jump of a filter that takes the fixes counts twice."""

    def __init__(self, options: CarryOptions, risk: float) -> None:
        self._options, self._risk = options, risk
        self._buffer = PriorBuffer()
        self._odometry = Odometry(Rig(options.base_frame), buffer=self._buffer)
        self._twist: Twist | None = None

    def add(self, message: Any) -> None:
        """Take a nav_msgs/Odometry."""
        self._odometry.add(message)
        if self._odometry.refusal is None:
            self._twist = Twist.of(message)

    @property
    def problem(self) -> str:
        """Why the last message could not be used; empty where it could."""
        return str(self._odometry.refusal or "")

    @property
    def newest_ns(self) -> int | None:
        """The stamp of the newest odometry that could be used."""
        return self._buffer.newest_ns

    def carried(self, fix: ToldFix, now_ns: int) -> Carried | None:
        """Return where a fix has led to by the newest odometry, and from there to the present by its velocity, where that is
        stated; None where no odometry leads there."""
        newest = self._buffer.newest_ns
        if newest is None or newest < fix.stamp_ns:
            return None
        try:
            then, now = self._buffer.at(fix.stamp_ns), self._buffer.at(newest)
        except Refusal:
            return None
        if then.motion is None or now.motion is None:
            return None
        ahead_ns = max(now_ns - newest, 0) if self._twist else 0
        return self._led(fix, now, then.motion, now.motion, ahead_ns)

    def _led(self, fix: ToldFix, now: Prior, then: DeadReckoning, since: DeadReckoning, ahead_ns: int) -> Carried:
        step = self._twist.step(ahead_ns / 1e9) if self._twist else STANDING
        pose = fix.pose @ (then.pose.inverse() @ since.pose @ step)
        turn = true_from_map(fix.convergence)
        east, north, up = (turn @ (pose.position - fix.pose.position)).tolist()
        latitude, longitude = advanced(fix.latitude, fix.longitude, east / fix.scale, north / fix.scale)
        stamp_ns = now.stamp_ns + ahead_ns
        seconds, flown = (stamp_ns - fix.stamp_ns) / 1e9, since.flown - then.flown + float(np.linalg.norm(step.position))
        drift = max(self._options.odometry_drift * flown, since.loose - then.loose)
        off = drift + since.unsure_since(then) + STANDING_M_S * seconds
        sigma = sqrt(sigma_of(fix.protection, self._risk) ** 2 + off ** 2)
        covariance = now.covariance.copy()
        covariance[[0, 1, 5]] = covariance[:, [0, 1, 5]] = 0.0
        covariance[0, 0] = covariance[1, 1] = sigma ** 2
        covariance[5, 5] = fix.yaw_variance + (radians(self._options.yaw_drift_deg_per_km) * flown / 1000) ** 2
        twist = self._twist if self._options.send_velocity else None
        velocity = None if twist is None else turn @ pose.rotation @ twist.linear
        return Carried(fix, stamp_ns, pose, latitude, longitude, fix.altitude + up, sigma, covariance, velocity,
                       0.0 if twist is None else twist.sigma)


def sigma_of(protection: float, risk: float) -> float:
    """Return the standard deviation of each of two axes whose error exceeds the protection level with this probability."""
    return protection / sqrt(-2 * log(risk))
