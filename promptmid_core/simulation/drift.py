"""How wrong the prior is: an estimate that drifts, with a known worst error and an honest covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptmid_core.simulation.smooth_noise import smooth_noise, smooth_walk

Array = NDArray[np.float64]

WORST_TO_SIGMA = 2.5  # the worst of a drift over a flight, in standard deviations
DRIFT_S = 10.0
YAW_S = 20.0
ALTITUDE_S = 20.0
ATTITUDE_S = 5.0
FLOOR_RAD = float(np.radians(0.02))


@dataclass(frozen=True)
class Drift:
    """The prior's worst errors over a flight: metres, radians, share of the height above ground, radians of roll and of pitch."""

    horizontal: float
    yaw: float
    altitude: float
    attitude: float

    def errors(self, rng: np.random.Generator, times: Array, heights: Array, instants: Array) -> Array:
        """Errors (N, 6) of x, y, z, roll, pitch, yaw at `times` (N,), evenly spaced; `heights` (N,) above ground.

        The worst error, linearly interpolated at the `instants` when frames are taken, is exactly the one asked for.
        """
        step = float(times[1] - times[0])
        count = len(times)

        def worst_is(worst: float, *axes: Array) -> Array:
            signal = np.column_stack(axes)
            seen = np.column_stack([np.interp(instants, times, axis) for axis in axes])
            return signal * (worst / float(np.linalg.norm(seen, axis=1).max()))

        place = worst_is(self.horizontal, smooth_walk(rng, count, step, DRIFT_S), smooth_walk(rng, count, step, DRIFT_S))
        share = worst_is(self.altitude, smooth_noise(rng, count, step, ALTITUDE_S))
        roll = worst_is(self.attitude, smooth_noise(rng, count, step, ATTITUDE_S))
        pitch = worst_is(self.attitude, smooth_noise(rng, count, step, ATTITUDE_S))
        yaw = worst_is(self.yaw, smooth_noise(rng, count, step, YAW_S))
        return np.column_stack([place, share * heights[:, None], roll, pitch, yaw])

    def covariance(self, height: float, floor_m: float) -> Array:
        """The constant covariance (6, 6) that goes with these errors at a height above ground; no sigma is below its floor."""
        worst = np.array([self.horizontal, self.horizontal, self.altitude * height, self.attitude, self.attitude, self.yaw])
        floors = np.array([floor_m] * 3 + [FLOOR_RAD] * 3)
        return np.diag(np.maximum(worst / WORST_TO_SIGMA, floors) ** 2)
