"""A long flight whose images are taken one after the other, as they are asked for: nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.georaster import MapFrame, RasterView
from promptmid_core.simulation.flight.clock import START_NS, Clock, seconds
from promptmid_core.simulation.flight.exposure import Exposure
from promptmid_core.simulation.flight.flightplan import Plan, drape, plan_flight
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.pictures import Photographer
from promptmid_core.simulation.flight.sight import mounted, nadir_sight
from promptmid_core.simulation.flight.trajectory import Trajectory


@dataclass(frozen=True)
class Ground:
    """What is flown over: an orthophoto, its heights where there are any, and the frame and pixel of the map of it."""

    optical: Path
    dem: Path | None
    frame: MapFrame
    gsd: float


@dataclass(frozen=True)
class LongFlight:
    """A plan with its clock; images come of the camera as it is, camera_info and the mount tell what is believed of it."""

    plan: Plan
    clock: Clock
    options: FlightOptions
    exposure: Exposure

    @staticmethod
    def over(ground: Ground, options: FlightOptions) -> LongFlight:
        asked = options.plan
        ortho = RasterView.of(ground.optical, ground.frame)
        sight = mounted(nadir_sight(*asked.image_size, asked.footprint_px * ground.gsd), options.camera)
        if sight.shorter / min(asked.image_size) > ortho.grid.gsd:
            ortho = RasterView.of(ground.optical, ground.frame, sight.shorter / min(asked.image_size))
        rng, clock = np.random.default_rng(asked.seed), Clock.of(options)
        plan = plan_flight(rng, ortho, drape(ground.dem, ortho, sight, asked.ground_height_m), sight, clock, asked.speed_mps)
        return LongFlight(plan, clock, options, Exposure.over(asked.seed, rng, asked.frames, clock.period_ns / 1e9, False))

    @property
    def trajectory(self) -> Trajectory:
        return self.plan.trajectory

    @property
    def seconds(self) -> float:
        """How long odometry goes on, from START_NS."""
        return float(seconds(self.clock.odometry)[-1])

    def shots(self) -> Iterator[tuple[Any, Any]]:
        """Yield camera_info and image, one after the other, of all frames but those of an outage."""
        info = None
        for _, topic, message in Photographer(self.plan, self.exposure, self.options).messages(self.clock, None):
            if topic == "/camera_info":
                info = message
            elif topic == "/image/compressed":
                yield info, message


def second_of(stamp_ns: int) -> float:
    """Return the seconds since START_NS of a stamp."""
    return float(seconds(np.int64(stamp_ns)))


def stamp_of(second: float) -> int:
    """Return the stamp of so many seconds after START_NS."""
    return START_NS + round(second * 1e9)
