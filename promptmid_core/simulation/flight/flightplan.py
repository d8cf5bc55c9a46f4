"""How a flight fits over an orthophoto: the fastest motion that has room, and a trajectory that keeps every footprint on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from promptmid_core.arrays import Mask, UInt8
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid, Terrain
from promptmid_core.geometry.heights import filled
from promptmid_core.georaster import GeoImage, RasterView, ground_resolution, resample
from promptmid_core.simulation.flight.clock import Clock, seconds
from promptmid_core.simulation.flight.room import Outline, Room, room_for
from promptmid_core.simulation.flight.sight import Sight
from promptmid_core.simulation.flight.track import SMOOTH_S
from promptmid_core.simulation.flight.trajectory import HEIGHT_LIMIT, Motion, Trajectory, plan_trajectory
from promptmid_core.simulation.flight.view import View

NEEDED_SHARE = 0.95
SAMPLED_SHARE = NEEDED_SHARE + 0.005  # planning looks at a fraction of the rays
OBLIQUE_SHARE = 0.98  # of the ground before an oblique camera, of which the farthest rows are left out already
TILT_LIMITS = tuple(float(np.radians(degrees)) for degrees in (5.0, 3.5, 2.5))
BANKED = 9.81 * float(np.tan(np.radians(35.0)))  # sideways acceleration of a steep turn, m/s2
FASTEST_TURN = 0.3  # rad/s
FASTEST, SLOWEST_WANTED, SLOWEST = 100.0, 15.0, 2.0  # m/s
FOOTPRINT_S = 45.0  # time in which the aircraft crosses the shorter side of its footprint, where there is room
MARGINS = (1.0, 1.0, 1.15, 1.15, 1.4, 1.4)  # of one attempt after the other
SPEEDS = 0.8 ** np.arange(16)
LOWEST_CLEARANCE = 0.3  # share of the height above ground
DEM_CELLS = 16_000_000


@dataclass(frozen=True)
class Plan:
    """A flight whose every frame keeps its footprint on valid ground, the sight of its camera, and the view of that ground."""

    sight: Sight
    motion: Motion
    trajectory: Trajectory
    view: View

    def with_image(self, image: UInt8) -> Plan:
        """Return the plan over another image of the same ground."""
        return replace(self, view=replace(self.view, image=image))


def plan_flight(rng: np.random.Generator, ortho: RasterView, terrain: Terrain, sight: Sight, clock: Clock,
                speed: float | None) -> Plan:
    """Return a flight over the orthophoto that goes on as long as the clock. Raises InputError where there is no room for
    one."""
    wanted = speed or float(np.clip(sight.shorter / FOOTPRINT_S, SLOWEST_WANTED, FASTEST))
    overview = _coarser(ortho, sight.shorter / 160)
    worst, frame = 1.0, 0
    for margin in MARGINS:
        motion, room, free = _motion(ortho, overview, sight, wanted, margin)
        trajectory = plan_trajectory(rng, room, free, motion, terrain, float(seconds(clock.odometry)[-1]))
        _check_clearance(trajectory, terrain, sight, ortho.path)
        view = _view(ortho, terrain, sight, trajectory)
        shares = np.array([view.valid_share(trajectory.pose(second)) for second in clock.taken])
        if shares.min() >= SAMPLED_SHARE:
            return Plan(sight, motion, trajectory, view)
        worst, frame = float(shares.min()), int(shares.argmin())
    raise InputError(
        f"{ortho.path}: no flight found that keeps {NEEDED_SHARE:.0%} of each footprint on valid pixels (the last try had "
        f"{worst:.1%} in frame {frame}); use a smaller --footprint-px, fewer --frames, or an orthophoto with fewer holes.")


def drape(dem: Path | None, ortho: RasterView, sight: Sight, raised_m: float = 0.0) -> Terrain:
    """Return the ground under the orthophoto, raised by some metres: the DEM, or flat without one.

    Raises InputError where the DEM does not cover it.
    """
    if dem is None:
        return Terrain.flat(raised_m)
    west, south, east, north = ortho.grid.bounds
    gsd = max(ground_resolution(dem), float(np.sqrt((east - west) * (north - south) / DEM_CELLS)))
    grid = Grid(west, north, gsd, int((east - west) / gsd) + 2, int((north - south) / gsd) + 2)
    heights = resample(dem, ortho.frame, like=grid, resampling="bilinear", kind="dem")
    seen = _coarser(ortho, max(gsd, sight.shorter / 160))
    rows, cols = np.nonzero(seen.valid)
    col, row = (np.rint(a).astype(int) for a in grid.to_pixel(*seen.grid.to_map(cols, rows)))
    known = heights.valid[np.clip(row, 0, grid.height - 1), np.clip(col, 0, grid.width - 1)].mean()
    if known < NEEDED_SHARE:
        raise InputError(f"{dem} has heights for only {known:.0%} of the valid pixels of {ortho.path}; give a DEM of all of it.")
    return Terrain.of(filled(heights.image, heights.valid) + np.float32(raised_m), grid)


def _coarser(ortho: RasterView, gsd: float) -> GeoImage:
    """The orthophoto's first band at a coarser resolution: enough to tell where there are valid pixels."""
    return resample(ortho.path, ortho.frame, max(ortho.grid.gsd, gsd), bands=ortho.bands[:1])


def _motion(ortho: RasterView, overview: GeoImage, sight: Sight, wanted: float, margin: float) -> tuple[Motion, Room, Mask]:
    """The fastest motion, up to the wanted speed, that has a circle to fly; a steadier mount where it needs the room."""
    best: tuple[Motion, Room, Mask] | None = None
    for tilt in TILT_LIMITS:
        room = _room(overview, sight, wanted, margin, tilt)
        for speed in wanted * SPEEDS:
            if speed < SLOWEST or (best and speed <= best[0].speed):
                break
            turn = min(FASTEST_TURN, BANKED / speed)
            free = room.circles(speed / turn)
            if free.any():
                best = Motion(float(speed), turn, sight.height, tilt), room, free
                break
        if best and best[0].speed >= 0.5 * wanted:
            return best
    if best is None:
        raise InputError(_no_room(ortho, overview, sight, margin))
    return best


def _room(overview: GeoImage, sight: Sight, speed: float, margin: float, tilt: float) -> Room:
    cut = SMOOTH_S**2 * min(BANKED, FASTEST_TURN * speed) / 2
    if sight.is_oblique:
        near, far, aside = sight.ground(margin * tilt)
        outline = Outline(far - near, 2 * aside, (near + far) / 2)
        return room_for(overview.valid, overview.grid, outline, margin * HEIGHT_LIMIT * far + cut, OBLIQUE_SHARE)
    longer = max(sight.along, sight.across)
    # tilt moves the footprint and widens it on the far side; climbs widen it; smoothing cuts the corners of the track
    tilted = float(np.tan(tilt)) * (sight.height + longer / 2 * float(np.tan(tilt)))
    climbed = HEIGHT_LIMIT * longer / 2
    kept = margin * (tilted + climbed) + cut
    return room_for(overview.valid, overview.grid, Outline(sight.along, sight.across), kept, NEEDED_SHARE)


def _no_room(ortho: RasterView, overview: GeoImage, sight: Sight, margin: float) -> str:
    """What is too small, and which footprint would fit."""
    advice = "use a larger orthophoto with fewer holes"
    for share in np.arange(0.95, 0.04, -0.05):
        smaller = sight.scaled(share)
        if _room(overview, smaller, SLOWEST, margin, TILT_LIMITS[-1]).circles(SLOWEST / FASTEST_TURN).any():
            advice = f"a --footprint-px of {share:.0%} of this one would fit"
            break
    west, south, east, north = ortho.grid.bounds
    size = f"{east - west:.0f} x {north - south:.0f} m, {overview.valid.mean():.0%} of it valid"
    return (
        f"{ortho.path} is too small, or has too many holes, for a flight with a footprint of {sight.across:.0f} x "
        f"{sight.along:.0f} m: it measures {size}, and nowhere can an aircraft turn around with {NEEDED_SHARE:.0%} of the "
        f"footprint on valid pixels; {advice}.")


def _view(ortho: RasterView, terrain: Terrain, sight: Sight, trajectory: Trajectory) -> View:
    """The part of the orthophoto that the flight can see, as 8-bit colours."""
    col, row = ortho.grid.to_pixel(trajectory.positions[:, 0], trajectory.positions[:, 1])
    reach = 1.25 * float(np.hypot(sight.along, sight.across)) / ortho.grid.gsd
    if sight.is_oblique:
        _, far, aside = sight.ground(TILT_LIMITS[0])
        reach = 1.1 * float(np.hypot(far, aside)) / ortho.grid.gsd
    left, top = max(0, int(col.min() - reach)), max(0, int(row.min() - reach))
    right, bottom = min(ortho.grid.width, int(col.max() + reach) + 1), min(ortho.grid.height, int(row.max() + reach) + 1)
    part = ortho.read(left, top, right - left, bottom - top)
    return View(_eight_bit(part, ortho.limits[1]), part.valid, part.grid, terrain, sight.camera)


def _eight_bit(ortho: GeoImage, greatest: float) -> UInt8:
    """8-bit values as they are; wider ones stretched from their 1st to their 99th percentile."""
    image = ortho.image
    if greatest > 255 and ortho.valid.any():
        low, high = np.percentile(image[ortho.valid], (1, 99))
        image = (image - low) * (255 / max(high - low, 1e-6))
    known = ortho.valid if image.ndim == 2 else ortho.valid[..., None]
    return np.where(known, np.clip(np.rint(image), 0, 255), 0).astype(np.uint8)


def _check_clearance(trajectory: Trajectory, terrain: Terrain, sight: Sight, path: Path) -> None:
    x, y, z = trajectory.positions.T
    lowest = float((z - terrain.height(x, y)).min())
    if lowest < LOWEST_CLEARANCE * sight.height:
        raise InputError(f"{path}: the terrain rises to {lowest:.0f} m below a flight at {sight.height:.0f} m above ground; "
                         "use a larger --footprint-px (a higher flight) or flatter terrain.")
