"""`promptmid map fetch`: a map of a box, from what catalogues of scenes have."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptmid_core.cli.output import Bar, say
from promptmid_core.cli.parsing import command, positive_count, positive_number

if TYPE_CHECKING:
    from promptmid_core.fetch import Fetched, Request

WHOLE = 0.99


def add_fetch(of_map: Any) -> None:
    """Declare the command among those of `promptmid map`."""
    run = command(of_map, "fetch", _fetch, "a map of a box, from catalogues of SAR scenes, heights and land cover",
                  "promptmid map fetch --bbox -118.5 33.9 -118.1 34.2 --gsd 10 --out la --date 2024-05-01/2024-06-30")
    option = run.add_argument
    option("--bbox", type=float, nargs=4, metavar=("W", "S", "E", "N"), help="degrees")
    option("--gsd", type=positive_number, metavar="M", help="metres per pixel of the map")
    option("--out", type=Path, required=True, metavar="DIR", help="windows/, dem.tif, landcover.tif, lock.json, and map/")
    option("--catalog", metavar="URL", help="a STAC API or a static catalogue, file:///... too; default: Planetary Computer")
    option("--collection", metavar="NAME", help="of the SAR scenes; default: sentinel-1-rtc, in a static catalogue any")
    option("--ground", metavar="URL", help="the catalogue of heights and land cover, or none; default: --catalog where it has "
           "them, else Planetary Computer")
    option("--date", metavar="A/B", help="days of acquisition, as 2024-05-01/2024-06-30")
    option("--lock", type=Path, metavar="FILE", help="taken where it exists, so that the same bytes come again, else written; "
           "default: DIR/lock.json")
    option("--descriptor", metavar="NAME", default="promptmid", help="as for 'map build'; default: promptmid")
    option("--workers", type=positive_count, metavar="N", help="as for 'map build'")


def _fetch(args: argparse.Namespace) -> None:
    from promptmid_core.descriptors import load
    from promptmid_core.fetch import fetch
    from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map
    from promptmid_core.refmap.sar import SarProduct

    descriptor = load(args.descriptor, threads=1)
    with Bar("fetch", "block") as progress:
        found = fetch(_request(args), args.out, args.lock, progress)
    if found.seen < WHOLE:
        say(f"warning: only {found.seen:.0%} of {found.request.box} has SAR pixels; the rest of the map is empty")
    out = args.out / "map"
    say(shlex.join(_build(found, out, args.descriptor)))
    product = SarProduct(scale="intensity", terrain_corrected="yes") if found.is_gamma0 else SarProduct()
    product = replace(product, acquired=found.acquired)
    options = BuildOptions(descriptor, product, gsd=found.request.gsd)
    with Bar("map", "tile") as progress:
        crew = Crew(workers=args.workers, progress=progress)
        built = build_map(Sources(found.sar, found.landcover, found.dem), out, options, crew)
    print(f"{out}: {built.grid.width}x{built.grid.height} px of {built.gsd:.3f} m, {built.frame.crs}, of {len(found.sar)} "
          f"{'scenes' if found.sar[1:] else 'scene'}; lock file {found.lock}")


def _request(args: argparse.Namespace) -> Request | None:
    """What is asked for; None where the lock file tells."""
    from promptmid_core.errors import InputError
    from promptmid_core.fetch import PLANETARY_COMPUTER, Box, Request

    said = [args.catalog, args.date, args.collection, args.ground]
    if args.bbox is None and args.gsd is None and not any(said) and args.lock and args.lock.exists():
        return None
    if args.bbox is None or args.gsd is None:
        raise InputError("--bbox W S E N and --gsd M say what map is wanted; give both, or a --lock FILE that exists and "
                         "nothing else of these")
    return Request(Box(*args.bbox), args.gsd, args.catalog or PLANETARY_COMPUTER, args.date or "", args.collection or "",
                   args.ground or "")


def _build(found: Fetched, out: Path, descriptor: str) -> list[str]:
    """The command that makes the same map."""
    line = ["promptmid", "map", "build", *map(str, found.sar), str(out), "--gsd", f"{found.request.gsd:g}"]
    line += ["--descriptor", descriptor] if descriptor != "promptmid" else []
    line += ["--landcover", str(found.landcover)] if found.landcover else []
    line += ["--dem", str(found.dem)] if found.dem else []
    line += ["--acquired", found.acquired] if found.acquired else []
    return [*line, *(["--sar-scale", "intensity", "--terrain-corrected", "yes"] if found.is_gamma0 else [])]
