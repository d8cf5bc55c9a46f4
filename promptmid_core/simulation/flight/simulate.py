"""Simulated flights over an orthophoto, recorded as rosbag2 folders with ground truth."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float64
from promptmid_core.bags import telemetry
from promptmid_core.bags.writer import BagWriter, check_new_bag
from promptmid_core.errors import InputError
from promptmid_core.geometry import Camera, Pose, Terrain
from promptmid_core.georaster import RasterView, check_raster, map_frame
from promptmid_core.simulation.flight.drift import WorstErrors
from promptmid_core.simulation.flight.exposure import Exposure
from promptmid_core.simulation.flight.flightplan import NEEDED_SHARE, Plan, Sight, drape, plan_flight
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.trajectory import Trajectory

Stamps = NDArray[np.int64]
Entry = tuple[int, str, Any]  # log time in ns, topic, message

VIEW_ANGLE_DEG = 45.0  # across the shorter side, were there no distortion
DISTORTION = np.array([-0.08, 0.03, 0.0005, -0.0004, 0.0])
START_NS = 1_767_225_600_000_000_000  # 2026-01-01 00:00 UTC
ODOMETRY_NS = 50_000_000
FIRST_FRAME_NS = 517_000_000  # between two odometry stamps: the prior has to be interpolated
ODOMETRY_DELAY_NS, IMAGE_DELAY_NS = 5_000_000, 60_000_000  # from the stamp to the recorder
JPEG_QUALITY = 90
FLOOR_PX = 0.1  # least standard deviation that the prior claims


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
    asked, wrong = options.plan, options.prior
    check_new_bag(out)
    check_raster(optical, "optical")
    if dem:
        check_raster(dem, "dem")
    frame = map_frame(optical, crs)
    ortho = RasterView.of(optical, frame)
    gsd = asked.gsd or ortho.grid.gsd
    sight = nadir_sight(*asked.image_size, asked.footprint_px * gsd)
    frame_gsd = sight.shorter / min(asked.image_size)
    if frame_gsd > ortho.grid.gsd:
        # frames coarser than the orthophoto would alias
        ortho = RasterView.of(optical, frame, frame_gsd)

    rng = np.random.default_rng(asked.seed)
    period_ns = round(1e9 / asked.frame_rate_hz)
    stamps = START_NS + FIRST_FRAME_NS + period_ns * np.arange(asked.frames, dtype=np.int64)
    odometry_stamps = np.arange(START_NS, stamps[-1] + 2 * ODOMETRY_NS, ODOMETRY_NS, dtype=np.int64)
    terrain = drape(dem, ortho, sight)
    plan = plan_flight(rng, ortho, terrain, sight, float(_seconds(odometry_stamps)[-1]), _seconds(stamps), asked.speed_mps)
    drift = WorstErrors(wrong.drift_px * gsd, np.radians(wrong.yaw_error_deg), wrong.altitude_error_percent / 100,
                        np.radians(wrong.attitude_error_deg))
    exposure = Exposure.over(asked.seed, rng, asked.frames, period_ns / 1e9)

    custom = options.told() | {
        "map_crs": frame.crs, "map_origin_east": str(frame.origin[0]), "map_origin_north": str(frame.origin[1]),
        "gsd_m": str(float(gsd)), "speed_mps": f"{plan.motion.speed:.3f}", "height_above_ground_m": f"{plan.motion.height:.3f}",
        "optical": optical.name, "dem": dem.name if dem else "none: flat ground at 0 m",
    }
    shares: list[float] = []
    with BagWriter(out, custom) as bag:
        priors = _priors(rng, plan, terrain, drift, odometry_stamps, _seconds(stamps), FLOOR_PX * gsd)
        pictures = _frames(plan, exposure, stamps, shares, progress)
        for log_ns, topic, content in heapq.merge(priors, pictures, key=lambda entry: entry[0]):
            bag.write(topic, content, log_ns)
        if min(shares) < NEEDED_SHARE:
            raise InputError(f"{optical}: frame {int(np.argmin(shares))} would show only {min(shares):.1%} valid pixels.")

    position, _ = plan.trajectory.at(_seconds(stamps))
    return FlightSummary(
        path=out, frames=asked.frames, seconds=float(stamps[-1] - stamps[0]) / 1e9,
        distance_m=float(np.hypot(*np.diff(position[:, :2], axis=0).T).sum()), speed_mps=plan.motion.speed,
        frame_rate_hz=1e9 / period_ns, turn_rate_deg_s=float(np.degrees(plan.motion.turn_rate)), height_m=plan.motion.height,
        tilt_limit_deg=float(np.degrees(plan.motion.tilt_limit)), gsd_m=gsd, footprint_m=(sight.across, sight.along),
        map_crs=frame.crs, map_origin=frame.origin, least_valid_share=min(shares),
    )


def nadir_sight(width: int, height: int, shorter_m: float) -> Sight:
    """Return a camera of mild distortion, and the height from which the shorter side of its image covers `shorter_m` metres."""
    focal = min(width, height) / 2 / np.tan(np.radians(VIEW_ANGLE_DEG / 2))
    # an optical axis is never quite in the middle
    k = np.array([[focal, 0.0, (width - 1) / 2 + 3.2], [0.0, focal, (height - 1) / 2 - 2.1], [0.0, 0.0, 1.0]])
    camera = Camera(width, height, k, "plumb_bob", DISTORTION)
    middle = (width - 1) / 2, (height - 1) / 2
    edges = camera.rays(np.array([[-0.5, middle[1]], [width - 0.5, middle[1]], [middle[0], -0.5], [middle[0], height - 0.5]]))
    at = edges[:, :2] / edges[:, 2:]
    across, along = float(at[1, 0] - at[0, 0]), float(at[3, 1] - at[2, 1])
    above = shorter_m / min(across, along)
    return Sight(camera, along * above, across * above, above)


def _frames(plan: Plan, exposure: Exposure, stamps: Stamps, shares: list[float],
            progress: Callable[[int, int], None] | None) -> Iterator[Entry]:
    """Image, camera_info and ground truth of every frame; the share of valid pixels goes to `shares`."""
    import simplejpeg

    for i, stamp in enumerate(stamps.tolist()):
        second = float(_seconds(stamps[i]))
        pose = plan.trajectory.pose(second)
        seen, share = plan.view.render(pose)
        shares.append(share)
        image = exposure.expose(seen, i)
        pixels, colours = (image[..., None], "GRAY") if image.ndim == 2 else (image, "RGB")
        jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), JPEG_QUALITY, colours, "420")
        log_ns = stamp + IMAGE_DELAY_NS
        yield log_ns, "/camera_info", telemetry.camera_info(stamp, plan.view.camera)
        yield log_ns, "/image/compressed", telemetry.compressed_image(stamp, jpeg)
        velocity, rate = _rates(plan.trajectory, second)
        exact = np.zeros((6, 6))
        yield log_ns, "/ground_truth", telemetry.odometry(stamp, pose, exact, pose.rotation.T @ velocity, rate, exact)
        if progress:
            progress(i + 1, len(stamps))


def _priors(rng: np.random.Generator, plan: Plan, terrain: Terrain, drift: WorstErrors, stamps: Stamps, instants: Float64,
            floor_m: float) -> Iterator[Entry]:
    """Odometry at `stamps`, wrong by the drift as seen at the frames' `instants`."""
    times = _seconds(stamps)
    position, rpy = plan.trajectory.at(times)
    errors = drift.errors(rng, times, position[:, 2] - terrain.height(position[:, 0], position[:, 1]), instants)
    covariance = drift.covariance(plan.motion.height, floor_m)
    error_rates = np.gradient(errors, times, axis=0)
    # what the estimate of the velocity is wrong by follows from the drift
    spread = np.maximum([error_rates[:, :3].std(), error_rates[:, 3:].std()], 1e-4)
    twist_covariance = np.diag(np.repeat(spread**2, 3))
    for i, stamp in enumerate(stamps.tolist()):
        pose = Pose.from_rpy(position[i] + errors[i, :3], *(rpy[i] + errors[i, 3:]))
        velocity, rate = _rates(plan.trajectory, float(times[i]))
        velocity = pose.rotation.T @ (velocity + error_rates[i, :3])
        content = telemetry.odometry(stamp, pose, covariance, velocity, rate, twist_covariance)
        yield stamp + ODOMETRY_DELAY_NS, "/odometry", content


def _rates(trajectory: Trajectory, second: float) -> tuple[Float64, Float64]:
    """Velocity (3,) along the axes of `map` and rotation rate (3,) along those of `base_link`."""
    velocity, (roll_rate, pitch_rate, yaw_rate) = trajectory.rates(second)
    roll, pitch, _ = trajectory.pose(second).rpy()
    rate = np.array([
        roll_rate - yaw_rate * np.sin(pitch),
        pitch_rate * np.cos(roll) + yaw_rate * np.sin(roll) * np.cos(pitch),
        yaw_rate * np.cos(roll) * np.cos(pitch) - pitch_rate * np.sin(roll),
    ])
    return velocity, rate


def _seconds(stamps: Any) -> Float64:
    """Seconds since the start of the flight."""
    return np.asarray(stamps - START_NS, np.float64) / 1e9

