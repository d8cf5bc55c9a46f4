"""`promptmid doctor`: what is installed, which backend will run, and what is wrong."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from promptmid_core.cli.output import tell_json
from promptmid_core.cli.parsing import BACKENDS, FLOWN, STDOUT, command, day, json_output, positive_number, size

ILL = 1


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    look = command(commands, "doctor", _doctor, "whether the node can fly from here: what is installed, what is wrong",
                   "promptmid doctor --map la_map\n  promptmid doctor --map la_map --image-size 1280x960 --focal-px 1160\n"
                   "  promptmid doctor --map la_map --json > doctor.json")
    look.description = (
        "Looks at ROS 2, the DDS profile, the libraries, the GPU, the weights and the map, says which backend will run the\n"
        "network and why, and measures a description. One line a problem, with its cure; exit status 1 where something stops\n"
        "the node.")
    look.add_argument("--map", type=Path, metavar="MAP", help="the map that is to be flown")
    look.add_argument("--backend", choices=BACKENDS, default="auto", help="as the node's parameter; default: auto")
    look.add_argument("--image-size", type=size, metavar="WxH", help="with --map and --focal-px: of the camera's images, to tell "
                      "from which heights they fit the map")
    look.add_argument("--focal-px", type=positive_number, metavar="F", help="focal length in px, k[0] of camera_info")
    look.add_argument("--date", type=day, metavar="DAY", help=f"with --map, to tell how old it is then: {FLOWN}")
    json_output(look, "what was seen, with problems and cures", bare=True)


def _doctor(args: argparse.Namespace) -> int:
    from promptmid_core.doctor import examination as doctor
    from promptmid_core.doctor.heights import Lens
    from promptmid_core.errors import InputError

    if bool(args.image_size) != bool(args.focal_px) or (args.image_size and not args.map):
        raise InputError("--image-size and --focal-px are said of the camera over a map: give both, and --map")
    lens = Lens(args.image_size, args.focal_px) if args.image_size else None
    seen = doctor.examine(args.map, args.backend, lens=lens, flown=args.date)
    tell_json(args, seen.as_json())
    if args.json != STDOUT:
        print(doctor.table(seen))
    return ILL if seen.problems else 0
