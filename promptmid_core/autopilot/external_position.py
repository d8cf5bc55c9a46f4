"""MAV_CMD_EXTERNAL_POSITION_ESTIMATE, as ArduPilot and PX4 take it while they dead-reckon: one command a fix."""

from __future__ import annotations

from math import nan
from typing import Any

from promptmid_core.autopilot.fixes import ToldFix
from promptmid_core.autopilot.gps_input import e7

COMMAND, FRAME_GLOBAL = 43003, 0
WRAP_NS = 250_000_000_000  # a 32 bit number tells times up to this to 15 us


def external_position(fix: ToldFix, sigma: float, now_ns: int) -> dict[str, Any]:
    """Return the fields of COMMAND_INT for a fix that is sent at `now_ns`: sent when, how long after the image, how sure, where.

    A command of integers: a 32 bit number would hold a longitude to 13 m.
    """
    return {"frame": FRAME_GLOBAL, "command": COMMAND, "current": 0, "autocontinue": 0, "param1": now_ns % WRAP_NS / 1e9,
            "param2": (now_ns - fix.stamp_ns) / 1e9, "param3": sigma, "param4": nan, "x": e7(fix.latitude),
            "y": e7(fix.longitude), "z": nan}
