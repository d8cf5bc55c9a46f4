"""`promptmid map audit`: a map held against flights whose truth is known."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from promptmid_core.cli.flown import add_settings, add_topics, flown_over, settings_of, topics_of
from promptmid_core.cli.output import Bar, tell_json
from promptmid_core.cli.parsing import command, json_output


def add_audit(of_map: Any) -> None:
    """Declare the command among those of `promptmid map`."""
    run = command(of_map, "audit", _audit, "where a map lies beside the ground, by flights whose truth is known",
                  "promptmid map audit la_map --against flight_1 flight_2 --write --json audit.json")
    run.description = (
        "Lays frames of each BAG on the ground by its truth, matches them to the map, and fits how far the map lies beside the\n"
        "ground, place by place, with a standard deviation: the offset. With two bags and more it says of each how much of its\n"
        "errors the others foretell. With --write the map keeps the offset, in place of one that it has, and all fixes use it.")
    run.add_argument("map", type=Path, metavar="MAP", help="the map that was flown over")
    run.add_argument("--against", type=Path, nargs="+", required=True, metavar="BAG", help="flights whose truth is trusted; an "
                     "error of it would be taken for one of the map")
    run.add_argument("--write", action="store_true", help="store the offset in the map")
    add_settings(run, of_map=False)
    add_topics(run, "image", "camera_info", "odometry", "ground_truth")
    json_output(run, "what was found, place by place")


def _audit(args: argparse.Namespace) -> None:
    from datetime import UTC, datetime

    from promptmid_core.audit.audit import audit
    from promptmid_core.audit.document import as_json, as_text
    from promptmid_core.refmap.build import write_offset
    from promptmid_core.refmap.format.offset import AuditedFlight, OffsetFacts

    settings, topics = settings_of(args), topics_of(args)
    reference, descriptor = flown_over(args.map, args.against, settings, topics, corrected=False)
    with Bar("audit", "frame") as progress:
        found = audit(args.against, reference, descriptor, settings.options, settings.rig, topics=topics, progress=progress)
    if args.write:
        flights = tuple(AuditedFlight(os.path.realpath(flight.bag), flight.frames) for flight in found.flights)
        facts = OffsetFacts(found.field.grid, found.field.away_m, found.covariance.range_m, flights,
                            datetime.now(UTC).isoformat(timespec="seconds"))
        write_offset(reference.path, facts, found.field.values)
    values = as_json(found, reference, args.write)
    tell_json(args, values)
    print(as_text(values))
    if args.write:
        print(f"{reference.path}: the offset is stored; flights that it was fitted from cannot judge it")
