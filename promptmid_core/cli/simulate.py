"""`promptmid simulate ...`: worlds and flights of known truth."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptmid_core.cli.output import Bar, say
from promptmid_core.cli.parsing import FLAT_GROUND, command, group, output
from promptmid_core.simulation.flight.options import GROUPS, FlightOptions
from promptmid_core.simulation.flight.options import SETTINGS as FLIGHT
from promptmid_core.simulation.kinds import quoted
from promptmid_core.simulation.settings import Control, as_option, settings_of
from promptmid_core.simulation.world.alterations import SETTINGS as ALTERATION
from promptmid_core.simulation.world.alterations import AlterationOptions
from promptmid_core.simulation.world.options import SETTINGS as WORLD
from promptmid_core.simulation.world.options import WorldOptions


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    of_simulate = group(commands, "simulate", "worlds and flights of known truth")
    world = command(of_simulate, "world", _simulate_world, "a procedural world: optical, SAR, land cover, DEM",
                    "promptmid simulate world --out world --seed 1\n"
                    "  promptmid simulate world --out near --seed 1 --gsd 1\n"
                    "  promptmid simulate world --out chequer --pattern chequer --pattern-px 24 --odd-one-in 10")
    world.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder that is new or empty")
    _add_settings(world, WORLD)
    flight = command(of_simulate, "flight", _simulate_flight, "a flight over an orthophoto, as a rosbag2 folder",
                     "promptmid simulate flight --optical optical.tif --out bag --frames 300 --seed 1 --footprint-px 512 \\\n"
                     "      --drift-px 40 --yaw-error-deg 3 --altitude-error-percent 2\n"
                     "  promptmid simulate flight --optical optical.tif --out ahead --camera-pitch-deg 30\n"
                     "  promptmid simulate flight --optical optical.tif --out jump --jump 20:60 --outage 40:10 --night")
    flight.add_argument("--optical", type=Path, required=True, metavar="ORTHO.tif", help="the orthophoto that is flown over")
    flight.add_argument("--dem", type=Path, metavar="DEM.tif", help=FLAT_GROUND)
    flight.add_argument("--out", type=Path, required=True, metavar="DIR", help="the bag, a folder that is new or empty")
    flight.add_argument("--crs", metavar="EPSG:N", help="CRS of the map frame; default: the UTM zone of the orthophoto's centre")
    for name, settings in GROUPS.items():
        _add_settings(flight.add_argument_group(name), settings_of(settings))
    alter = command(of_simulate, "alter", _alter, "a SAR raster, parts of it shifted, replaced, turned, mirrored or shuffled",
                    "promptmid simulate alter sar.tif --out wrong.tif --way shift --part left --shift-px 30 0")
    alter.add_argument("sar", type=Path, metavar="SAR.tif", help="the raster that is altered")
    output(alter, "--out", required=True, metavar="FILE.tif", help="the altered raster")
    alter.add_argument("--other", type=Path, metavar="SAR.tif",
                       help="of replace: where other ground comes from; default: the raster itself, mirrored")
    _add_settings(alter, ALTERATION)


def _add_settings(parser: argparse._ActionsContainer, table: Mapping[str, Control]) -> None:
    """An option for each setting; what is not given is at its default."""
    for name, each in table.items():
        told = "" if each.default in (None, (), False) else f"; default: {quoted(each.default)}"
        argument = {"metavar": each.sign, "help": (each.meaning + told).replace("%", "%%"), **each.kind.argument}
        if argument.get("action") == "store_true":
            del argument["metavar"]
        parser.add_argument(as_option(name), default=None, **argument)


def _given(args: argparse.Namespace, table: Mapping[str, Control]) -> dict[str, Any]:
    return {name: value for name in table if (value := getattr(args, name)) is not None}


def _alter(args: argparse.Namespace) -> None:
    from promptmid_core.simulation.world.alter import alter_raster

    options = AlterationOptions.from_dict(_given(args, ALTERATION), as_option)
    alter_raster(args.sar, args.out, options, args.other)
    print(f"{args.out}: {args.sar} with {options.way} of {options.part}")


def _simulate_world(args: argparse.Namespace) -> None:
    from promptmid_core.simulation.world.simulate import simulate_world

    options = WorldOptions.from_dict(_given(args, WORLD), as_option)
    world = simulate_world(args.out, options, progress=say)
    print(f"{args.out}: optical.tif, sar.tif, landcover.tif, dem.tif; {world.size_px}x{world.size_px} px of {world.gsd_m:g} m")


def _simulate_flight(args: argparse.Namespace) -> None:
    from promptmid_core.simulation.flight.simulate import simulate_flight

    options = FlightOptions.from_dict(_given(args, FLIGHT), as_option)
    with Bar("flight", "frame") as progress:
        flown = simulate_flight(args.optical, args.out, options, dem=args.dem, crs=args.crs, progress=progress)
    across, along = flown.footprint_m
    print(f"{flown.path}: {flown.frames} frames in {flown.seconds:.0f} s over {flown.distance_m / 1e3:.1f} km at "
          f"{flown.speed_mps:.0f} m/s and {flown.height_m:.0f} m above ground; footprint {across:.0f} x {along:.0f} m, "
          f"{flown.map_crs}, {flown.least_valid_share:.1%} of the worst footprint on valid pixels")
