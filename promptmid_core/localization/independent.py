"""What a filter may believe that takes each fix for independent of all others, although their errors repeat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptmid_core.localization.parts import Parts

# dead reckoning of the least noise that such a filter is taken to believe in: off by this share of each such stretch, anew
SHARE, STRETCH_PX = 0.01, 10.0
GROUND_SHARE = 2 / 3  # of the side of the ground that is matched: over which its errors fall to 1 / e
LEAST_S = 1e-3
MOST = 1e4  # times a covariance; one so large tells a filter nothing


@dataclass(frozen=True)
class Repetition:
    """How errors repeat: those of the ground fall to 1 / e over `ground_m` metres of the way, those of the attitude over
    `attitude_s` seconds; `noise`: variance in m2 that a metre of the way adds to a filter's estimate."""

    ground_m: float
    attitude_s: float
    noise: float

    @staticmethod
    def of(gsd_m: float, side_m: float, attitude_s: float) -> Repetition:
        """Return it for a map of `gsd_m`, of whose ground a fix matches `side_m` metres."""
        return Repetition(GROUND_SHARE * side_m, max(attitude_s, LEAST_S), SHARE ** 2 * STRETCH_PX * gsd_m)


@dataclass(frozen=True)
class Moment:
    """When and where a fix is: `ns`, after `flown` metres, at a `heading` in radians."""

    ns: int
    flown: float
    heading: float


@dataclass(frozen=True)
class Follower:
    """A filter that takes each fix for independent, after the last one, `at` a moment.

    `variance`: of its estimate in m2, an axis, 0 before any fix; `shared` (3,): the covariances of its error and of the parts of
    that fix's that repeat, in m2: ground, attitude, camera. Complex, as errors of attitude and camera are fixed in the aircraft
    and turn with it.
    """

    at: Moment
    variance: float
    shared: NDArray[np.complex128]

    def with_fix(self, at: Moment, parts: Parts, repetition: Repetition) -> tuple[Follower, float]:
        """Return the filter after a fix, and what the fix's covariance is to be multiplied by, so that the filter believes in the
        variance that its estimate has.

        With variance P, shared covariance C, gain K and a fix of variance R the estimate has (1 - K)^2 P + K^2 R + 2 K (1 - K) C,
        and the filter believes in (1 - K) P: the two are one where K = (P - 2C) / (P - 2C + R).
        """
        alone = float(np.trace(parts.total)) / 2
        own = np.array([np.trace(part) / 2 for part in (parts.ground, parts.attitude, parts.camera)], np.complex128)
        if not self.variance:
            return Follower(at, alone, own), 1.0
        way, seconds = max(at.flown - self.at.flown, 0.0), max((at.ns - self.at.ns) / 1e9, 0.0)
        variance = self.variance + repetition.noise * way
        turned = np.exp(1j * (at.heading - self.at.heading))
        shared = self.shared * [np.exp(-way / repetition.ground_m), turned * np.exp(-seconds / repetition.attitude_s), turned]
        told = variance - 2 * float(shared.real.sum())
        factor = max(variance / told, 1.0) if told * MOST > variance else MOST
        gain = variance / (variance + factor * alone)
        return Follower(at, (1 - gain) * variance, (1 - gain) * shared + gain * own), factor


NOTHING = Follower(Moment(0, 0.0, 0.0), 0.0, np.zeros(3, np.complex128))
