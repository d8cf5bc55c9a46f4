"""Whether the fixes of a flight look as if the camera were mounted, or its images timed, otherwise than told."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import product

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera
from promptmid_core.localization.fix import Fix
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.resection import SPAN_NS, Resection

# the state: by how far the aircraft is east and north of where dead reckoning has it (m), by how much more each second (m/s), how
# that changes (m/s2), the share by which its speed is too small and the radians by which its heading is, roll and pitch of the
# attitude source for a while and of the mount for good (rad), the delay (s)
PLACE, RATE, CHANGE, ALONG, TILT, MOUNT, DELAY, STATES = [0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], 12, 13
SOUGHT = [*MOUNT, DELAY]
# standard deviations beforehand, of what is sought and of speed and heading
BEFORE = np.array([*np.deg2rad([3.0, 3.0]), 0.3])
STEADY = np.array([0.03, np.deg2rad(3.0)])
ANYWHERE_M = 3e3
# what no flight tells from the mount and the delay: a constant tilt of the attitude source, the shutter
BESIDE = np.array([*np.deg2rad([0.08, 0.08]), 0.01])
# noises that odometry may have: rate of its drift as a share of the speed, and seconds over which that stays alike; the same of
# its tilt in degrees
DRIFTS = (0.02, 10.0), (0.1, 6.0), (0.1, 15.0), (0.1, 30.0)
TILTS = (0.05, 5.0), (0.1, 30.0), (0.3, 5.0)
TEMPER = 0.3  # of the evidence between noises: what an odometry is wrong by is none of them
SLOWEST_M_S = 5.0  # drift of what hardly moves is that of this speed
HEADING = float(np.deg2rad(0.2))  # by which the direction of a step is off
LEAST_FIXES = 40
MOST_ALIKE = 0.95  # length of the mean of the headings as directions; 60 degrees, flown evenly, have this
NAMED = 20.0  # squared distance from a camera as told; were the noises right, 16 would be chance once in a thousand flights
RESOLVED_S = 0.05  # a delay known better than this is told from a pitch
UNLIKE, IN_A_ROW = 16.0, 3  # squared distance of a fix that lies unlike the rest, and how many of them are another place


@dataclass(frozen=True)
class Suspicion:
    """How a camera differs from what is told, by the fixes of one flight: `roll_deg` and `pitch_deg` beside the mount, with the
    larger of their standard deviations, and `delay_s` of its images.

    `told_apart`: whether the flight tells a delay from a pitch. Where it does not, `roll_deg` and `pitch_deg` are those of images
    without a delay, and `delay_s` is what a delay would have to be in their place.
    """

    roll_deg: float
    pitch_deg: float
    sigma_deg: float
    delay_s: float
    told_apart: bool

    def __str__(self) -> str:
        join = "with" if self.told_apart else "or, in place of the pitch,"
        return (f"the camera looks as if it were turned by roll {self.roll_deg:.2f} pitch {self.pitch_deg:.2f} degrees beside "
                f"its mount (+- {self.sigma_deg:.2f}), {join} images stamped {self.delay_s:.2f} s late; a constant tilt of the "
                "attitude source and a wrong principal point look the same; find it with: promptmid calibrate camera")


class Boresight:
    """Follows the fixes of a flight against its dead reckoning: what is wrong with the camera turns with the heading and grows
    with the height, and what has drifted does not.

    A bank of Kalman filters, one for each noise that odometry may have, weighted by how well each foretells the fixes
    (Magill, IEEE Trans. Automatic Control 10, 1965). `suspicion` is None while the camera may be as told.
    """

    def __init__(self) -> None:
        noises = np.array([(*drift, *tilt) for drift, tilt in product(DRIFTS, TILTS)])
        self._drift, self._drift_s, self._tilt, self._tilt_s = noises.T * np.array([[1.0], [1.0], [np.pi / 180], [1.0]])
        count = len(noises)
        self._state, self._covariance = np.zeros((count, STATES)), np.zeros((count, STATES, STATES))
        for states, sigmas in ((ALONG, STEADY), (TILT, self._tilt[:, None]), (SOUGHT, BEFORE)):
            self._covariance[:, states, states] = sigmas ** 2
        self._surprise = np.zeros(count)
        self._waiting: deque[tuple[Fix, Camera]] = deque(maxlen=16)
        self._last: Resection | None = None
        self._place = np.zeros(2)
        self._headings, self._fixes, self._unlike = np.zeros(2), 0, 0
        self.suspicion: Suspicion | None = None

    def add(self, fix: Fix, camera: Camera | None, odometry: Odometry) -> None:
        """Take a verdict, in the order of stamps, with what took the image. It tells once there is odometry SPAN_NS after it."""
        if fix.ground is not None and camera is not None:
            self._waiting.append((fix, camera))
        while self._waiting and odometry.heard_ns >= self._waiting[0][0].stamp_ns + SPAN_NS:
            seen, by = self._waiting.popleft()
            try:
                self.learn(Resection.of(seen, by, [odometry.at(seen.stamp_ns + span)[0] for span in (-SPAN_NS, 0, SPAN_NS)]))
            except Refusal:
                continue  # odometry is missing there

    def learn(self, one: Resection) -> None:
        """Take what one more fix says."""
        if self._last is not None and one.joins(self._last):
            self._move(self._last, one)
        else:
            self._reopen(one)
        self._last = one
        self._weigh(one)
        self._headings += np.array([np.cos(one.yaw), np.sin(one.yaw)])
        self._fixes += 1
        self.suspicion = self._judged()

    def _reopen(self, one: Resection) -> None:
        """Dead reckoning joins nothing that was seen before to this."""
        self._place = one.place
        self._covariance[:, PLACE, :] = self._covariance[:, :, PLACE] = 0.0
        self._covariance[:, PLACE, PLACE] = ANYWHERE_M ** 2
        self._state[:, PLACE] = 0.0

    def _move(self, last: Resection, one: Resection) -> None:
        step, seconds = one.since(last), (one.prior.stamp_ns - last.prior.stamp_ns) / 1e9
        length, beside = float(np.hypot(*step)), np.array([-step[1], step[0]])
        self._place = self._place + step
        moved, noise = np.tile(np.eye(STATES), (2, len(self._state), 1, 1))
        noise[:] = 0.0
        smooth, grown = _rate(self._drift * max(length / seconds, SLOWEST_M_S), self._drift_s, seconds)
        for axis in range(2):
            both = np.ix_(range(len(moved)), [RATE[axis], CHANGE[axis]], [RATE[axis], CHANGE[axis]])
            moved[both], noise[both] = smooth, grown
            moved[:, PLACE[axis], RATE[axis]] = seconds * (1 + smooth[:, 0, 0]) / 2
            moved[:, PLACE[axis], CHANGE[axis]] = seconds * smooth[:, 0, 1] / 2
            moved[:, PLACE[axis], ALONG] = step[axis], beside[axis]
        # the image's heading is that of when it was taken
        moved[:, PLACE, DELAY] = (last.turning + one.turning) / 2 * beside
        lasting = np.exp(-seconds / self._tilt_s)[:, None]
        moved[:, TILT, TILT] = lasting
        noise[:, TILT, TILT] = self._tilt[:, None] ** 2 * (1 - lasting ** 2)
        noise[:, PLACE, PLACE] = (HEADING * length) ** 2 + one.prior.way.unsure_since(last.prior.way) ** 2
        self._state = (moved @ self._state[:, :, None])[:, :, 0]
        self._covariance = moved @ self._covariance @ moved.transpose(0, 2, 1) + noise

    def _weigh(self, one: Resection) -> None:
        seen = np.zeros((2, STATES))
        seen[:, PLACE], seen[:, TILT], seen[:, MOUNT], seen[:, DELAY] = np.eye(2), one.by_tilt, one.by_tilt, one.by_delay
        apart = one.place - self._place - self._state @ seen.T
        spread = seen @ self._covariance @ seen.T + one.noise
        distance = np.einsum("mi,mij,mj->m", apart, np.linalg.inv(spread), apart)
        self._unlike = self._unlike + 1 if distance.min() > UNLIKE else 0
        if self._unlike >= IN_A_ROW:
            self._reopen(one)
            self._unlike = 0
            return
        # a fix that lies unlike the rest counts for less
        spread = spread * np.maximum(distance / UNLIKE, 1.0)[:, None, None]
        inverse = np.linalg.inv(spread)
        gain = self._covariance @ seen.T @ inverse
        self._state = self._state + (gain @ apart[:, :, None])[:, :, 0]
        # Joseph's form: the place may be unsure by kilometres and the mount by hundredths of a degree
        left = np.eye(STATES) - gain @ seen
        rest = spread - seen @ self._covariance @ seen.T
        self._covariance = left @ self._covariance @ left.transpose(0, 2, 1) + gain @ rest @ gain.transpose(0, 2, 1)
        self._covariance = (self._covariance + self._covariance.transpose(0, 2, 1)) / 2
        self._surprise += (np.einsum("mi,mij,mj->m", apart, inverse, apart) + np.log(np.linalg.det(spread))) / 2

    def estimate(self) -> tuple[Float64, Float64]:
        """Return roll and pitch of the mount in radians and the delay in seconds (3,), with their covariance (3, 3)."""
        weight = np.exp(-TEMPER * (self._surprise - self._surprise.min()))
        weight /= weight.sum()
        state = self._state[:, SOUGHT]
        mean = weight @ state
        beside = state - mean
        each = self._covariance[np.ix_(range(len(weight)), SOUGHT, SOUGHT)] + beside[:, :, None] * beside[:, None]
        covariance = np.einsum("m,mij->ij", weight, each)
        return mean, covariance + np.diag(BESIDE ** 2)

    def _judged(self) -> Suspicion | None:
        if self._fixes < LEAST_FIXES or float(np.hypot(*self._headings)) > MOST_ALIKE * self._fixes:
            return None
        mean, covariance = self.estimate()
        if float(mean @ np.linalg.solve(covariance, mean)) < NAMED:
            return None
        apart = bool(np.sqrt(covariance[2, 2]) < RESOLVED_S)
        delay = mean[2] if apart else mean[2] - covariance[2, :2] @ np.linalg.solve(covariance[:2, :2], mean[:2])
        if not apart:
            mean = mean - covariance[:, 2] / covariance[2, 2] * mean[2]
            covariance = covariance - np.outer(covariance[:, 2], covariance[2]) / covariance[2, 2]
        roll, pitch = np.rad2deg(mean[:2]).tolist()
        sigma = float(np.rad2deg(np.sqrt(covariance.diagonal()[:2].max())))
        return Suspicion(roll, pitch, sigma, float(delay), apart)


def _rate(sigma: Float64, lasts: Float64, seconds: float) -> tuple[Float64, Float64]:
    """How a smooth random rate and its change go on (M, 2, 2), and the covariance (M, 2, 2) that this adds: Matern's of order
    3/2, of standard deviation `sigma` (M,), alike over `lasts` (M,) seconds."""
    quick, elapsed = 1 / lasts, seconds / lasts
    onward = np.exp(-elapsed) * np.array([[1 + elapsed, np.full_like(elapsed, seconds)], [-quick * elapsed, 1 - elapsed]])
    smooth: Float64 = onward.transpose(2, 0, 1)
    still = (sigma ** 2 * np.array([np.ones_like(quick), quick ** 2])).T[:, :, None] * np.eye(2)
    grown: Float64 = still - smooth @ still @ smooth.transpose(0, 2, 1)
    return smooth, grown
