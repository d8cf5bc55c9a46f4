"""`promptmid bench`: methods against each other, and `promptmid bench runtime`: the time that a frame takes."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from promptmid_core.cli.output import Bar, tell_json
from promptmid_core.cli.parsing import (
    BACKENDS,
    MODEL,
    STDOUT,
    Output,
    command,
    json_output,
    names,
    output,
    positive_count,
    share_of,
    size,
    tellings,
    word,
)
from promptmid_core.errors import InputError
from promptmid_core.files import check_target
from promptmid_core.runtime.threads import bound

JOURNAL = ".journal.csv"  # what the name of --json is followed by
# patch and radius, px
PROTOCOLS = [(patch, radius) for patch in (48, 64, 96, 128) for radius in (16, 32, 64)]


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    bench = command(
        commands, "bench", _bench, "methods against each other on pairs of optical and SAR images",
        "promptmid bench pairs --methods structural,cfog,ncc --json bench.json\n"
        "  promptmid bench data --sources ombria-2021,sen12-landuse --patch 96 --trials-file trials.csv --plot bench.png\n"
        "  promptmid bench pairs --methods structural,my_package.my_module:MyMatcher --yaw-deg 180 --patch 128")
    bench.description = (
        "Cuts a patch from the optical image, gives its place wrong by a known shift, turn and scale, and lets every method\n"
        "find it in the SAR image. With --json, a run that was stopped goes on when the same command is given again.\n"
        "Methods: structural, promptmid, cfog, ncc, gradient_ncc, mutual_information, sift;\n"
        "arosics, gefolki, xfeat, aliked and disk with the extra [peers];\n"
        "and any package.module:Class. Protocol, columns and adapters: docs/bench.md.\n\n"
        "'promptmid bench runtime' measures how long a frame takes on this machine, 'promptmid bench cut' makes pairs of\n"
        "rasters; each has its own --help. A folder of such a name is given as ./runtime or ./cut.")
    option = bench.add_argument
    option("pairs", type=Path, metavar="DIR", help="a folder with pairs.csv: a pair folder, or a data set of several sources")
    option("--patch", type=positive_count, default=64, metavar="P", help="side of the patch, SAR px; default: 64")
    option("--radius", type=positive_count, default=32, metavar="R", help="largest shift along each axis, SAR px; default: 32")
    option("--yaw-deg", type=share_of(180), default=0.0, metavar="Y", help="largest unknown turn; 180: any heading; default: 0")
    option("--scale-percent", type=share_of(50), default=0.0, metavar="S", help="largest unknown scale error; default: 0")
    option("--trials", type=positive_count, default=300, metavar="N",
           help="trials in total, spread evenly over all pairs; default: 300")
    option("--seed", type=int, default=1, metavar="S", help="what the trials are drawn by; default: 1")
    option("--methods", type=names, default=["structural", "cfog"], metavar="A,B",
           help="the first is what the others are compared with; default: structural,cfog")
    option("--model", type=Path, metavar="CONFIG.yaml", help=MODEL)
    option("--prompt", type=tellings, default=["right"], metavar="A,B",
           help="what descriptors are told of the land use: right, neutral, wrong; default: right")
    option("--backend", choices=BACKENDS, default="auto", help="what runs networks; default: the best there is")
    option("--sources", type=names, metavar="A,B", help="default: all sources of DIR")
    option("--protocols", action="store_true",
           help="also with patches of 48 to 128 px and radii of 16 to 64 px: how far success depends on them")
    option("--across-dates", action="store_true",
           help="each optical image of a place against its SAR images of all dates; success by the days between them")
    output(bench, "--trials-file", Output(is_kept=True), metavar="FILE.csv",
           help="frozen trials: read if it exists, else written")
    json_output(bench, "a row a method and source", Output(beside=(JOURNAL, *(_journal(*each) for each in PROTOCOLS))))
    output(bench, "--plot", metavar="FILE.png", help="success against the error that is allowed")
    runtime = word(
        bench, "runtime", _runtime, "how long a frame takes on this machine, stage by stage",
        "promptmid bench runtime --frames 200 --json runtime.json\n"
        "  promptmid bench runtime --descriptor structural --backend auto --frames 100")
    runtime.description = (
        "Makes a world, its map and a flight, compresses the camera images to JPEG, and takes each from its bytes to the\n"
        "content of the messages as the node does. Percentiles are of the frames that end in a fix. docs/performance.md")
    option = runtime.add_argument
    option("--descriptor", default="promptmid", metavar="NAME",
           help="promptmid, structural, or promptmid:FOLDER; default: promptmid")
    option("--backend", choices=BACKENDS, default="auto", help="what runs the network; default: the best that is there")
    option("--frames", type=positive_count, default=100, metavar="N", help="default: 100")
    option("--size", type=size, default=(1920, 1080), metavar="WxH", help="of the camera images; default: 1920x1080")
    option("--patch", type=positive_count, default=256, metavar="P", help="side of the patch, map px; default: 256")
    option("--radius", type=positive_count, default=64, metavar="R", help="search radius, map px; default: 64")
    option("--seed", type=int, default=1, metavar="S", help="what world and flight are made by; default: 1")
    json_output(runtime, "the percentiles, stage by stage")
    cut = word(
        bench, "cut", _cut, "cut georeferenced rasters into the pairs that bench and train read",
        "promptmid bench cut world/optical.tif world/sar.tif pairs --landcover world/landcover.tif\n"
        "  promptmid bench pairs --methods promptmid,promptmid/learned --prompt right,neutral,wrong")
    option = cut.add_argument
    option("optical", type=Path, metavar="OPTICAL.tif", help="8-bit RGB or grey, aligned with the SAR raster")
    option("sar", type=Path, metavar="SAR.tif", help="read as by 'promptmid map build'; its pixels are those of the pairs")
    option("out", type=Path, metavar="OUT", help="a folder that is new or empty; gets pairs.csv")
    option("--landcover", type=Path, metavar="LC.tif", help="labels each pair with the land use of more than half of it")
    option("--landcover-table", default="worldcover", metavar="TABLE",
           help="what its classes are: worldcover, corine, igbp, or FILE.yaml; default: worldcover")
    option("--labelled", action="store_true", help="leave out pairs without a label")
    option("--side", type=positive_count, default=256, metavar="PX", help="of a pair's images; default: 256")


def _cut(args: argparse.Namespace) -> None:
    from promptmid_core.bench.cutting import cut_pairs
    from promptmid_core.prompts import ClassTable

    if args.labelled and not args.landcover:
        raise InputError("--labelled needs labels; give --landcover LC.tif")
    table = ClassTable.load(args.landcover_table) if args.landcover else None
    counts = cut_pairs(args.optical, args.sar, args.out, side=args.side, landcover=args.landcover, table=table,
                       labelled=args.labelled)
    labels = ", ".join(f"{count} {label or 'without a label'}" for label, count in sorted(counts.items()))
    print(f"{args.out}: {sum(counts.values())} pairs of {args.side} px ({labels})")


def _bench(args: argparse.Namespace) -> None:
    from promptmid_core.bench import protocols, scores
    from promptmid_core.bench import run as bench
    from promptmid_core.bench.curves import KINDS, write_curves
    from promptmid_core.bench.dates import across_dates
    from promptmid_core.bench.matchers import load_methods
    from promptmid_core.bench.pairs import read_pairs
    from promptmid_core.bench.trialfile import read_trials, write_trials
    from promptmid_core.bench.trials import Setting, draw
    from promptmid_core.descriptors.name import DescriptorName

    setting = Setting(args.patch, args.radius, args.yaw_deg, args.scale_percent, args.trials, args.seed)
    journal = args.json.with_name(args.json.name + JOURNAL) if args.json not in (None, STDOUT) else None
    if args.plot:
        check_target(args.plot, KINDS)
    named = [DescriptorName.parse(name) for name in args.methods if DescriptorName.is_meant(name)]
    if args.model and not any(name.of_user for name in named):
        raise InputError("--model describes promptmid:full, which --methods does not name; leave it out or name it")
    matchers = load_methods(args.methods, args.prompt, args.backend, args.model)
    pairs = read_pairs(args.pairs, args.sources)
    if args.across_dates:
        crossed = across_dates(pairs, source=None)
        if not crossed:
            raise InputError(f"{args.pairs} shows no place at several dates; leave --across-dates out, or name sources that do "
                             "with --sources (docs/bench.md says how names tell places and days)")
        pairs += crossed
    left_out: dict[str, int] = {}
    if not (args.trials_file and args.trials_file.exists()):
        trials, left_out = draw(pairs, setting)
        if args.trials_file:
            write_trials(args.trials_file, trials, pairs, setting)
    if args.trials_file:
        trials = read_trials(args.trials_file, pairs, setting)
    with Bar("bench", "match") as progress:
        results = bench.run(pairs, trials, matchers, setting, journal=journal, progress=progress)
    rows = scores.score(results, pairs, matchers, setting, by_days=args.across_dates)
    print(scores.table(rows, left_out))
    journals = [journal]
    if args.protocols:
        for row in rows:
            row["by_protocol"] = {}
        for patch, radius in PROTOCOLS:
            journals.append(args.json.with_name(args.json.name + _journal(patch, radius)) if journal else None)
            with Bar(f"bench {patch}/{radius}", "match") as progress:
                found = protocols.measured(pairs, trials, matchers, replace(setting, patch=patch, radius=radius),
                                           journal=journals[-1], progress=progress)
            for row in rows:
                row["by_protocol"][f"{patch}/{radius}"] = found.get((row["source"], row["method"]))
        print(f"\n{protocols.table(rows)}")
    tell_json(args, rows)
    for each in journals:
        if each:
            each.unlink(missing_ok=True)
    if args.plot:
        write_curves(args.plot, results, rows)
        print(f"plot: {args.plot}")


def _journal(patch: int, radius: int) -> str:
    """What the name of --json is followed by for a protocol."""
    return f".{patch}-{radius}{JOURNAL}"


def _runtime(args: argparse.Namespace) -> None:
    # as in the node's own process
    bound()
    from promptmid_core.doctor import latency

    asked = latency.Load(args.descriptor, args.backend, args.frames, args.size, args.patch, args.radius, args.seed)
    with Bar("bench runtime", "frame") as progress:
        result = latency.measure(asked, progress)
    print(latency.table(result))
    tell_json(args, result)
