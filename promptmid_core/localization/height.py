"""Height above the ground from the range of a laser or a radar, and what it makes of the height of a prior."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, Prior, Terrain
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.priorform import BORESIGHT, OFF, PriorForm
from promptmid_core.reasons import Reason

MOST_AGE_NS, KEPT_NS = 500_000_000, 5_000_000_000
MOST_SIGMAS, IN_A_ROW = 4.0, 3
MOST_LEANING_DEG = 60.0
DOWN = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True)
class Ranged:
    """A range in metres at a stamp, with its variance in m2."""

    stamp_ns: int
    metres: float
    variance: float


class Height:
    """Keeps the newest ranges and puts priors at the height above the ground that they tell; for use by several threads.

    `fault`: why the last range was not used, empty where it was; one message alone may contradict the prior, as of a roof or a
    bird, and is not told.
    """

    def __init__(self, form: PriorForm) -> None:
        self._form = form
        self._kept: deque[Ranged] = deque()
        self._keeping = threading.Lock()
        self._unusable = self._unused = ""
        self._contrary = 0
        self.on = form.height_along != OFF

    def use(self, form: PriorForm) -> None:
        """Take what `form` says of the sigmas of ranges and of the ground, from now on."""
        self._form = form

    @property
    def fault(self) -> str:
        return self._unusable or self._unused

    def add(self, message: Any) -> None:
        """Take a sensor_msgs/Range; one that cannot be used is told by `fault`, and not kept."""
        stamp, metres = stamp_ns(message.header), float(message.range)
        self._unusable = _fault_of(stamp, metres, float(message.min_range), float(message.max_range))
        if self._unusable:
            return
        stated = float(getattr(message, "variance", 0.0))  # of 0 means unknown, and older releases have none
        variance = stated if np.isfinite(stated) and stated > 0 else self._form.height_sigma_m ** 2
        with self._keeping:
            # also where the clock was set back
            while self._kept and not 0 <= stamp - self._kept[0].stamp_ns <= KEPT_NS:
                self._kept.popleft()
            self._kept.append(Ranged(stamp, metres, variance))

    def applied(self, prior: Prior, camera: Camera, odometry: Odometry, terrain: Terrain) -> Prior:
        """Return the prior at the height above `terrain` that the range up to half a second before it tells, where that is more
        exact than the prior's own; else the prior as it is."""
        try:
            ranged = self._newest(prior.stamp_ns)
            then, _ = odometry.at(ranged.stamp_ns)
            z, variance = self._told(ranged, then, camera, terrain)
        except Refusal as refusal:
            self._unused = str(refusal)
            return prior
        move = z - float(then.pose.position[2])
        ground = 0.0 if terrain.heights is not None else self._form.ground_sigma_m ** 2
        sigmas = abs(move) / float(np.sqrt(variance + then.covariance[2, 2] + ground))
        self._contrary = self._contrary + 1 if sigmas > MOST_SIGMAS else 0
        if self._contrary:
            side = "above" if move > 0 else "below"
            self._unused = "" if self._contrary < IN_A_ROW else (
                f"a range of {ranged.metres:.1f} m puts the aircraft {abs(move):.0f} m {side} the prior, {sigmas:.1f} of their "
                f"standard deviations and more than {MOST_SIGMAS:g}, for {self._contrary} images in a row")
            return prior
        self._unused = ""
        if variance >= prior.covariance[2, 2]:
            return prior
        covariance = prior.covariance.copy()
        covariance[2], covariance[:, 2] = 0.0, 0.0
        covariance[2, 2] = variance
        pose = replace(prior.pose, position=prior.pose.position - move * DOWN)
        return replace(prior, pose=pose, covariance=covariance, ranged=True)

    def _newest(self, stamp: int) -> Ranged:
        """The newest range that is not after a stamp. Raises Refusal where it is too old."""
        with self._keeping:
            before = [each for each in self._kept if each.stamp_ns <= stamp]
        if not before:
            raise Refusal(Reason.PRIOR_MISSING, "no range of a stamp before the image has come")
        newest = max(reversed(before), key=lambda each: each.stamp_ns)
        if stamp - newest.stamp_ns > MOST_AGE_NS:
            age = (stamp - newest.stamp_ns) / 1e9
            raise Refusal(Reason.PRIOR_MISSING,
                          f"the newest range is {age:.1f} s older than the image, more than {MOST_AGE_NS / 1e9:g} s")
        return newest

    def _told(self, ranged: Ranged, then: Prior, camera: Camera, terrain: Terrain) -> tuple[float, float]:
        """The height of `base_link` in `map` and its variance, by a range at the prior of its stamp."""
        arm, along = np.zeros(3), DOWN
        if self._form.height_along == BORESIGHT:
            arm = then.pose.rotation @ camera.mount.position
            along = then.pose.rotation @ camera.mount.rotation @ camera.boresight()
        leaning = float(np.rad2deg(np.arccos(np.clip(-along[2], -1, 1))))
        if leaning > MOST_LEANING_DEG:
            raise Refusal(Reason.PRIOR_MISSING, f"the boresight leans by {leaning:.0f} degrees, more than {MOST_LEANING_DEG:g}: "
                                                "a range along it tells little of the height")
        end = (then.pose.position + arm + ranged.metres * along)[:2]
        tilt = float(then.covariance[[3, 4], [3, 4]].max()) if self._form.height_along == BORESIGHT else 0.0
        unsure = then.covariance[:2, :2] + tilt * ranged.metres ** 2 * np.eye(2)
        ground, spread = _ground(terrain, end, unsure)
        across = ranged.metres ** 2 * float(along[:2] @ along[:2])
        return (ground - ranged.metres * float(along[2]) - float(arm[2]),
                ranged.variance * float(along[2]) ** 2 + tilt * across + spread)


def _ground(terrain: Terrain, place: Float64, covariance: Float64) -> tuple[float, float]:
    """The height of the ground at a place (2,) that is known with a covariance (2, 2), and its variance, by sigma points."""
    values, axes = np.linalg.eigh(covariance)
    arms = (axes * np.sqrt(2 * np.maximum(values, 0.0))).T
    x, y = np.vstack([place, place + arms, place - arms]).T
    heights = terrain.height(x, y)
    return float(heights[0]), float(np.mean((heights[1:] - heights[0]) ** 2))


def _fault_of(stamp: int, metres: float, least: float, most: float) -> str:
    if stamp <= 0:
        return "the range has stamp zero"
    if not np.isfinite(metres):
        return f"the range is {metres}, not a finite number of metres"
    if not least <= metres <= most or metres <= 0:
        return f"the range is {metres:.1f} m, outside min_range to max_range, {least:g} to {most:g} m"
    return ""
