"""VISION_POSITION_ESTIMATE of MAVLink: a pose in north-east-down metres about an origin, thirty times a second."""

from __future__ import annotations

from typing import Any

import numpy as np

from promptmid_core.autopilot.carrying import Carried
from promptmid_core.autopilot.earth import NED_FROM_ENU, attitude_ned, north_east, true_from_map


def vision_position(carried: Carried, origin: tuple[float, float], resets: int) -> dict[str, Any]:
    """Return the fields of VISION_POSITION_ESTIMATE of a carried fix, about an origin: latitude and longitude, degrees.

    Down is the negative z of `map`, with the variance that odometry states. `resets`: how often the aircraft was found anew.
    """
    north, east = north_east(origin, carried.latitude, carried.longitude)
    roll, pitch, yaw = attitude_ned(carried.pose.rotation, carried.fix.convergence)
    turn = np.kron(np.eye(2), NED_FROM_ENU @ true_from_map(carried.fix.convergence))
    covariance = (turn @ carried.covariance @ turn.T)[np.triu_indices(6)]
    return {"usec": carried.stamp_ns // 1000, "x": north, "y": east, "z": -float(carried.pose.position[2]), "roll": roll,
            "pitch": pitch, "yaw": yaw, "covariance": covariance.tolist(), "reset_counter": resets}
