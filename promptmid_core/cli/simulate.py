"""`promptmid simulate ...`: worlds and flights of known truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from promptmid_core.cli.output import Bar, say
from promptmid_core.cli.parsing import FLAT_GROUND, command, group, positive_number, size


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    of_simulate = group(commands, "simulate", "worlds and flights of known truth")
    world = command(of_simulate, "world", _simulate_world, "a procedural world: optical, SAR, land cover, DEM",
                    "promptmid simulate world --out world --seed 1")
    world.add_argument("--out", type=Path, required=True, metavar="DIR")
    world.add_argument("--seed", type=int, default=1)
    world.add_argument("--size-px", type=int, default=1536)
    world.add_argument("--gsd", type=positive_number, default=10.0, metavar="M")
    flight = command(of_simulate, "flight", _simulate_flight, "a flight over an orthophoto, as a rosbag2 folder",
                     "promptmid simulate flight --optical optical.tif --out bag --frames 300 --seed 1 --footprint-px 512 \\\n"
                      "      --drift-px 40 --yaw-error-deg 3 --altitude-error-percent 2")
    option = flight.add_argument
    option("--optical", type=Path, required=True, metavar="ORTHO.tif")
    option("--dem", type=Path, metavar="DEM.tif", help=FLAT_GROUND)
    option("--out", type=Path, required=True, metavar="DIR")
    option("--frames", type=int, default=300)
    option("--seed", type=int, default=1)
    option("--footprint-px", type=float, default=512, metavar="P", help="shorter side of the footprint at nadir, map px")
    option("--drift-px", type=float, default=40, metavar="D", help="the prior's worst horizontal error, map px")
    option("--yaw-error-deg", type=float, default=3, metavar="Y", help="the prior's worst yaw error")
    option("--altitude-error-percent", type=float, default=2, metavar="A",
           help="the prior's worst height error, of the height above ground")
    option("--attitude-error-deg", type=float, default=0.2, metavar="R", help="the prior's worst roll and pitch error")
    option("--gsd", type=positive_number, metavar="M", help="metres per map px; default: the orthophoto's ground resolution")
    option("--crs", metavar="EPSG:N", help="CRS of the map frame; default: the UTM zone of the orthophoto's centre")
    option("--image-size", type=size, default=(1280, 960), metavar="WxH", help="default: 1280x960")
    option("--frame-rate-hz", type=positive_number, default=1.0, metavar="F", help="default: 1")
    option("--speed-mps", type=positive_number, metavar="V", help="at most; default: by footprint and room to turn")


def _simulate_world(args: argparse.Namespace) -> None:
    from promptmid_core.simulation.world.simulate import simulate_world

    world = simulate_world(args.out, seed=args.seed, size_px=args.size_px, gsd_m=args.gsd, progress=say)
    print(f"{args.out}: optical.tif, sar.tif, landcover.tif, dem.tif; {world.size_px}x{world.size_px} px of {world.gsd_m:g} m")


def _simulate_flight(args: argparse.Namespace) -> None:
    from promptmid_core.simulation.flight.simulate import simulate_flight

    with Bar("flight", "frame") as progress:
        flown = simulate_flight(
            args.optical, args.out, dem=args.dem, frames=args.frames, seed=args.seed, footprint_px=args.footprint_px,
            drift_px=args.drift_px, yaw_error_deg=args.yaw_error_deg, altitude_error_percent=args.altitude_error_percent,
            attitude_error_deg=args.attitude_error_deg, gsd=args.gsd, crs=args.crs, image_size=args.image_size,
            frame_rate_hz=args.frame_rate_hz, speed=args.speed_mps, progress=progress)
    across, along = flown.footprint_m
    print(f"{flown.path}: {flown.frames} frames in {flown.seconds:.0f} s over {flown.distance_m / 1e3:.1f} km at "
          f"{flown.speed_mps:.0f} m/s and {flown.height_m:.0f} m above ground; footprint {across:.0f} x {along:.0f} m, "
          f"{flown.map_crs}, {flown.least_valid_share:.1%} of the worst footprint on valid pixels")
