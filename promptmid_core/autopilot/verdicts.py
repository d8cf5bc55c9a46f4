"""What `~/match_diagnostics` tells of an image, as far as an autopilot has to know it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan, radians
from typing import Any

from promptmid_core.bags.messages import stamp_ns


@dataclass(frozen=True)
class ImageVerdict:
    """`fixed`: whether there is a fix; `protection`: metres, infinite where there is none; `convergence`: the azimuth of grid
    north in radians, and `scale`, metres of the map for a metre on the ellipsoid, both NaN where they are not told."""

    stamp_ns: int
    fixed: bool
    reason: str
    state: str
    protection: float = inf
    convergence: float = nan
    scale: float = nan


def verdict_from(message: Any) -> ImageVerdict | None:
    """Return the verdict that a diagnostic_msgs/DiagnosticArray of `~/match_diagnostics` carries; None where it carries none."""
    for status in message.status:
        told = {pair.key: pair.value for pair in status.values}
        if {"verdict", "reason"} <= told.keys():
            return ImageVerdict(
                stamp_ns(message.header), told["verdict"] == "fix", told["reason"], told.get("state", ""),
                _number(told.get("protection_m"), inf), radians(_number(told.get("grid_convergence_deg"), nan)),
                _number(told.get("grid_scale"), nan))
    return None


def _number(text: str | None, otherwise: float) -> float:
    try:
        return float(text or "")
    except ValueError:
        return otherwise
