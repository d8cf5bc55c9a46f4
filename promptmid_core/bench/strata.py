"""What success is told for apart: land use, ground resolution, and the days between the two images of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log

import numpy as np

from promptmid_core.arrays import Mask

RESOLUTIONS = {"1 m": 1.0, "5 m": 5.0, "10 m": 10.0}
UNKNOWN = "unknown"
DAYS = {"0-15": 15.0, "15-60": 60.0, "60-": inf}  # the last day of each


def resolution(gsd_m: float | None) -> str:
    """Return the class of RESOLUTIONS whose metres per pixel are nearest as a ratio: they part at 2.2 and 7.1 m."""
    if gsd_m is None:
        return UNKNOWN
    return min(RESOLUTIONS, key=lambda name: abs(log(gsd_m / RESOLUTIONS[name])))


def apart(days: int | None) -> str | None:
    """Return the class of DAYS, None where the days of the images are not known."""
    return None if days is None else next(name for name, last in DAYS.items() if days <= last)


def shares(success: Mask, strata: Sequence[str | None]) -> dict[str, float]:
    """Return the share of successes of each stratum that has trials, in the order of their names; None is of no stratum."""
    of = np.array([stratum or "" for stratum in strata])
    return {str(name): float(success[of == name].mean()) for name in np.unique(of) if name}
