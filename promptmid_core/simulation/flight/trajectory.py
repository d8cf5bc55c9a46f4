"""The flight of `base_link`: position, attitude and their rates at any time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64, Mask
from promptmid_core.geometry import Pose, Terrain
from promptmid_core.simulation.flight.room import Room
from promptmid_core.simulation.flight.smooth_noise import limited, smooth_noise
from promptmid_core.simulation.flight.track import fly_track

STEP_S = 0.05
CRAB_LIMIT = float(np.radians(4.0))
HEIGHT_LIMIT = 0.04  # share of the height above ground by which it wanders
TERRAIN_S = 20.0  # the aircraft follows the ground as it is on average over this time


@dataclass(frozen=True)
class Trajectory:
    """A smooth flight, sampled: `times` (N,) in seconds, `positions` (N, 3) in `map`, `rpy` (N, 3) in radians, yaw unwrapped."""

    times: Float64
    positions: Float64
    rpy: Float64

    def pose(self, second: float) -> Pose:
        return Pose.from_rpy(self._position(second), *self._rpy(second))

    def at(self, seconds: Float64) -> tuple[Float64, Float64]:
        """Return positions (N, 3) and roll, pitch, yaw (N, 3)."""
        return self._position(seconds), self._rpy(seconds)

    def rates(self, seconds: Float64 | float) -> tuple[Float64, Float64]:
        """Velocity (N, 3) in `map` and rates of roll, pitch and yaw (N, 3)."""
        return self._position(seconds, 1), self._rpy(seconds, 1)

    @cached_property
    def _position(self) -> Any:
        from scipy.interpolate import CubicSpline

        return CubicSpline(self.times, self.positions)

    @cached_property
    def _rpy(self) -> Any:
        from scipy.interpolate import CubicSpline

        return CubicSpline(self.times, self.rpy)


@dataclass(frozen=True)
class Motion:
    """How the aircraft flies: m/s, rad/s, metres above ground, and the most roll and pitch that the mount leaves, in radians."""

    speed: float
    turn_rate: float
    height: float
    tilt_limit: float


def plan_trajectory(rng: np.random.Generator, room: Room, free: Mask, motion: Motion, terrain: Terrain,
                    seconds: float) -> Trajectory:
    """Return a flight of `seconds` inside the room; `free` are the centres of the circles that the room has for this motion."""
    from scipy.ndimage import gaussian_filter1d

    times: Float64 = np.arange(np.ceil(seconds / STEP_S) + 2, dtype=np.float64) * STEP_S
    count = len(times)
    track = fly_track(rng, room, free, motion.speed, motion.turn_rate, times)
    velocity = np.gradient(track, STEP_S, axis=0)
    heading = np.unwrap(np.arctan2(velocity[:, 1], velocity[:, 0]))

    ground = gaussian_filter1d(terrain.height(track[:, 0], track[:, 1]), TERRAIN_S / 2 / STEP_S, mode="nearest")
    height = motion.height * (1 + limited(0.02 * smooth_noise(rng, count, STEP_S, 15.0), HEIGHT_LIMIT))
    # what a stabilised mount leaves: a slow sway and a faster tremble
    tilt = [0.8 * smooth_noise(rng, count, STEP_S, 3.0) + 0.6 * smooth_noise(rng, count, STEP_S, 0.8) for _ in range(2)]
    roll, pitch = (limited(0.4 * motion.tilt_limit * axis, motion.tilt_limit) for axis in tilt)
    yaw = heading + limited(0.5 * CRAB_LIMIT * smooth_noise(rng, count, STEP_S, 8.0), CRAB_LIMIT)
    positions: Float64 = np.column_stack([track, ground + height])
    rpy: Float64 = np.column_stack([roll, pitch, yaw])
    return Trajectory(times, positions, rpy)
