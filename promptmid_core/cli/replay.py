"""`promptmid replay`: a recorded flight through the localizer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptmid_core.cli.flown import TOPICS, add_part, add_settings, add_topics, flown_over, settings_of, topics_of
from promptmid_core.cli.output import Bar, say, tell_json
from promptmid_core.cli.parsing import NOT_PASSED, command, json_output, output, positive_number

if TYPE_CHECKING:
    from promptmid_core.localization.quest import Start


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    run = command(commands, "replay", _replay, "a bag through the localizer, with figures and a report",
                  "promptmid replay bag --map la_map --json out.json --report out.html")
    run.add_argument("bag", type=Path, metavar="BAG", help="a folder of rosbag2, a .mcap, .db3 or .bag file, or a folder of "
                     "images with a CSV file; docs/replay.md")
    add_settings(run)
    run.add_argument("--camera-calibration", type=Path, metavar="FILE.yaml",
                     help="what 'promptmid calibrate camera' found of the camera")
    run.add_argument("--lost", action="store_true", help="no first position: the odometry tells how the aircraft moves, not "
                     "where it is; all of the map is searched")
    run.add_argument("--within-m", type=positive_number, metavar="R", help="with --lost: only so far around the odometry's first "
                     "place")
    run.add_argument("--heading-known-deg", type=positive_number, metavar="D", help="with --lost: the odometry's heading is "
                     "right within so many degrees, 3 sigma; default: it is unknown")
    run.add_argument("--live", type=Path, metavar="DIR", help="compare with a live run: the folder that "
                     "promptmid_ros.rehearsal.live wrote")
    add_topics(run, *TOPICS)
    add_part(run)
    json_output(run, "the figures, with verdict and likely causes,")
    output(run, "--report", metavar="FILE.html", help="a page that carries all of it, to move in")
    run.add_argument("--out", type=Path, metavar="DIR", help="a new folder of results for other programs: frames.csv and "
                     "frames.jsonl, fix.tum, prior.tum and truth.tum for evo, track.geojson for QGIS, outputs, a bag of the "
                     "node's topics, and summary.json")
    run.add_argument("--criteria", type=Path, metavar="FILE.yaml", help="what the flight has to come to, a limit a line such as "
                     f"'fix_rate_least: 0.95'; where it does not, the exit status is {NOT_PASSED}; default: the usual criteria, "
                     "for which it is 0")


def _replay(args: argparse.Namespace) -> int:
    from promptmid_core.bags.bag import open_bag
    from promptmid_core.bags.writer import check_new_bag
    from promptmid_core.localization.localizer import Localizer
    from promptmid_core.replay import live as comparison
    from promptmid_core.replay.causes import causes_of
    from promptmid_core.replay.criteria import Course, Criteria
    from promptmid_core.replay.headline import headline
    from promptmid_core.replay.health import HealthLog
    from promptmid_core.replay.metrics import summarise, table
    from promptmid_core.replay.report import write_report
    from promptmid_core.replay.results.folder import write_results
    from promptmid_core.replay.run import replay
    from promptmid_core.replay.shots import Shots
    from promptmid_core.replay.verdict import judged, lines

    if args.out:
        check_new_bag(args.out)
    criteria = Criteria.read(args.criteria) if args.criteria else None
    start = _start(args)
    settings, topics = settings_of(args), topics_of(args)
    bag = open_bag(args.bag, topics)
    for line in bag.taken():
        say(line)
    bag.check()
    reference, descriptor = flown_over(args.map, [args.bag], settings, topics)
    localizer = Localizer(reference, descriptor, settings.options)
    flown = comparison.read_live(args.live) if args.live else None
    shots = Shots(reference, bag.count(bag.image_topic)) if args.report else None
    health = HealthLog(localizer) if args.out else None
    with Bar("replay", "frame") as progress:
        flight = replay(args.bag, localizer, reference, topics=topics, rig=settings.rig, start=start, progress=progress,
                        watch=shots.add if shots else None, health=health)
    if flight.truth_offset is not None:
        say(str(flight.truth_offset))
    summary = summarise(flight)
    verdict, causes = judged(Course(flight.frames, summary), criteria), causes_of(flight, reference.terrain())
    told = headline(summary)
    print("\n".join([told.headline, *told.sentences, "", table(summary)]))
    live = comparison.compare(flown, flight, reference) if flown else None
    if live:
        print(f"\n{comparison.table(live)}")
    print("\n".join(["", *lines(verdict), *map(str, causes)]))
    figures = summary | {"verdict": verdict.to_dict(), "causes": [cause.to_dict() for cause in causes]}
    figures |= {"live": comparison.as_json(live)} if live else {}
    tell_json(args, figures)
    if args.out:
        write_results(args.out, flight, figures, reference, settings.rig.base_frame)
        print(f"results: {args.out}")
    if args.report:
        write_report(args.report, flight, summary, reference, verdict=verdict, causes=causes, shots=shots.kept if shots else None,
                     live=live, command=args.command)
        print(f"report: {args.report}")
    return NOT_PASSED if args.criteria and not verdict.passed else 0


def _start(args: argparse.Namespace) -> Start:
    """How the flight begins. Raises InputError where the options contradict each other."""
    from promptmid_core.errors import InputError
    from promptmid_core.localization.quest import Start

    if not args.lost and (args.within_m or args.heading_known_deg):
        raise InputError("--within-m and --heading-known-deg are said of a flight that begins lost; add --lost")
    return Start(args.lost, args.within_m, args.heading_known_deg)
