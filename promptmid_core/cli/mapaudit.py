"""`promptmid map audit`: a map held against flights whose truth is known, rasters, the relief, and its own scenes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptmid_core.cli.flown import add_settings, add_topics, flown_over, settings_of, topics_of
from promptmid_core.cli.output import Bar, tell_json
from promptmid_core.cli.parsing import command, json_output, output, positive_number

if TYPE_CHECKING:
    from promptmid_core.audit.audit import Held
    from promptmid_core.audit.source import Source
    from promptmid_core.descriptors import Descriptor
    from promptmid_core.localization.settings import Settings
    from promptmid_core.refmap import ReferenceMap

FAILED = 1
RECORDED = (".bag", ".db3", ".mcap", ".zstd")  # files that hold flights; others are rasters


def add_audit(of_map: Any) -> None:
    """Declare the command among those of `promptmid map`."""
    run = command(of_map, "audit", _audit, "where a map lies beside the ground, by flights, rasters, its relief and its scenes",
                  "promptmid map audit la_map --against orthophoto.tif flight_1 --write --json audit.json")
    run.description = (
        "Lays frames of each BAG on the ground by its truth, and pieces of each RASTER where they lie, finds them on the map,\n"
        "and fits how far the map lies beside the ground, place by place, with a standard deviation: the offset. With two\n"
        "sources and more it says of each how much of its errors the others foretell. With --write the map keeps the offset,\n"
        "in place of one that it has, and all fixes use it. How the scenes of a mosaic lie on one another was measured when it\n"
        "was built. Exits with 1 where the map lies further from the ground than --limit-px, has a seam, or is of other ground.")
    run.add_argument("map", type=Path, metavar="MAP", help="the map that is held against them")
    run.add_argument("--against", type=Path, nargs="+", default=[], metavar="RASTER.tif|BAG", help="rasters and flights whose "
                     "place is trusted; an error of them would be taken for one of the map; default: the map's own scenes alone")
    run.add_argument("--kind", choices=("optical", "sar"), help="what the rasters are; default: optical those of three bands")
    run.add_argument("--dem", type=Path, metavar="DEM.tif",
                     help="hold the map against the slopes that its radar saw bright and dim; places the pixels of rasters that "
                          "have rational polynomials or an orbit")
    run.add_argument("--incidence-deg", type=positive_number, metavar="T", help="for --dem, degrees; default: that of the map")
    run.add_argument("--look-deg", type=float, metavar="A", help="for --dem, degrees from north; default: that of the map")
    run.add_argument("--radius-px", type=positive_number, default=48.0, metavar="PX",
                     help="how far pieces of a raster are looked for, in map pixels; default: 48")
    run.add_argument("--limit-px", type=positive_number, default=1.0, metavar="PX",
                     help="how far the map may lie beside the ground, in map pixels; default: 1")
    run.add_argument("--write", action="store_true", help="store the offset in the map")
    add_settings(run, of_map=False)
    add_topics(run, "image", "camera_info", "odometry", "ground_truth")
    json_output(run, "what was found, place by place")
    output(run, "--picture", metavar="FILE.png", help="the map with an arrow at each place")


def _audit(args: argparse.Namespace) -> int:
    from promptmid_core.audit.audit import flown, held
    from promptmid_core.audit.document import as_json, as_text
    from promptmid_core.audit.picture import drawn
    from promptmid_core.audit.sought import sought
    from promptmid_core.errors import InputError
    from promptmid_core.files import write_whole

    settings, topics = settings_of(args), topics_of(args)
    bags = [path for path in args.against if path.is_dir() or path.suffix in RECORDED]
    if bags:
        reference, descriptor = flown_over(args.map, bags, settings, topics, corrected=False)
    else:
        reference, descriptor = _opened(args.map, settings)
    sources = _sources([path for path in args.against if path not in bags], args, reference)
    if not bags and not sources and not reference.header.overlaps:
        raise InputError(f"{args.map} was made of one scene, and nothing is there to hold it against; name rasters or flights "
                         "with --against, or a DEM with --dem")
    flights = []
    if bags:
        with Bar("audit", "frame") as progress:
            flights = flown(bags, reference, descriptor, settings.options, settings.rig, topics=topics, progress=progress)
    rasters = []
    for source in sources:
        with Bar("audit", "piece") as progress:
            rasters.append(sought(source, reference, descriptor, args.radius_px, progress))
    found = held(reference, flights, rasters, settings.options, args.limit_px)
    written = args.write and found.audit is not None
    if written:
        _write(found, reference)
    values = as_json(found, reference, written)
    tell_json(args, values)
    if args.picture:
        write_whole(args.picture, drawn(found, reference))
    print(as_text(values))
    if written:
        print(f"{reference.path}: the offset is stored; what it was fitted from cannot judge it")
    elif args.write:
        print(f"{reference.path}: no offset is stored, as there is none to be told")
    return 0 if found.verdict.passed else FAILED


def _opened(path: Path, settings: Settings) -> tuple[ReferenceMap, Descriptor]:
    from promptmid_core.descriptors import load
    from promptmid_core.refmap import ReferenceMap, region_path

    reference = ReferenceMap.open(region_path(path, settings.region) if settings.region else path, corrected=False)
    return reference, load(settings.descriptor or reference.descriptor_name, wanted=settings.wanted)


def _sources(rasters: Sequence[Path], args: argparse.Namespace, reference: ReferenceMap) -> list[Source]:
    from promptmid_core.audit.relief import geometry, relief_source
    from promptmid_core.audit.source import source

    found = [source(path, reference, args.kind, args.dem) for path in rasters]
    # a DEM that has placed a raster has done its part where nothing tells how the radar of the map looked
    known = None not in geometry(reference, args.incidence_deg, args.look_deg)
    if args.dem and (known or not any(raster.lifted for raster in found)):
        found.append(relief_source(args.dem, reference, args.incidence_deg, args.look_deg))
    return found


def _write(found: Held, reference: ReferenceMap) -> None:
    from datetime import UTC, datetime

    from promptmid_core.refmap.build import write_offset
    from promptmid_core.refmap.format.offset import AuditedFlight, OffsetFacts

    assert found.audit is not None
    field = found.audit.field
    flights = tuple(AuditedFlight(os.path.realpath(flight.bag), flight.frames) for flight in found.audit.flights)
    facts = OffsetFacts(field.grid, field.away_m, found.audit.covariance.range_m, flights,
                        datetime.now(UTC).isoformat(timespec="seconds"))
    write_offset(reference.path, facts, field.values)
