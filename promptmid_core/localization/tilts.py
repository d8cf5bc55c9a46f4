"""What odometry's roll and pitch show of their own errors, beside what it states of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Prior
from promptmid_core.localization.reckoning import Twist

INCREMENT_NS = 1_000_000_000
LONGEST_STEP_NS = 150_000_000  # over which two rates tell the turn between them
KEPT, LEAST = 60, 30  # increments
TIMES = 2.0  # what is stated, that is named
LEAST_RAD = float(np.deg2rad(0.05))  # less may be the rates' own error, late or smoothed
NORMAL = 1.4826  # standard deviation of normal numbers by the median of their sizes
TILT = [3, 4]


@dataclass(frozen=True)
class Understated:
    """Odometry that states better roll and pitch than it shows: both as standard deviations, in degrees."""

    stated_deg: float
    shown_deg: float

    @property
    def times(self) -> float:
        return self.shown_deg / self.stated_deg

    def __str__(self) -> str:
        return (f"roll and pitch are stated to {self.stated_deg:.3f} degrees, one standard deviation, and jump by "
                f"{self.shown_deg:.3f} beside the rates of turn, {self.times:.1f} times that; state what the attitude source is "
                "worth")


class Tilts:
    """Follows roll and pitch against the rates of turn that are stated with them, over the last KEPT seconds.

    An error of deviation sigma that is another a second later lets the two go apart by sqrt(2) sigma; one that lasts shows less.
    `understated` is None where nothing is named: a scale of what they go apart by, from its median, up to TIMES what is stated,
    fewer than LEAST seconds, rates that are not told. `worst`: of all that was named.
    """

    def __init__(self) -> None:
        self._last: tuple[Prior, Float64] | None = None
        self._begun_ns = 0
        self._apart = np.zeros(2)
        self._increments: deque[tuple[float, float, float]] = deque(maxlen=KEPT)
        self.understated: Understated | None = None
        self.worst: Understated | None = None

    def add(self, prior: Prior, twist: Twist | None) -> None:
        """Take a sample of odometry and what it states of its velocity, None where that is nothing."""
        # of an aircraft whose roll and pitch nobody follows both rates are 0
        rates = None if twist is None or not twist.angular[:2].any() else twist.angular
        last, self._last = self._last, None if rates is None else (prior, rates)
        if rates is None:
            return
        step_ns = 0 if last is None else prior.stamp_ns - last[0].stamp_ns
        if last is None or not 0 < step_ns <= LONGEST_STEP_NS:
            self._begun_ns, self._apart = prior.stamp_ns, np.zeros(2)
            return
        turn = last[0].pose.rotation.T @ prior.pose.rotation
        stated = (last[1] + rates) * (step_ns / 2e9)
        # small turns: the skew part of the rotation
        self._apart += np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0]]) / 2 - stated[:2]
        if prior.stamp_ns - self._begun_ns >= INCREMENT_NS:
            sigma = float(np.sqrt(prior.covariance[TILT, TILT].max()))
            self._increments.append((*np.abs(self._apart).tolist(), sigma))
            self._begun_ns, self._apart = prior.stamp_ns, np.zeros(2)
            self._judge()

    def _judge(self) -> None:
        if len(self._increments) < LEAST:
            return
        increments = np.array(self._increments)
        sigma = float(np.median(increments[:, 2]))
        shown = NORMAL * float(np.median(increments[:, :2])) / np.sqrt(2)
        self.understated = None
        if shown > max(TIMES * sigma, LEAST_RAD):
            self.understated = Understated(float(np.rad2deg(sigma)), float(np.rad2deg(shown)))
            if self.worst is None or self.understated.times > self.worst.times:
                self.worst = self.understated
