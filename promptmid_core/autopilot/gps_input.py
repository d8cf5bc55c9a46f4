"""GPS_INPUT of MAVLink, as ArduPilot takes it: a receiver, five times a second or more."""

from __future__ import annotations

from math import degrees, isfinite, sqrt
from typing import Any

from promptmid_core.autopilot.carrying import Carried
from promptmid_core.autopilot.earth import attitude_ned
from promptmid_core.autopilot.options import RelayOptions
from promptmid_core.localization.fix import UNOBSERVED_VARIANCE

# GPS_INPUT_IGNORE_FLAGS
ALT, HDOP, VDOP, VEL_HORIZ, VEL_VERT, SPEED_ACCURACY, VERTICAL_ACCURACY = 1, 2, 4, 8, 16, 32, 128
UNKNOWN_DOP = 65535
FIX_3D = 3  # with less ArduPilot does not navigate
EPOCH_S, LEAP_S, WEEK_MS = 315_964_800, 18, 604_800_000
EARLIEST_NS = 1_000_000_000_000_000_000  # a stamp before this counts from a start, not from 1970


def gps_input(carried: Carried, options: RelayOptions) -> dict[str, Any]:
    """Return the fields of GPS_INPUT for where a fix has led to.

    What is not known is flagged to be ignored: dilution of precision always, altitude without a geoid height, velocity and the
    accuracies that odometry does not state. Yaw is of the nose, from true north, 0 where the fix does not observe it. The time
    is that of the position.
    """
    flags = HDOP | VDOP
    altitude = carried.altitude - options.geoid_height_m
    known = isfinite(altitude)
    flags |= 0 if known else ALT
    flags |= 0 if known and carried.covariance[2, 2] > 0 else VERTICAL_ACCURACY
    velocity = carried.velocity
    flags |= VEL_HORIZ | VEL_VERT if velocity is None else 0
    flags |= 0 if carried.velocity_sigma > 0 else SPEED_ACCURACY
    week, week_ms = gps_time(carried.stamp_ns)
    east, north, up = (0.0, 0.0, 0.0) if velocity is None else (float(each) for each in velocity)
    return {
        "time_usec": carried.stamp_ns // 1000, "gps_id": options.sensor_id, "ignore_flags": flags, "time_week_ms": week_ms,
        "time_week": week, "fix_type": FIX_3D, "lat": e7(carried.latitude), "lon": e7(carried.longitude),
        "alt": altitude if known else 0.0, "hdop": UNKNOWN_DOP, "vdop": UNKNOWN_DOP, "vn": north, "ve": east, "vd": -up,
        "speed_accuracy": carried.velocity_sigma, "horiz_accuracy": carried.sigma,
        "vert_accuracy": sqrt(carried.covariance[2, 2]) if known else 0.0, "satellites_visible": 0, "yaw": _yaw(carried),
    }


def e7(angle: float) -> int:
    """Return degrees as MAVLink counts them, in ten-millionths: the nearest one, at most 6 mm away."""
    return round(angle * 1e7)


def gps_time(stamp_ns: int) -> tuple[int, int]:
    """Return the week of satellite time and the milliseconds in it; zeros for a stamp that does not count from 1970."""
    if stamp_ns < EARLIEST_NS:
        return 0, 0
    milliseconds = stamp_ns // 1_000_000 - (EPOCH_S - LEAP_S) * 1000
    return milliseconds // WEEK_MS, milliseconds % WEEK_MS


def _yaw(carried: Carried) -> int:
    """Hundredths of degrees, 36000 for north."""
    if carried.covariance[5, 5] >= UNOBSERVED_VARIANCE:
        return 0
    yaw = round(degrees(attitude_ned(carried.pose.rotation, carried.fix.convergence)[2]) * 100) % 36000
    return yaw or 36000
