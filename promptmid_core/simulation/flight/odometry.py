"""The odometry of a flight: the truth, wrong by what was asked for, with the covariance that it states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.bags import telemetry
from promptmid_core.geometry import Pose, Terrain
from promptmid_core.simulation.flight.clock import Clock, seconds
from promptmid_core.simulation.flight.drift import WorstErrors
from promptmid_core.simulation.flight.flightplan import Plan
from promptmid_core.simulation.flight.mishaps import jumped, offsets, slid
from promptmid_core.simulation.flight.options import PriorOptions
from promptmid_core.simulation.flight.trajectory import Trajectory

Entry = tuple[int, str, Any]  # log time in ns, topic, message

DELAY_NS = 5_000_000  # from the stamp to the recorder
FLOOR_PX = 0.1  # least standard deviation that the prior claims
SLOW_S = 5.0  # above it the worst error of roll and of pitch is not taken for a far one
STREAM = 78  # of the seed's random numbers: mishaps do not change the drift


class WrongPrior:
    """What states the prior: wrong as `wrong` says, in map pixels of `gsd` metres; `seed` is that of the mishaps."""

    def __init__(self, wrong: PriorOptions, gsd: float, seed: int) -> None:
        self._wrong, self._gsd, self._seed = wrong, gsd, seed
        self._drift = WorstErrors(wrong.drift_px * gsd, np.radians(wrong.yaw_error_deg), wrong.altitude_error_percent / 100,
                                  np.radians(wrong.attitude_error_deg), wrong.attitude_error_s)

    def messages(self, rng: np.random.Generator, plan: Plan, terrain: Terrain, clock: Clock) -> Iterator[Entry]:
        """Odometry at the clock's stamps but those of an outage."""
        wrong, times = self._wrong, seconds(clock.odometry)
        position, rpy = plan.trajectory.at(times)
        heights = position[:, 2] - terrain.height(position[:, 0], position[:, 1])
        own = np.random.default_rng([self._seed, STREAM])
        errors = self._drift.errors(rng, times, heights, clock.stamped)
        errors = errors + offsets(own, wrong, self._gsd, heights) + slid(own, wrong, self._gsd, clock, position)
        # what the estimate of the velocity is wrong by follows from the drift
        rates = np.gradient(errors, times, axis=0)
        noise = wrong.twist_noise_percent / 100 * plan.motion.speed
        spread = np.maximum([rates[:, :3].std(), rates[:, 3:].std()], 1e-4)
        twist_covariance = np.diag(np.repeat(np.hypot(spread, [noise, 0.0]) ** 2, 3))
        errors = errors + jumped(own, wrong, self._gsd, clock)
        covariance = self.covariance(plan.motion.height, errors)
        silent = clock.silent(times, wrong.outage if wrong.outage_of != "images" else ())
        for i, stamp in enumerate(clock.odometry.tolist()):
            if silent[i]:
                continue
            pose = Pose.from_rpy(position[i] + errors[i, :3], *(rpy[i] + errors[i, 3:]))
            velocity, rate = motion_at(plan.trajectory, float(times[i]))
            velocity = pose.rotation.T @ (velocity + rates[i, :3])
            if noise:
                velocity = velocity + noise * own.standard_normal(3)
            content = telemetry.odometry(stamp, pose, covariance, velocity, rate, twist_covariance)
            yield stamp + DELAY_NS, "/odometry", content

    def covariance(self, height: float, errors: Float64) -> Float64:
        """Return the covariance (6, 6) that is stated at a height above ground of errors (N, 6)."""
        wrong = self._wrong
        sigmas = np.sqrt(np.diag(self._drift.covariance(height, FLOOR_PX * self._gsd)))
        if wrong.attitude_error_s > SLOW_S:
            # a flight sees few of these errors, and the worst of few is not so far out
            sigmas[3:5] = np.maximum(sigmas[3:5], np.sqrt((errors[:, 3:5] ** 2).mean(axis=0)))
        if wrong.sigma_stated_px is not None:
            sigmas[:2] = wrong.sigma_stated_px * self._gsd
        factors = np.array([wrong.sigma_stated_factor] * 3 + [1.0, 1.0, wrong.yaw_sigma_stated_factor])
        return np.diag((sigmas * factors) ** 2)


def motion_at(trajectory: Trajectory, second: float) -> tuple[Float64, Float64]:
    """Return velocity (3,) along the axes of `map` and rotation rate (3,) along those of `base_link`."""
    velocity, (roll_rate, pitch_rate, yaw_rate) = trajectory.rates(second)
    roll, pitch, _ = trajectory.pose(second).rpy()
    rate = np.array([
        roll_rate - yaw_rate * np.sin(pitch),
        pitch_rate * np.cos(roll) + yaw_rate * np.sin(roll) * np.cos(pitch),
        yaw_rate * np.cos(roll) * np.cos(pitch) - pitch_rate * np.sin(roll),
    ])
    return velocity, rate
