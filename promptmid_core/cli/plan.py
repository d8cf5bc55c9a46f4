"""`promptmid plan`: whether a flight can be localized, before take-off."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promptmid_core.cli.output import tell_json
from promptmid_core.cli.parsing import CAMERA, FLOWN, command, day, json_output, output, positive_number

PAGES = (".html",)


def add(commands: Any) -> None:
    """Declare the command."""
    plan = command(commands, "plan", _plan, "whether a flight over a map can be localized: heights, and where frames will match",
                   "promptmid plan --map la_map --camera camera_info.yaml --out plan.html\n"
                   "  promptmid plan --map la_map --camera bag --route track.geojson --height-m 2500 --json plan.json")
    plan.description = (
        "Tells from which heights above ground frames of a camera can be matched to a map, what each height comes to, and how\n"
        "probable it is, by the SAR map alone, that a frame is matched rightly: over the map, and along a route. docs/plan.md")
    option = plan.add_argument
    option("--map", type=Path, required=True, metavar="MAP", help="the map, or the folder of one of its regions")
    option("--camera", type=Path, required=True, metavar="FILE.yaml|BAG", help=CAMERA)
    option("--height-m", type=positive_number, metavar="H", help="metres above ground, of a route above the median of the ground "
           "below it; default: the route's own altitudes, else where a frame fills what is matched")
    option("--route", type=Path, metavar="FILE", help="a .geojson with a line, a .plan of QGroundControl, or a .csv with columns "
           "lat, lon and, if need be, alt; default: anywhere over the map")
    option("--date", type=day, metavar="DAY", help=f"to tell how old the map is then: {FLOWN}")
    output(plan, "--out", metavar="FILE.html", help="a page, with pictures; default: none")
    json_output(plan, "the figures")


def _plan(args: argparse.Namespace) -> None:
    from promptmid_core.bags.camera import camera_of
    from promptmid_core.files import check_target
    from promptmid_core.localization.options import Options
    from promptmid_core.plan.page import verdict, write_plan
    from promptmid_core.plan.plan import make_plan
    from promptmid_core.refmap import ReferenceMap

    if args.out:
        check_target(args.out, PAGES)
    plan = make_plan(ReferenceMap.open(args.map), camera_of(args.camera), Options(), args.date or datetime.now(UTC).date(),
                     args.route, args.height_m)
    _, headline, words = verdict(plan)
    print("\n".join([headline, *words]))
    tell_json(args, plan.to_dict())
    if args.out:
        write_plan(args.out, plan, args.command)
        print(f"plan: {args.out}")
