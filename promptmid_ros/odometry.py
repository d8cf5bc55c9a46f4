"""The prior as it comes in: odometry in `map`, or in `odom` with the transform between the two held here."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from promptmid_core.bags.messages import prior_from, stamp_ns
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.anchor import TILT, Anchor
from promptmid_core.localization.fix import Fix
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.reasons import Reason

MAP, ODOM = "map", "odom"


class Odometry:
    """Odometry of `base_frame`, kept for the images to come; for use by several threads.

    Where it is given in `odom` it is of no use until a pose was given by hand; from then on each fix moves `odom` in `map`, and
    `drift_share` is what the odometry may drift by until the next, as a share of the distance flown.
    """

    def __init__(self, base_frame: str, drift_share: float) -> None:
        self._base_frame, self._drift_share = base_frame, drift_share
        self._came = threading.Condition()
        self._buffer = PriorBuffer()
        self._heard_ns = 0
        self._anchor: Anchor | None = None
        self._given: Prior | None = None
        self.frame = ""
        self.refusal: Refusal | None = None

    def add(self, message: Any) -> None:
        """Take an odometry message; one that cannot be used is remembered as `refusal`, and refuses the images around it."""
        stamp = stamp_ns(message.header)
        with self._came:
            try:
                self._check_frames(message)
                prior = prior_from(message)
                if message.header.frame_id != self.frame:
                    self._buffer.clear()
                    self.frame, self._anchor = message.header.frame_id, None
                self._buffer.add_live(prior)
                self.refusal = None
                self._settle()
            except Refusal as refusal:
                self.refusal = refusal
                self._buffer.refuse(stamp, refusal)
            self._heard_ns = stamp
            self._came.notify_all()

    def wait(self, stamp: int, seconds: float) -> None:
        """Until odometry of a time after `stamp` has come, but no longer than this."""
        with self._came:
            self._came.wait_for(lambda: self._heard_ns >= stamp, seconds)

    def at(self, stamp: int) -> tuple[Prior, Anchor | None]:
        """The prior in `map` at a stamp, and the anchor that it was made with; Refusal where there is none."""
        with self._came:
            odometry = self._buffer.at(stamp)
            if self.frame == MAP:
                return odometry, None
            if self._anchor is None:
                raise Refusal(Reason.PRIOR_MISSING, "odometry is given in the frame odom and where that lies in map is not known "
                                                    "yet: publish the aircraft's pose in map once on the topic initialpose")
            return self._anchor.prior(odometry), self._anchor

    def give(self, message: Any) -> None:
        """Take a pose by hand, to hold from the odometry of its stamp on, or from the newest where none is near its stamp.

        Refusal where it is not in `map`, cannot be believed, or the odometry is in `map` already.
        """
        if message.header.frame_id != MAP:
            raise Refusal(Reason.PRIOR_FRAME, f"initialpose is given in frame '{message.header.frame_id}', not in 'map'")
        given = _given(message)
        with self._came:
            if self.frame == MAP:
                raise Refusal(Reason.PRIOR_FRAME, "initialpose has no effect while odometry is given in 'map': "
                                                  "set the pose in the filter that publishes the odometry")
            self._given = given
            self._settle()

    def take(self, fix: Fix, anchor: Anchor | None) -> None:
        """Move `odom` by an accepted fix, unless another pose was given since its prior was made with `anchor`."""
        with self._came:
            if anchor is None or anchor is not self._anchor or fix.pose is None or fix.covariance is None:
                return
            self._anchor = anchor.moved(fix.pose, fix.covariance, self._buffer.at(fix.stamp_ns), self._drift_share)

    @property
    def map_from_odom(self) -> Pose | None:
        anchor = self._anchor
        return anchor.map_from_odom if anchor else None

    @property
    def heard_ns(self) -> int:
        """The stamp of the last message, usable or not; 0 before the first."""
        return self._heard_ns

    def _check_frames(self, message: Any) -> None:
        frame, child = message.header.frame_id, message.child_frame_id
        if frame not in (MAP, ODOM):
            raise Refusal(Reason.PRIOR_FRAME, f"odometry is given in frame '{frame}'; it has to be 'map' or 'odom'")
        if child != self._base_frame:
            raise Refusal(Reason.PRIOR_FRAME, f"odometry is that of '{child}' (child_frame_id), not of '{self._base_frame}'")

    def _settle(self) -> None:
        if self._given is None or not self.frame:
            return
        given, self._given = self._given, None
        if self.frame == ODOM and self._buffer.newest_ns is not None:
            try:
                odometry = self._buffer.at(given.stamp_ns)
            except Refusal:
                odometry = self._buffer.at(self._buffer.newest_ns)
            self._anchor = Anchor.by_hand(given, odometry)


def _given(message: Any) -> Prior:
    """The pose of an initialpose; the variances of z, roll and pitch may all be zero, as those of a click on a map are."""
    covariance = np.array(message.pose.covariance, np.float64).reshape(6, 6)
    planar = not covariance[TILT].any()
    covariance[TILT, TILT] += float(planar)
    pose = SimpleNamespace(pose=message.pose.pose, covariance=covariance.ravel())
    prior = prior_from(SimpleNamespace(header=message.header, pose=pose))
    if planar:
        covariance[TILT, TILT] = 0.0
        prior = replace(prior, covariance=covariance)
    return prior
