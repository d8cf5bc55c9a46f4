"""GLOBAL_POSITION_SENSOR of MAVLink, for a PX4 whose version has it: one message a fix."""

from __future__ import annotations

from math import isfinite, nan
from typing import Any

from promptmid_core.autopilot.fixes import ToldFix
from promptmid_core.autopilot.gps_input import e7
from promptmid_core.autopilot.options import RelayOptions

SOURCE_VISION = 2  # GLOBAL_POSITION_SRC: of a map that is matched


def global_position(fix: ToldFix, sigma: float, now_ns: int, options: RelayOptions) -> dict[str, Any]:
    """Return the fields of GLOBAL_POSITION_SENSOR for a fix that is sent at `now_ns`, with the time since its image; altitudes
    are NaN unless a geoid height is given, and the vertical accuracy is always unknown."""
    told, since_us = isfinite(options.geoid_height_m), (now_ns - fix.stamp_ns) // 1000
    return {"id": options.sensor_id, "time_usec": now_ns // 1000, "processing_time": max(since_us, 0), "source": SOURCE_VISION,
            "flags": 0, "lat": e7(fix.latitude), "lon": e7(fix.longitude), "alt_ellipsoid": fix.altitude if told else nan,
            "alt": fix.altitude - options.geoid_height_m, "eph": sigma, "epv": nan}
