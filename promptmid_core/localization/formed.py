"""What a source tells, in the form of odometry: a nav_msgs/Odometry by the names of its fields."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose


def odometry(stamp_ns: int, frame: str, child: str, pose: Pose, covariance: Float64, velocity: Float64 | None = None,
             turning: Float64 | None = None, velocity_variance: float = 0.0) -> Any:
    """Return odometry of `child` in `frame`. `covariance` (6, 6), zeros where it is not known; `velocity` (3,) and rates
    `turning` (3,) along the axes of `child`, None where they are not known."""
    nothing = np.zeros(3)
    known = velocity is not None
    twist_covariance = np.zeros(36)
    twist_covariance[[0, 7]] = velocity_variance
    stamp = SimpleNamespace(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)
    x, y, z, w = (float(each) for each in pose.quaternion())
    inner = SimpleNamespace(position=_vector(pose.position), orientation=SimpleNamespace(x=x, y=y, z=z, w=w))
    twist = SimpleNamespace(linear=_vector(velocity if velocity is not None else nothing),
                            angular=_vector(turning if known and turning is not None else nothing))
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id=frame), child_frame_id=child,
        pose=SimpleNamespace(pose=inner, covariance=covariance.ravel()),
        twist=SimpleNamespace(twist=twist, covariance=twist_covariance))


def _vector(values: Float64) -> Any:
    x, y, z = (float(each) for each in values)
    return SimpleNamespace(x=x, y=y, z=z)
