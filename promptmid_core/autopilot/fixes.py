"""A fix as three topics tell of it, put together in whatever order they come."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from promptmid_core.autopilot.verdicts import ImageVerdict
from promptmid_core.bags.messages import place_from, prior_from, stamp_ns
from promptmid_core.geometry import Pose, Prior

KEPT = 32  # images of which something has come, and the rest not yet


@dataclass(frozen=True)
class ToldFix:
    """A fix: the image's `stamp_ns`; `pose` of `base_link` in `map`; `latitude` and `longitude` in degrees, `altitude` in metres
    above the ellipsoid, NaN where it is not known; `convergence`: the azimuth of grid north in radians; `scale`: metres of the
    map for a metre on the ellipsoid; `protection`: its level in metres; `yaw_variance` in square radians, 1e6 where the fix does
    not observe the heading."""

    stamp_ns: int
    pose: Pose
    latitude: float
    longitude: float
    altitude: float
    convergence: float
    scale: float
    protection: float
    yaw_variance: float


class Joining:
    """Keeps what has come of each image until its pose, its place and its verdict are there.

    Each method returns the fix that it completes, else None; messages that cannot be believed raise Refusal PRIOR_INVALID.
    """

    def __init__(self) -> None:
        self._poses: dict[int, Prior] = {}
        self._places: dict[int, tuple[float, float, float]] = {}
        self._verdicts: dict[int, ImageVerdict] = {}

    def pose(self, message: Any) -> ToldFix | None:
        """Take a message of `~/pose`."""
        return self._joined(stamp_ns(message.header), self._poses, prior_from(message))

    def place(self, message: Any) -> ToldFix | None:
        """Take a message of `~/navsat_fix`."""
        return self._joined(stamp_ns(message.header), self._places, place_from(message))

    def verdict(self, verdict: ImageVerdict) -> ToldFix | None:
        """Take what `~/match_diagnostics` tells of a fix."""
        return self._joined(verdict.stamp_ns, self._verdicts, verdict)

    def _joined(self, stamp: int, kind: dict[int, Any], value: Any) -> ToldFix | None:
        kind[stamp] = value
        while len(kind) > KEPT:
            del kind[next(iter(kind))]
        pose, place, verdict = self._poses.get(stamp), self._places.get(stamp), self._verdicts.get(stamp)
        if pose is None or place is None or verdict is None:
            return None
        for each in (self._poses, self._places, self._verdicts):
            each.pop(stamp)
        return ToldFix(stamp, pose.pose, *place, verdict.convergence, verdict.scale, verdict.protection,
                       float(pose.covariance[5, 5]))


def is_placed(fix: ToldFix) -> bool:
    """Return whether it is told where true north is: a node of an earlier version does not."""
    return isfinite(fix.convergence) and isfinite(fix.scale) and fix.scale > 0
