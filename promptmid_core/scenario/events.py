"""What befalls a flight: when its prior or odometry jumped, and when it came onto the part of a map that is off."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from promptmid_core.errors import Refusal
from promptmid_core.geometry.ortho import boresight_point
from promptmid_core.georaster.proj import transformer
from promptmid_core.georaster.source import opened
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.run import ReplayedFrame
from promptmid_core.scenario.scenario import MapWanted
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


def crossings(wanted: MapWanted, sar: Path, reference: ReferenceMap, frames: Sequence[ReplayedFrame]) -> tuple[int, ...]:
    """Return the indices of the frames that are the first on an altered part of the map after one on the rest of it.

    `sar` is a raster on the grid of the one that was altered. Frames whose boresight truly meets no ground tell nothing.
    """
    parts = {alteration.options.part for alteration in wanted.alterations} - {"all"}
    if not parts:
        return ()
    with opened(sar) as source:
        width, height, inverse = source.width, source.height, ~source.transform
        to_raster = transformer(reference.frame.crs, source.crs)
    found, was_off = list[int](), True
    terrain = reference.terrain()
    for index, frame in enumerate(frames):
        if frame.camera is None or frame.truth is None:
            continue
        try:
            x, y, _ = boresight_point(frame.camera, frame.truth, terrain)
        except Refusal:
            continue
        col, row = inverse @ to_raster.transform(x + reference.frame.origin[0], y + reference.frame.origin[1])
        sides = {"left": col < width // 2, "right": col >= width // 2, "upper": row < height // 2, "lower": row >= height // 2}
        is_off = any(sides[part] for part in parts)
        if is_off and not was_off:
            found.append(index)
        was_off = is_off
    return tuple(found)
