"""How wrong the prior is: an estimate that drifts, with a known worst error and an honest covariance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.simulation.flight.smooth_noise import smooth_noise, smooth_walk

WORST_TO_SIGMA = 2.5  # the worst of a drift over a flight, in standard deviations
DRIFT_S = 10.0
BEFORE_S = 60.0  # the estimate has drifted for a while when the first frame is taken
YAW_S = 20.0
ALTITUDE_S = 20.0
QUICK_S = 1.0  # noise that changes faster is bounded, not drawn again
STEPS = 400  # of a correlation time, at most
FLOOR_RAD = float(np.radians(0.02))


@dataclass(frozen=True)
class WorstErrors:
    """The prior's worst errors over a flight: metres, radians, share of the height above ground, radians of roll and of pitch.

    `attitude_s`: seconds over which roll and pitch errors stay alike, 0 for white ones, inf for constant ones.
    """

    horizontal: float
    yaw: float
    altitude: float
    attitude: float
    attitude_s: float = 5.0

    def errors(self, rng: np.random.Generator, times: Float64, heights: Float64, instants: Float64) -> Float64:
        """Return errors (N, 6) of x, y, z, roll, pitch, yaw at `times` (N,), evenly spaced; `heights` (N,) above ground.

        The worst error, linearly interpolated at the `instants` when frames are taken, is exactly the one asked for.
        """
        step = float(times[1] - times[0])
        count = len(times)

        def walk() -> Float64:
            return smooth_walk(rng, count, step, DRIFT_S, BEFORE_S)

        def noise(correlation_s: float) -> Callable[[], Float64]:
            return lambda: _noise(rng, count, step, correlation_s)

        place = _worst_is(self.horizontal, times, instants, walk, walk)
        share = _worst_is(self.altitude, times, instants, noise(ALTITUDE_S))
        exact = _worst_of_quick if self.attitude_s < QUICK_S else _worst_is
        attitude = [exact(self.attitude, times, instants, noise(self.attitude_s)) for _ in range(2)]
        yaw = _worst_is(self.yaw, times, instants, noise(YAW_S))
        return np.column_stack([place, share * heights[:, None], *attitude, yaw])

    def covariance(self, height: float, floor_m: float) -> Float64:
        """Return the constant covariance (6, 6) that goes with these errors at a height above ground; no sigma is below its
        floor."""
        worst = np.array([self.horizontal, self.horizontal, self.altitude * height, self.attitude, self.attitude, self.yaw])
        floors = np.array([floor_m] * 3 + [FLOOR_RAD] * 3)
        return np.diag(np.maximum(worst / WORST_TO_SIGMA, floors) ** 2)


def _worst_is(worst: float, times: Float64, instants: Float64, *axes: Callable[[], Float64]) -> Float64:
    """Signals (N, axes) whose joint length at the instants is at most `worst`, and once exactly that."""
    while True:
        signal = np.column_stack([draw() for draw in axes])
        seen = float(np.linalg.norm([np.interp(instants, times, axis) for axis in signal.T], axis=0).max())
        # a short flight may see a signal only where it crosses zero; scaled up, it would be absurd between frames
        if seen > 0.5 * float(np.linalg.norm(signal, axis=1).max()):
            return signal * (worst / seen)


def _worst_of_quick(worst: float, times: Float64, instants: Float64, draw: Callable[[], Float64]) -> Float64:
    """A signal (N, 1) of quick noise that is at most `worst` in size anywhere, and about that at one of the instants."""
    signal = draw()
    seen = float(np.abs(np.interp(instants, times, signal)).max())
    bounded: Float64 = np.clip(signal * (worst / seen), -worst, worst)[:, None]
    return bounded


def _noise(rng: np.random.Generator, count: int, step: float, correlation_s: float) -> Float64:
    """Noise (count,) of deviation 1 that stays alike over a time, for ever where that is infinite."""
    if np.isinf(correlation_s):
        return np.full(count, rng.standard_normal())
    # what changes slowly is drawn at fewer instants
    coarse = max(step, correlation_s / STEPS)
    if coarse == step:
        return smooth_noise(rng, count, step, correlation_s)
    at = np.arange(int(np.ceil(count * step / coarse)) + 1)
    slow: Float64 = np.interp(np.arange(count) * (step / coarse), at, smooth_noise(rng, len(at), coarse, correlation_s))
    return slow
