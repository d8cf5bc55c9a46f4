"""The times of a flight: when its frames are taken and stamped, and when odometry comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float64, Mask
from promptmid_core.simulation.flight.options import FlightOptions

Stamps = NDArray[np.int64]

START_NS = 1_767_225_600_000_000_000  # 2026-01-01 00:00 UTC
ODOMETRY_NS = 50_000_000
FIRST_FRAME_NS = 517_000_000  # between two odometry stamps: the prior has to be interpolated


@dataclass(frozen=True)
class Clock:
    """Stamps in nanoseconds: of the frames (N,) and of odometry, `delay_s` being how late the frames' stamps are."""

    frames: Stamps
    odometry: Stamps
    period_ns: int
    delay_s: float

    @staticmethod
    def of(options: FlightOptions) -> Clock:
        delay_s = options.camera.camera_delay_s
        period_ns = round(1e9 / options.plan.frame_rate_hz)
        # the first image is taken after the start, and stamped between two odometry stamps all the same
        first = START_NS + FIRST_FRAME_NS + -(-round(delay_s * 1e9) // ODOMETRY_NS) * ODOMETRY_NS
        frames = first + period_ns * np.arange(options.plan.frames, dtype=np.int64)
        return Clock(frames, np.arange(START_NS, frames[-1] + 2 * ODOMETRY_NS, ODOMETRY_NS, dtype=np.int64), period_ns, delay_s)

    @property
    def stamped(self) -> Float64:
        """Seconds from the start of the flight to each frame's stamp."""
        return seconds(self.frames)

    @property
    def taken(self) -> Float64:
        """Seconds from the start of the flight to the time at which each frame was taken."""
        return seconds(self.frames) - self.delay_s

    def silent(self, at: Float64, outages: tuple[tuple[int, float], ...]) -> Mask:
        """Return whether each of some times, in seconds, lies in one of the outages: so many seconds from a frame on."""
        begins, lengths = self.stamped[[frame for frame, _ in outages]], np.array([length for _, length in outages])
        return np.asarray(((at[:, None] >= begins) & (at[:, None] < begins + lengths)).any(axis=1))


def seconds(stamps: Any) -> Float64:
    """Return the seconds since the start of the flight."""
    return np.asarray(stamps - START_NS, np.float64) / 1e9
