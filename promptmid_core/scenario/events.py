"""What befalls a flight: when its prior or odometry jumped, and when it came onto the part of a map that is off."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from promptmid_core.replay.run import ReplayedFrame
from promptmid_core.simulation.flight.options import FlightOptions


def jumps(options: FlightOptions, frames: Sequence[ReplayedFrame]) -> tuple[int, ...]:
    """Return the indices of the first frames after each jump, and after each outage that the pose has drifted in.

    Frames that were never recorded are told by the stamps of the others.
    """
    rate, prior = options.plan.frame_rate_hz, options.prior
    numbers = {frame for frame, _ in prior.jump}
    if prior.outage_offset_px:
        numbers |= {frame + ceil(seconds * rate) for frame, seconds in prior.outage}
    period_ns = 1e9 / rate
    found = {next((index for index, frame in enumerate(frames)
                   if frame.fix.stamp_ns - frames[0].fix.stamp_ns > (number - 0.5) * period_ns), None) for number in numbers}
    return tuple(sorted(index for index in found if index is not None))
