"""What goes wrong with a prior beside its drift: constant errors, what grows with the way, jumps, and outages."""

from __future__ import annotations

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.simulation.flight.clock import Clock, seconds
from promptmid_core.simulation.flight.options import PriorOptions

BEFORE_S = 0.1  # before its frame, so that both odometry messages around the frame have jumped
SLIDE_SHARE = 0.8  # of the time between two frames, at most a second of it, in which a jump is made that the twist tells


def offsets(rng: np.random.Generator, wrong: PriorOptions, gsd: float, heights: Float64) -> Float64:
    """Return the constant errors (N, 6) of x, y, z, roll, pitch, yaw at `heights` (N,) above ground."""
    errors = np.zeros((len(heights), 6))
    errors[:, :2] = wrong.offset_px * gsd * _direction(rng)
    errors[:, 2] = wrong.altitude_bias_percent / 100 * heights
    errors[:, 5] = np.radians(wrong.yaw_bias_deg)
    return errors


def slid(rng: np.random.Generator, wrong: PriorOptions, gsd: float, clock: Clock, position: Float64) -> Float64:
    """Return the errors (N, 6) of a motion that is taken for another one, so that the twist tells them too: a share of the way
    along `position` (N, 3), turned at random; what an outage ends with; and jumps in the twist."""
    times = seconds(clock.odometry)
    errors = np.zeros((len(times), 6))
    east, north = wrong.odometry_drift_percent / 100 * _direction(rng)
    way = position[:, :2] - position[0, :2]
    errors[:, :2] = way @ np.array([[east, north], [-north, east]])
    for frame, length in wrong.outage:
        begin = clock.stamped[frame]
        errors[:, :2] += wrong.outage_offset_px * gsd * _ramp(times, begin, begin + length) * _direction(rng)
    if wrong.jump_in_twist:
        for frame, px in wrong.jump:
            end = clock.stamped[frame] - BEFORE_S
            begin = end - SLIDE_SHARE * min(clock.period_ns / 1e9, 1.0)
            errors[:, :2] += px * gsd * _ramp(times, begin, end) * _direction(rng)
    return errors


def jumped(rng: np.random.Generator, wrong: PriorOptions, gsd: float, clock: Clock) -> Float64:
    """Return the errors (N, 6) of a pose that was set anew, which no twist tells."""
    times = seconds(clock.odometry)
    errors = np.zeros((len(times), 6))
    if not wrong.jump_in_twist:
        for frame, px in wrong.jump:
            errors[:, :2] += px * gsd * (times >= clock.stamped[frame] - BEFORE_S)[:, None] * _direction(rng)
    return errors


def _ramp(times: Float64, begin: float, end: float) -> Float64:
    """(N, 1), from 0 at the begin to 1 at the end."""
    return np.clip((times - begin) / (end - begin), 0, 1)[:, None]


def _direction(rng: np.random.Generator) -> Float64:
    angle = rng.uniform(-np.pi, np.pi)
    return np.array([np.cos(angle), np.sin(angle)])
