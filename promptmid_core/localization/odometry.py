"""The prior as it comes in: odometry in `map`, or in `odom` with the transform between the two held here."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64, Int64
from promptmid_core.bags.messages import prior_from, stamp_ns
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.geometry.covariance import AXES
from promptmid_core.localization.anchor import TILT, Anchor
from promptmid_core.localization.fix import Fix
from promptmid_core.localization.prior import PriorBuffer, Taken
from promptmid_core.localization.reckoning import Twist
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.tilts import Tilts
from promptmid_core.reasons import Reason

MAP, ODOM = "map", "odom"
PARTS = ([0, 1], [2], [3, 4], [5])  # x and y, z, tilt, yaw: stated together or not at all


class Odometry:
    """Odometry of `base_frame`, kept for the images to come; for use by several threads.

    Where it is given in `odom` it is of no use until a pose was given by hand; from then on each fix moves `odom` in `map`.
    `shift` (3,) is added to what is given in `map`; `tilts`: what its roll and pitch show of their own errors.
    """

    def __init__(self, rig: Rig, shift: Float64 | None = None, buffer: PriorBuffer | None = None) -> None:
        self._rig, self._shift = rig, np.zeros(3) if shift is None else shift
        self._came = threading.Condition()
        self._buffer = buffer or PriorBuffer()
        self.tilts = Tilts()
        self._heard_ns = 0
        self._anchor: Anchor | None = None
        self._given: Prior | None = None
        self.frame = ""
        self.refusal: Refusal | None = None
        self.unstated: tuple[str, ...] = ()
        self._other = ""

    def add(self, message: Any) -> None:
        """Take an odometry message; one that cannot be used is remembered as `refusal`, and refuses the images around it."""
        stamp = stamp_ns(message.header)
        with self._came:
            try:
                _check_stamp(stamp)
                self._check_frames(message)
                prior, self.unstated = self._prior(message)
                if message.header.frame_id != self.frame:
                    self._check_change(message.header.frame_id)
                    self._buffer.clear()
                    self.frame, self._anchor = message.header.frame_id, None
                twist = Twist.of(message)
                if self._buffer.add(prior, twist) is not Taken.SET_ASIDE:
                    self.tilts.add(prior, twist)
                self.refusal, self._other = None, ""
                self._settle()
            except Refusal as refusal:
                self._refuse(stamp, refusal)
            self._hear(stamp)

    def refuse(self, stamp: int, refusal: Refusal) -> None:
        """Remember why a message of this stamp, from which odometry was to be made, cannot be used."""
        with self._came:
            self._refuse(stamp, refusal)
            self._hear(stamp)

    def _hear(self, stamp: int) -> None:
        if stamp > 0:
            self._heard_ns = stamp
        self._came.notify_all()

    def _refuse(self, stamp: int, refusal: Refusal) -> None:
        self.refusal = refusal.anew()
        self._buffer.refuse(stamp, self.refusal)

    def wait(self, stamp: int, seconds: float) -> None:
        """Wait until odometry of a time after `stamp` has come, but no longer than this."""
        with self._came:
            self._came.wait_for(lambda: self._heard_ns >= stamp, seconds)

    def at(self, stamp: int) -> tuple[Prior, Anchor | None]:
        """Return the prior in `map` at a stamp, and the anchor that it was made with.

        Raises Refusal where there is none: PRIOR_MISSING, or what made the odometry around it unusable.
        """
        with self._came:
            odometry = self._buffer.at(stamp)
            if self.frame == MAP:
                return odometry, None
            if self._anchor is None:
                raise Refusal(Reason.PRIOR_MISSING, "odometry is given in the frame odom and where that lies in map is not known "
                                                    "yet: publish the aircraft's pose in map once on the topic initialpose")
            return self._anchor.prior(odometry, _flown(odometry)), self._anchor

    def place(self, stamp: int) -> Float64:
        """Return the position (3,) at a stamp by the aircraft's motion alone. Raises Refusal as `at` does."""
        with self._came:
            odometry = self._buffer.at(stamp)
            return (odometry.motion or odometry).pose.position

    def track(self) -> tuple[Int64, Float64]:
        """Return the stamps (n,), ns, and the positions (n, 3), by the aircraft's motion alone, of the odometry that is kept."""
        with self._came:
            samples = self._buffer.samples
        return (np.array([each.stamp_ns for each in samples], np.int64),
                np.array([(each.motion or each).pose.position for each in samples]).reshape(-1, 3))

    def give(self, message: Any) -> None:
        """Take a pose by hand, to hold from the odometry of its stamp on, or from the newest where none is near its stamp.

        Raises Refusal where it is not in `map`, cannot be believed, or the odometry is in `map` already.
        """
        if message.header.frame_id != MAP:
            raise Refusal(Reason.PRIOR_FRAME, f"initialpose is given in frame '{message.header.frame_id}', not in 'map'")
        given = _given(message)
        given = replace(given, pose=replace(given.pose, position=given.pose.position + self._shift))
        with self._came:
            if self.frame == MAP:
                raise Refusal(Reason.PRIOR_FRAME, "initialpose has no effect while odometry is given in 'map': "
                                                  "set the pose in the filter that publishes the odometry")
            self._given = given
            self._settle()

    def use(self, rig: Rig) -> None:
        """Take what `rig` says of sigmas that odometry does not state, and of its drift, from now on."""
        with self._came:
            self._rig = rig
            self._anchor = self._anchor and replace(self._anchor, drift=rig.drift)

    def take(self, fix: Fix, anchor: Anchor | None) -> None:
        """Move `odom` by an accepted fix, unless another pose was given since its prior was made with `anchor`."""
        with self._came:
            held = self._anchor
            # the same but for its drift, which may be another by now
            if anchor is None or held is None or anchor.at is not held.at or fix.pose is None or fix.covariance is None:
                return
            try:
                odometry = self._buffer.at(fix.stamp_ns)
            except Refusal:
                return  # the clock was set anew while the image was matched
            self._anchor = held.moved(fix.pose, fix.covariance, odometry, _flown(odometry))

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
        if child != self._rig.base_frame:
            raise Refusal(Reason.PRIOR_FRAME, f"odometry is that of '{child}' (child_frame_id), not of '{self._rig.base_frame}'")

    def _check_change(self, frame: str) -> None:
        """A frame is changed by two messages in a row; one alone, as of a second publisher on the topic, is refused."""
        other, self._other = self._other, frame
        if self.frame and other != frame:
            raise Refusal(Reason.PRIOR_FRAME, f"odometry is given in frame '{frame}' after '{self.frame}'; one topic has to keep "
                                              "to one frame: is there a second publisher?")

    def _prior(self, message: Any) -> tuple[Prior, tuple[str, ...]]:
        """The prior of a message, and the axes of which it states no covariance: the rig's own is taken there."""
        covariance = np.array(message.pose.covariance, np.float64).reshape(6, 6)
        unstated = [axis for part in PARTS if not covariance[part].any() and not covariance[:, part].any() for axis in part]
        covariance[unstated, unstated] = self._rig.sigmas.variances()[unstated]
        zero = [axis for axis in unstated if not covariance[axis, axis]]
        if zero:
            names = ", ".join(AXES[axis] for axis in zero)
            raise Refusal(Reason.PRIOR_INVALID, f"odometry has variance 0 in {names}, which means unknown, and the parameter "
                                                f"{_parameter_of(zero[0])} is 0; state the covariance or set the parameter")
        prior = prior_from(_stamped(message.header, message.pose.pose, covariance))
        if message.header.frame_id == MAP:
            prior = replace(prior, pose=replace(prior.pose, position=prior.pose.position + self._shift))
        return prior, tuple(AXES[axis] for axis in unstated)

    def _settle(self) -> None:
        if self._given is None or not self.frame:
            return
        given, self._given = self._given, None
        if self.frame == ODOM and self._buffer.newest_ns is not None:
            try:
                odometry = self._buffer.at(given.stamp_ns)
            except Refusal:
                odometry = self._buffer.at(self._buffer.newest_ns)
            self._anchor = Anchor.by_hand(given, odometry, _flown(odometry), self._rig.drift)


def _check_stamp(stamp: int) -> None:
    """Two messages without a time would look like a clock set anew, and cost all that is kept."""
    if stamp <= 0:
        raise Refusal(Reason.PRIOR_INVALID, "odometry has stamp zero, which is no time to find it by; its publisher has to fill "
                                            "header.stamp")


def _flown(odometry: Prior) -> float:
    return odometry.motion.flown if odometry.motion else 0.0


def _parameter_of(axis: int) -> str:
    return f"default_sigma_{('xy_m', 'xy_m', 'z_m', 'tilt_deg', 'tilt_deg', 'yaw_deg')[axis]}"


def _given(message: Any) -> Prior:
    """The pose of an initialpose; the variances of z, roll and pitch may all be zero, as those of a click on a map are."""
    covariance = np.array(message.pose.covariance, np.float64).reshape(6, 6)
    planar = not covariance[TILT].any()
    covariance[TILT, TILT] += float(planar)
    prior = prior_from(_stamped(message.header, message.pose.pose, covariance))
    if planar:
        covariance[TILT, TILT] = 0.0
        prior = replace(prior, covariance=covariance)
    return prior


def _stamped(header: Any, pose: Any, covariance: Float64) -> Any:
    return SimpleNamespace(header=header, pose=SimpleNamespace(pose=pose, covariance=covariance.ravel()))
