"""Where the ground of a fix has the aircraft, and how that changes with what the camera is told wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Camera, Prior
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.localization.attitude import offset, swing
from promptmid_core.localization.fix import Fix

LONGEST_NS, LOOSEST_M = 60_000_000_000, 1000.0  # without a fix, or in doubt, for longer, dead reckoning is begun anew
SPAN_NS = 250_000_000  # before and after an image: what it would show were it taken then


@dataclass(frozen=True)
class Resection:
    """Where the ground of a fix has the aircraft by the attitude of its `prior`: `place` (2,), east and north, m.

    `by_tilt` (2, 2), `by_delay` (2,): how far that is off for a mount that is off by radians of roll and pitch, and for images
    that are stamped a second late; `noise` (2, 2) in m2 of the ground. `yaw`: the heading by the image where it tells, and then
    `turning`: radians a second by which it changes.
    """

    prior: Prior
    place: Float64
    by_tilt: Float64
    by_delay: Float64
    noise: Float64
    yaw: float
    turning: float

    @staticmethod
    def of(fix: Fix, camera: Camera, around: list[Prior]) -> Resection:
        """Return what a fix says, of the priors SPAN_NS before its stamp, then, and SPAN_NS after it."""
        assert fix.pose is not None and fix.ground is not None
        prior, ground, tells = around[1], fix.ground, "yaw" in fix.observed
        yaw = fix.pose.yaw if tells else prior.pose.yaw
        onward = rotation_rpy(0.0, 0.0, yaw - prior.way.pose.yaw)
        met, rotations = [], []
        for each in around:
            rotations.append(rotation_rpy(0.0, 0.0, yaw - (each if tells else prior).pose.yaw) @ each.pose.rotation)
            moved = onward @ (each.way.pose.position - prior.way.pose.position) + rotations[-1] @ camera.mount.position
            met.append(moved[:2] + offset(rotations[-1], ground.sight, float(fix.pose.position[2] + moved[2] - ground.point[2])))
        span = 2 * SPAN_NS / 1e9
        turned = around[2].way.pose.yaw - around[0].way.pose.yaw
        turning = float(np.arctan2(np.sin(turned), np.cos(turned))) / span if tells else 0.0
        by_tilt = swing(rotations[1], ground.sight, float(fix.pose.position[2] - ground.point[2]))
        return Resection(prior, ground.point[:2] - met[1], by_tilt, (met[0] - met[2]) / span, ground.covariance, yaw, turning)

    def joins(self, last: Resection) -> bool:
        """Return whether dead reckoning joins the last one to this."""
        elapsed_ns = self.prior.stamp_ns - last.prior.stamp_ns
        return 0 < elapsed_ns < LONGEST_NS and self.prior.way.unsure_since(last.prior.way) < LOOSEST_M

    def since(self, last: Resection) -> Float64:
        """Return how far (2,) dead reckoning has the aircraft from the last fix, along headings as the images tell them."""
        turns = [each.yaw - each.prior.way.pose.yaw for each in (last, self)]
        turn = turns[0] + np.arctan2(np.sin(turns[1] - turns[0]), np.cos(turns[1] - turns[0])) / 2
        step: Float64 = rotation_rpy(0.0, 0.0, turn) @ (self.prior.way.pose.position - last.prior.way.pose.position)
        return step[:2]
