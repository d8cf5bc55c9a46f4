"""Simulated flights over an orthophoto, recorded as rosbag2 folders with ground truth."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptmid_core.bags.writer import BagWriter, check_new_bag
from promptmid_core.errors import InputError
from promptmid_core.georaster import RasterView, check_raster, map_frame
from promptmid_core.simulation.flight.clock import Clock
from promptmid_core.simulation.flight.exposure import Exposure
from promptmid_core.simulation.flight.flightplan import NEEDED_SHARE, drape, plan_flight
from promptmid_core.simulation.flight.odometry import WrongPrior
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.pictures import Photographer
from promptmid_core.simulation.flight.season import LOOKS, seasoned
from promptmid_core.simulation.flight.sight import mounted, nadir_sight


@dataclass(frozen=True)
class FlightSummary:
    """What was flown: seconds, m, m/s, Hz, degrees; `footprint_m` is across and along the flight at nadir."""

    path: Path
    frames: int
    seconds: float
    distance_m: float
    speed_mps: float
    frame_rate_hz: float
    turn_rate_deg_s: float
    height_m: float
    tilt_limit_deg: float
    gsd_m: float
    footprint_m: tuple[float, float]
    map_crs: str
    map_origin: tuple[float, float]
    least_valid_share: float


def simulate_flight(
    optical: Path, out: Path, options: FlightOptions, *, dem: Path | None = None, crs: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FlightSummary:
    """Fly over an orthophoto and record the rosbag2 folder `out`.

    Map pixels are of `options.plan.gsd` metres, by default the orthophoto's ground resolution. The prior's errors are the worst
    ones over the frames. The aircraft flies slower than asked for where valid ground leaves no room to turn.
    `progress(done, frames)` is called after each frame.

    Topics: /image/compressed and /camera_info; /odometry at 20 Hz, the drifting prior; /ground_truth at the frames' stamps.
    CRS and origin of `map` and the options stand in the bag's custom data. The same arguments give the same bytes.
    Raises InputError, also where no flight keeps 95 % of each footprint on valid pixels.
    """
    asked = options.plan
    check_new_bag(out)
    check_raster(optical, "optical")
    if dem:
        check_raster(dem, "dem")
    frame = map_frame(optical, crs)
    ortho = RasterView.of(optical, frame)
    gsd = asked.gsd or ortho.grid.gsd
    sight = mounted(nadir_sight(*asked.image_size, asked.footprint_px * gsd), options.camera)
    frame_gsd = sight.shorter / min(asked.image_size)
    if frame_gsd > ortho.grid.gsd:
        # frames coarser than the orthophoto would alias
        ortho = RasterView.of(optical, frame, frame_gsd)

    rng = np.random.default_rng(asked.seed)
    clock = Clock.of(options)
    terrain = drape(dem, ortho, sight, asked.ground_height_m)
    plan = plan_flight(rng, ortho, terrain, sight, clock, asked.speed_mps)
    if options.conditions.season in LOOKS:
        plan = plan.with_image(seasoned(plan.view.image, options.conditions.season, optical))
    exposure = Exposure.over(asked.seed, rng, asked.frames, clock.period_ns / 1e9, options.conditions.night)

    custom = options.told() | {
        "map_crs": frame.crs, "map_origin_east": str(frame.origin[0]), "map_origin_north": str(frame.origin[1]),
        "gsd_m": str(float(gsd)), "speed_mps": f"{plan.motion.speed:.3f}", "height_above_ground_m": f"{plan.motion.height:.3f}",
        "optical": optical.name, "dem": dem.name if dem else f"none: flat ground at {asked.ground_height_m:g} m",
    }
    camera = Photographer(plan, exposure, options)
    with BagWriter(out, custom) as bag:
        priors = WrongPrior(options.prior, gsd, asked.seed).messages(rng, plan, terrain, clock)
        pictures = camera.messages(clock, progress)
        for log_ns, topic, content in heapq.merge(priors, pictures, key=lambda entry: entry[0]):
            bag.write(topic, content, log_ns)
        shares = camera.shares
        if not shares:
            raise InputError("outage leaves no frame of the flight; give more frames or shorter outages.")
        if min(shares) < NEEDED_SHARE:
            raise InputError(f"{optical}: frame {int(np.argmin(shares))} would show only {min(shares):.1%} valid pixels.")

    position, _ = plan.trajectory.at(clock.stamped)
    return FlightSummary(
        path=out, frames=len(shares), seconds=float(clock.frames[-1] - clock.frames[0]) / 1e9,
        distance_m=float(np.hypot(*np.diff(position[:, :2], axis=0).T).sum()), speed_mps=plan.motion.speed,
        frame_rate_hz=1e9 / clock.period_ns, turn_rate_deg_s=float(np.degrees(plan.motion.turn_rate)),
        height_m=plan.motion.height,
        tilt_limit_deg=float(np.degrees(plan.motion.tilt_limit)), gsd_m=gsd, footprint_m=(sight.across, sight.along),
        map_crs=frame.crs, map_origin=frame.origin, least_valid_share=min(shares),
    )
