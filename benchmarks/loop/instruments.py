"""What the filter of the example takes and gives, from and to what the localizer takes and gives."""

from __future__ import annotations

from math import cos, sin
from typing import Any

import numpy as np
from filter_model import Belief, Fix, Motion

from benchmarks.loop.sensors import Reckoned
from promptmid_core.arrays import Float64
from promptmid_core.bags import telemetry
from promptmid_core.geometry import Pose
from promptmid_core.localization import fix as localized

X_Y_YAW = [0, 1, 5]


def motion_of(told: Reckoned, start_ns: int = 0) -> Motion:
    """Return dead reckoning as the filter takes it."""
    up = np.array([-sin(told.pitch), sin(told.roll) * cos(told.pitch), cos(told.roll) * cos(told.pitch)])
    return Motion(start_ns + round(told.second * 1e9), told.velocity, told.rate, up, told.height)


def odometry_of(belief: Belief) -> Any:
    """Return the nav_msgs/Odometry in `map` of what the filter believes."""
    velocity, rate, covariance = belief.motion()
    return telemetry.odometry(belief.at.stamp_ns, pose_of(belief), belief.in_map(), velocity, rate, covariance)


def pose_of(belief: Belief) -> Pose:
    return Pose(belief.pose.translation(), belief.pose.rotation().matrix())


def fix_of(fix: localized.Fix, fixes: str) -> Fix | None:
    """Return a fix of the localizer as the filter takes it, by its ground point or its pose; None where there is none."""
    if fix.pose is None or fix.covariance is None or fix.ground is None:
        return None
    covariance = fix.covariance[np.ix_(X_Y_YAW, X_Y_YAW)]
    if fixes == "pose":
        return Fix(fix.stamp_ns, fix.pose.position, fix.pose.yaw, covariance, None)
    return Fix(fix.stamp_ns, fix.ground.point, fix.pose.yaw, of_ground(fix.ground.covariance, float(covariance[2, 2])),
               fix.ground.sight)


def of_ground(ground: Float64, yaw: float) -> Float64:
    """Return the covariance (3, 3) of a ground point's x and y and of the yaw of the same fix."""
    covariance = np.diag([0.0, 0.0, yaw])
    covariance[:2, :2] = ground
    return covariance
