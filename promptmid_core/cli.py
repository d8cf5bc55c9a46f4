"""The command `promptmid`: parse, call, print. Every command is one function here and does its work elsewhere."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from promptmid_core import __version__
from promptmid_core.errors import InputError

FAILED, INTERRUPTED = 1, 130
FLAT_GROUND = "ground heights; without it the ground is flat at z = 0"


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status and never lets an expected error end in a traceback."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except InputError as error:
        print(f"promptmid: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("promptmid: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED


def _map_build(args: argparse.Namespace) -> None:
    from promptmid_core.descriptors import load
    from promptmid_core.refmap import SarProduct, build_map

    product = SarProduct(args.sar_scale, args.band, args.combine, args.multilook, args.speckle, args.looks,
                         args.terrain_corrected, args.incidence_deg, args.look_deg)
    with _Bar("map", "tile") as progress:
        built = build_map(args.sar, args.out, landcover=args.landcover, landcover_table=args.landcover_table,
                          embeddings=args.embeddings, dem=args.dem, descriptor=load(args.descriptor), crs=args.crs, gsd=args.gsd,
                          product=product, levels=args.levels, store=args.store, scheduler=args.scheduler, workers=args.workers,
                          progress=progress)
    print(f"{args.out}: {built.grid.width}x{built.grid.height} px of {built.gsd:.3f} m, {built.frame.crs}, "
          f"descriptor {built.descriptor_name}")


def _map_info(args: argparse.Namespace) -> None:
    from promptmid_core.refmap import map_info

    info = map_info(args.map)
    if args.json:
        print(json.dumps(info, indent=2))
        return
    for key, value in info.items():
        print(f"{key:20s} {json.dumps(value) if isinstance(value, dict | list) else value}")


def _map_verify(args: argparse.Namespace) -> int:
    from promptmid_core.refmap import repair_map, verify_map

    if args.repair:
        with _Bar("repair", "tile") as progress:
            for name in repair_map(args.map, args.repair, landcover=args.landcover, dem=args.dem, progress=progress):
                print(f"{args.map}: {name} made again", file=sys.stderr)
    damaged = verify_map(args.map)
    for name in damaged:
        print(name)
    if damaged:
        print(f"{args.map}: {len(damaged)} damaged or missing; copy the map again, or add --repair SAR.tif",
              file=sys.stderr)
        return FAILED
    print(f"{args.map}: whole", file=sys.stderr)
    return 0


def _map_preview(args: argparse.Namespace) -> None:
    from promptmid_core.evaluation.preview import write_preview
    from promptmid_core.refmap import ReferenceMap

    write_preview(args.out, ReferenceMap.open(args.map))
    print(f"preview: {args.out}")


def _simulate_world(args: argparse.Namespace) -> None:
    from promptmid_core.simulation.world import simulate_world

    world = simulate_world(args.out, seed=args.seed, size_px=args.size_px, gsd_m=args.gsd, progress=_say)
    print(f"{args.out}: optical.tif, sar.tif, landcover.tif, dem.tif; {world.size_px}x{world.size_px} px of {world.gsd_m:g} m")


def _simulate_flight(args: argparse.Namespace) -> None:
    from promptmid_core.simulation.flight import simulate_flight

    with _Bar("flight", "frame") as progress:
        flown = simulate_flight(
            args.optical, args.out, dem=args.dem, frames=args.frames, seed=args.seed, footprint_px=args.footprint_px,
            drift_px=args.drift_px, yaw_error_deg=args.yaw_error_deg, altitude_error_percent=args.altitude_error_percent,
            attitude_error_deg=args.attitude_error_deg, gsd=args.gsd, crs=args.crs, image_size=args.image_size,
            frame_rate_hz=args.frame_rate_hz, speed=args.speed_mps, progress=progress)
    across, along = flown.footprint_m
    print(f"{flown.path}: {flown.frames} frames in {flown.seconds:.0f} s over {flown.distance_m / 1e3:.1f} km at "
          f"{flown.speed_mps:.0f} m/s and {flown.height_m:.0f} m above ground; footprint {across:.0f} x {along:.0f} m, "
          f"{flown.map_crs}, {flown.least_valid_share:.1%} of the worst footprint on valid pixels")


def _replay(args: argparse.Namespace) -> None:
    from promptmid_core.descriptors import load
    from promptmid_core.evaluation import comparison
    from promptmid_core.evaluation.metrics import summarise, table
    from promptmid_core.evaluation.replay import replay
    from promptmid_core.evaluation.report import write_report
    from promptmid_core.localization.localizer import Localizer
    from promptmid_core.refmap import ReferenceMap

    reference = ReferenceMap.open(args.map)
    localizer = Localizer(reference, load(args.descriptor or reference.descriptor_name))
    run = comparison.read_live(args.live) if args.live else None
    with _Bar("replay", "frame") as progress:
        flight = replay(args.bag, localizer, reference, progress=progress)
    summary = summarise(flight)
    print(table(summary))
    live = comparison.compare(run, args.bag, flight, reference) if run else None
    if live:
        print(f"\n{comparison.table(live)}")
    if args.json:
        _write_json(args.json, summary | ({"live": comparison.as_json(live)} if live else {}))
    if args.report:
        write_report(args.report, flight, summary, reference, live=live, command=args.command)
        print(f"report: {args.report}")


def _bench(args: argparse.Namespace) -> None:
    from promptmid_core.evaluation import bench, scores
    from promptmid_core.evaluation.curves import check_picture, write_curves
    from promptmid_core.evaluation.matchers import load_methods
    from promptmid_core.evaluation.pairs import read_pairs
    from promptmid_core.evaluation.trialfile import read_trials, write_trials
    from promptmid_core.evaluation.trials import Setting, draw

    setting = Setting(args.patch, args.radius, args.yaw_deg, args.scale_percent, args.trials, args.seed)
    if args.plot:
        check_picture(args.plot)
    matchers = load_methods(args.methods)
    pairs = read_pairs(args.pairs, args.sources)
    left_out: dict[str, int] = {}
    if not (args.trials_file and args.trials_file.exists()):
        trials, left_out = draw(pairs, setting)
        if args.trials_file:
            write_trials(args.trials_file, trials, pairs, setting)
    if args.trials_file:
        trials = read_trials(args.trials_file, pairs, setting)
    journal = args.json.with_name(f"{args.json.name}.journal.csv") if args.json else None
    with _Bar("bench", "match") as progress:
        results = bench.run(pairs, trials, matchers, setting, journal=journal, progress=progress)
    rows = scores.score(results, pairs, matchers, setting)
    print(scores.table(rows, left_out))
    if args.json:
        _write_json(args.json, rows)
    if journal:
        journal.unlink(missing_ok=True)
    if args.plot:
        write_curves(args.plot, results, rows)
        print(f"plot: {args.plot}")


def _demo(args: argparse.Namespace) -> None:
    from promptmid_core.evaluation.demo import demo

    demo(args.out, seed=args.seed, frames=args.frames, run=lambda words: _step(words))


def _step(words: list[str]) -> None:
    """Run a command as its user would type it; a step that fails ends the demo with that step's own sentence."""
    print(f"\n$ promptmid {' '.join(words)}", flush=True)
    args = _parser().parse_args(words)
    args.command = f"promptmid {' '.join(words)}"
    if args.run(args):
        raise InputError(f"'promptmid {' '.join(words)}' failed")


def _write_json(path: Path, value: Any) -> None:
    try:
        path.write_text(json.dumps(value, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); name a file in a writable folder") from error


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class _Bar:
    """A progress bar on stderr, as the callback (done, total) that long work takes."""

    def __init__(self, name: str, unit: str) -> None:
        self._name, self._unit = name, unit
        self._bar: Any = None

    def __enter__(self) -> Callable[[int, int], None]:
        return self._update

    def _update(self, done: int, total: int) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(total=total, initial=done, desc=self._name, unit=self._unit, dynamic_ncols=True)
        self._bar.update(done - self._bar.n)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see '{self.prog} --help'\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="promptmid", description="Localize aircraft without satellite navigation: frames against a SAR map.")
    parser.add_argument("--version", action="version", version=f"promptmid {__version__}")
    parser.set_defaults(command=f"promptmid {' '.join(sys.argv[1:])}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _map_commands(_group(commands, "map", "build, inspect and verify reference maps"))
    _simulate_commands(_group(commands, "simulate", "worlds and flights of known truth"))

    run = _command(commands, "replay", _replay, "a bag through the localizer, with figures and a report",
                   "promptmid replay bag --map la_map --json out.json --report out.html")
    run.add_argument("bag", type=Path, metavar="BAG")
    run.add_argument("--map", type=Path, required=True, metavar="MAP")
    run.add_argument("--descriptor", metavar="NAME", help="default: the one that the map was built with")
    run.add_argument("--live", type=Path, metavar="DIR", help="compare with a live run, the folder that promptmid_ros.live wrote")
    run.add_argument("--json", type=Path, metavar="FILE")
    run.add_argument("--report", type=Path, metavar="FILE.html")

    _bench_command(commands)

    show = _command(commands, "demo", _demo,
                    "from a simulated world to a report, in one command", "promptmid demo --out demo_out")
    show.add_argument("--out", type=Path, default=Path("demo_out"), metavar="DIR")
    show.add_argument("--seed", type=int, default=1)
    show.add_argument("--frames", type=int, default=120)
    return parser


def _map_commands(of_map: Any) -> None:
    build = _command(of_map, "build", _map_build, "a map from a SAR GeoTIFF", "promptmid map build sar.tif la_map --dem dem.tif")
    build.add_argument("sar", type=Path, metavar="SAR.tif")
    build.add_argument("out", type=Path, metavar="OUT")
    build.add_argument("--landcover", type=Path, metavar="LC.tif", help="land-cover classes, which give the prompts")
    build.add_argument("--landcover-table", default="worldcover", metavar="TABLE",
                       help="what its classes are: worldcover, corine, igbp, or FILE.yaml; default: worldcover")
    build.add_argument("--embeddings", metavar="ENCODER",
                       help="text embeddings of the prompts: minilm or clip:FOLDER; default: what the descriptor needs")
    build.add_argument("--dem", type=Path, metavar="DEM.tif", help=FLAT_GROUND)
    build.add_argument("--descriptor", default="structural", metavar="NAME", help="default: structural")
    build.add_argument("--crs", metavar="EPSG:N", help="map CRS; default: the UTM zone of the raster's centre")
    build.add_argument("--gsd", type=positive_number, metavar="M",
                       help="metres per map pixel; default: the raster's ground resolution")
    build.add_argument("--levels", type=positive_count, metavar="N",
                       help="pyramid of 1, 2, 4, 8 x GSD; default: down to 512 px, at most 4")
    build.add_argument("--store", choices=("float16", "int8"), default="float16",
                       help="element type of the descriptors; int8 halves them; default: float16")
    build.add_argument("--workers", type=positive_count, metavar="N", help="tiles made at once; default: one a core")
    build.add_argument("--scheduler", default="threads", metavar="WHICH",
                       help="threads (the default), processes, or a Dask cluster at tcp://HOST:PORT that sees the same files")
    _sar_options(build.add_argument_group("the SAR product", "what its file does not tell; docs/sar.md").add_argument)
    info = _command(of_map, "info", _map_info, "what a map holds", "promptmid map info la_map --json")
    info.add_argument("map", type=Path, metavar="MAP")
    info.add_argument("--json", action="store_true", help="as JSON on stdout")
    verify = _command(of_map, "verify", _map_verify, "compare every file with the manifest; prints the damaged ones",
                      "promptmid map verify la_map")
    verify.add_argument("map", type=Path, metavar="MAP")
    verify.add_argument("--repair", type=Path, metavar="SAR.tif", help="make damaged files again from the map's own inputs")
    for name in ("landcover", "dem"):
        verify.add_argument(f"--{name}", type=Path, metavar="RASTER.tif", help="for --repair; default: where it lay at the build")
    preview = _command(of_map, "preview", _map_preview, "SAR, land use, descriptors, coverage and tiles to look at",
                       "promptmid map preview la_map --out la_map.html")
    preview.add_argument("map", type=Path, metavar="MAP")
    preview.add_argument("--out", type=Path, required=True, metavar="FILE.png|FILE.html")


def _sar_options(option: Any) -> None:
    option("--sar-scale", choices=("auto", "amplitude", "intensity", "db"), default="auto",
           help="what its values are; default: auto, and 'map info' tells what was taken and why")
    option("--band", type=positive_count, metavar="N", help="read this band alone")
    option("--combine", choices=("span",), help="join bands 1 and 2 by their total power")
    option("--multilook", type=positive_count, default=1, metavar="N", help="mean intensity of N x N map pixels, N odd")
    option("--speckle", choices=("lee", "none"), default="none", help="speckle filter; lee needs --looks; default: none")
    option("--looks", type=positive_number, metavar="N", help="equivalent number of looks")
    option("--terrain-corrected", choices=("yes", "no", "unknown"), default="unknown",
           help="no: the error by the heights of --dem enters the map's registration uncertainty")
    option("--incidence-deg", type=positive_number, metavar="T", help="angle of incidence in the middle of the map")
    option("--look-deg", type=float, metavar="A", help="where the radar looks, clockwise from north; masks layover and shadow")


def _simulate_commands(of_simulate: Any) -> None:
    world = _command(of_simulate, "world", _simulate_world, "a procedural world: optical, SAR, land cover, DEM",
                     "promptmid simulate world --out world --seed 1")
    world.add_argument("--out", type=Path, required=True, metavar="DIR")
    world.add_argument("--seed", type=int, default=1)
    world.add_argument("--size-px", type=int, default=1536)
    world.add_argument("--gsd", type=positive_number, default=10.0, metavar="M")
    flight = _command(of_simulate, "flight", _simulate_flight, "a flight over an orthophoto, as a rosbag2 folder",
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
    option("--image-size", type=_size, default=(1280, 960), metavar="WxH", help="default: 1280x960")
    option("--frame-rate-hz", type=positive_number, default=1.0, metavar="F", help="default: 1")
    option("--speed-mps", type=positive_number, metavar="V", help="at most; default: by footprint and room to turn")


def _bench_command(commands: Any) -> None:
    bench = _command(
        commands, "bench", _bench, "methods against each other on pairs of optical and SAR images",
        "promptmid bench pairs --methods structural,cfog,ncc --json bench.json\n"
        "  promptmid bench data --sources ombria-2021,sen12-landuse --patch 96 --trials-file trials.csv --plot bench.png\n"
        "  promptmid bench pairs --methods structural,my_package.my_module:MyMatcher --yaw-deg 180 --patch 128")
    bench.description = (
        "Cuts a patch from the optical image, gives its place wrong by a known shift, turn and scale, and lets every method\n"
        "find it in the SAR image. With --json, a run that was stopped goes on when the same command is given again.\n"
        "Methods: structural, cfog, ncc, gradient_ncc, mutual_information, sift; arosics and gefolki with the extra [peers];\n"
        "and any package.module:Class. Protocol, columns and adapters: docs/bench.md.")
    option = bench.add_argument
    option("pairs", type=Path, metavar="DIR", help="a folder with pairs.csv: a pair folder, or a data set of several sources")
    option("--patch", type=positive_count, default=64, metavar="P", help="side of the patch, SAR px; default: 64")
    option("--radius", type=positive_count, default=32, metavar="R", help="largest shift along each axis, SAR px; default: 32")
    option("--yaw-deg", type=_share_of(180), default=0.0, metavar="Y", help="largest unknown turn; 180: any heading; default: 0")
    option("--scale-percent", type=_share_of(50), default=0.0, metavar="S", help="largest unknown scale error; default: 0")
    option("--trials", type=positive_count, default=300, metavar="N",
           help="trials in total, spread evenly over all pairs; default: 300")
    option("--seed", type=int, default=1)
    option("--methods", type=_names, default=["structural", "cfog"], metavar="A,B",
           help="the first is what the others are compared with; default: structural,cfog")
    option("--sources", type=_names, metavar="A,B", help="default: all sources of DIR")
    option("--trials-file", type=Path, metavar="FILE.csv", help="frozen trials: read if it exists, else written")
    option("--json", type=Path, metavar="FILE")
    option("--plot", type=Path, metavar="FILE.png", help="success against the error that is allowed")


def _group(commands: Any, name: str, text: str) -> Any:
    return commands.add_parser(name, help=text, description=text).add_subparsers(required=True, metavar="COMMAND")


def _command(group: Any, name: str, run: Callable[[argparse.Namespace], int | None], text: str,
             example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = group.add_parser(
        name, help=text, description=text, epilog=f"example:\n  {example}", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(run=run)
    return parser


def positive_number(text: str) -> float:
    """For options that are lengths, rates or speeds."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def positive_count(text: str) -> int:
    """For options that count something."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above zero")
    return int(text)


def _share_of(most: float) -> Callable[[str], float]:
    def limited(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to {most:g}")
        return value
    return limited


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if "" in names:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of names such as a,b")
    return names


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text} is not a size such as 1280x960")
    return int(width), int(height)


if __name__ == "__main__":
    sys.exit(main())
