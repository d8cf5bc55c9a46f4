"""What an aircraft knows of its own motion: velocity, rates, attitude and height, each wrong in a way that is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose
from promptmid_core.simulation.flight.odometry import motion_at
from promptmid_core.simulation.flight.smooth_noise import smooth_noise
from promptmid_core.simulation.flight.trajectory import Trajectory

DRIFT_S, HEIGHT_S = 600.0, 120.0
STEPS = 400  # of a correlation time, at most
VELOCITY_NOISE = 0.05  # of a message, m/s
RATE_NOISE = float(np.radians(0.01))  # of a message, rad/s


@dataclass(frozen=True)
class Wrong:
    """What is wrong: shares, degrees a second, degrees, metres. `attitude_s`: how long errors of roll and pitch stay alike, 0 for
    white ones, inf for constant ones; `attitude_bias_deg` of tilt stands beside them."""

    drift: float = 0.01
    yaw_bias_deg_s: float = 0.02
    attitude_deg: float = 0.08
    attitude_s: float = 5.0
    attitude_bias_deg: float = 0.0
    height_m: float = 10.0


@dataclass(frozen=True)
class Reckoned:
    """Dead reckoning at a time in seconds: `velocity` (3,) and `rate` (3,) in base_link, `roll`, `pitch`, `height` in `map`."""

    second: float
    velocity: Float64
    rate: Float64
    roll: float
    pitch: float
    height: float


class Sensors:
    """The sensors of a flight of `seconds`, read every `step_s`."""

    def __init__(self, trajectory: Trajectory, wrong: Wrong, seconds: float, step_s: float, seed: int) -> None:
        self.trajectory, self.wrong, self.step_s = trajectory, wrong, step_s
        self.count = int(seconds / step_s) + 1
        rng = self._random = np.random.default_rng([seed, 19])
        drift = np.column_stack([self._noise(rng, DRIFT_S) for _ in range(2)])
        # so large as is asked for over the flight, whatever was drawn
        self._drift = drift * wrong.drift / np.sqrt((drift ** 2).sum(axis=1).mean())
        own = np.column_stack([self._noise(rng, wrong.attitude_s) for _ in range(2)])
        self._tilt = np.radians(wrong.attitude_deg * own + wrong.attitude_bias_deg * np.array([1.0, -1.0]) / np.sqrt(2))
        self._height = wrong.height_m * self._noise(rng, HEIGHT_S)

    def read(self, index: int) -> Reckoned:
        """Return what is read at `index * step_s`."""
        second = index * self.step_s
        velocity, rate = motion_at(self.trajectory, second)
        pose = self.truth(second)
        forward = pose.rotation.T @ velocity
        scale, side = self._drift[index]
        forward = forward + scale * forward + side * np.array([-forward[1], forward[0], 0.0])
        roll, pitch, _ = pose.rpy()
        rate = rate + RATE_NOISE * self._random.standard_normal(3)
        rate[2] += np.radians(self.wrong.yaw_bias_deg_s)
        return Reckoned(second, forward + VELOCITY_NOISE * self._random.standard_normal(3), rate,
                        roll + self._tilt[index, 0], pitch + self._tilt[index, 1], float(pose.position[2] + self._height[index]))

    def truth(self, second: float) -> Pose:
        return self.trajectory.pose(second)

    def _noise(self, rng: np.random.Generator, lasts_s: float) -> Float64:
        """Noise (count,) of deviation 1 that stays alike over a time."""
        if np.isinf(lasts_s):
            return np.full(self.count, rng.choice([-1.0, 1.0]))
        coarse = max(self.step_s, lasts_s / STEPS)
        if coarse == self.step_s:
            return smooth_noise(rng, self.count, coarse, lasts_s)
        at = np.arange(int(self.count * self.step_s / coarse) + 2)
        slow = smooth_noise(rng, len(at), coarse, lasts_s)
        noise: Float64 = np.interp(np.arange(self.count) * (self.step_s / coarse), at, slow)
        return noise
