"""A flight as the topics of the localizer and of odometry tell of it, for what an autopilot is told."""

from __future__ import annotations

from math import degrees
from types import SimpleNamespace
from typing import Any

import numpy as np

from promptmid_core.geometry import Pose
from promptmid_core.georaster import MapFrame
from promptmid_core.georaster.geodetic import Geodetic

FRAME = MapFrame("EPSG:32611", (650_000.0, 3_700_000.0))
GEODETIC = Geodetic(FRAME, "ellipsoid WGS 84")
START_NS = 1_700_000_000_000_000_000
STEP_S = 0.02
SPEED_M_S = 50.0
PROTECTION_M = 37.17
ODOM = Pose.from_rpy(np.array([-400.0, 900.0, 12.0]), 0.0, 0.0, 0.7)


def at(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


def pose(seconds: float) -> Pose:
    """Where the aircraft is in `map`: a wide turn to the left, banked, nose up, climbing."""
    yaw = 0.4 + 0.05 * seconds
    radius = SPEED_M_S / 0.05
    place = np.array([9000.0 + radius * (np.sin(yaw) - np.sin(0.4)), -4000.0 - radius * (np.cos(yaw) - np.cos(0.4)),
                      1500.0 + 2 * seconds])
    return Pose.from_rpy(place, -0.2, -0.05, yaw)


def header(stamp: int, frame: str) -> Any:
    return SimpleNamespace(stamp=SimpleNamespace(sec=stamp // 10 ** 9, nanosec=stamp % 10 ** 9), frame_id=frame)


def _pose(its: Pose, covariance: np.ndarray) -> Any:
    position, quaternion = its.position, its.quaternion()
    return SimpleNamespace(covariance=covariance.ravel().tolist(), pose=SimpleNamespace(
        position=SimpleNamespace(**dict(zip("xyz", position.tolist(), strict=True))),
        orientation=SimpleNamespace(**dict(zip("xyzw", quaternion.tolist(), strict=True)))))


def odometry(seconds: float, jump: float = 0.0) -> Any:
    """In `odom`, without drift, with a velocity; `jump`: metres that a filter has moved it by."""
    true = ODOM.inverse() @ pose(seconds)
    its = Pose(true.position + np.array([jump, 0.0, 0.0]), true.rotation)
    ahead = (pose(seconds).inverse() @ pose(seconds + 1e-3)).position / 1e-3
    vectors = {"linear": SimpleNamespace(**dict(zip("xyz", ahead.tolist(), strict=True))),
               "angular": SimpleNamespace(x=0.0, y=0.0, z=0.05)}
    covariance = np.zeros((6, 6))
    covariance[0, 0] = covariance[1, 1] = 0.25
    return SimpleNamespace(header=header(at(seconds), "odom"), child_frame_id="base_link",
                           pose=_pose(its, np.diag([4.0, 4.0, 9.0, 1e-4, 1e-4, 1e-3])),
                           twist=SimpleNamespace(twist=SimpleNamespace(**vectors), covariance=covariance.ravel().tolist()))


def fix_pose(seconds: float) -> Any:
    """`~/pose`."""
    return SimpleNamespace(header=header(at(seconds), "map"), pose=_pose(pose(seconds), np.diag([9.0, 9, 1e6, 1e6, 1e6, 1e-4])))


def navsat_fix(seconds: float) -> Any:
    """`~/navsat_fix`."""
    place = GEODETIC.place(*pose(seconds).position.tolist())
    return SimpleNamespace(header=header(at(seconds), "base_link"), status=SimpleNamespace(status=0), latitude=place.latitude,
                           longitude=place.longitude, altitude=place.altitude)


def verdict(seconds: float, reason: str = "fix", state: str = "TRACKING", **values: str) -> Any:
    """`~/match_diagnostics`."""
    north = GEODETIC.north(*pose(seconds).position[:2].tolist())
    told = {"verdict": "fix" if reason == "fix" else "no fix", "reason": reason, "state": state,
            "grid_convergence_deg": f"{degrees(north.azimuth):.10g}", "grid_scale": f"{north.scale:.10g}",
            "protection_m": f"{PROTECTION_M}", **values}
    pairs = [SimpleNamespace(key=key, value=value) for key, value in told.items()]
    return SimpleNamespace(header=header(at(seconds), ""), status=[SimpleNamespace(values=pairs)])


def fly(relay: Any, begin: float, end: float) -> None:
    """Let odometry of a time come."""
    for step in range(round(begin / STEP_S), round(end / STEP_S) + 1):
        relay.add_odometry(odometry(step * STEP_S))


def find(relay: Any, seconds: float, **values: str) -> Any:
    """Let a fix come, and return what it completes."""
    relay.add_pose(fix_pose(seconds))
    relay.add_place(navsat_fix(seconds))
    return relay.add_verdict(verdict(seconds, **values))
