"""`promptmid calibrate`: what scores say, fitted on known ground; how a camera is mounted and stamped, by its flights."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptmid_core.cli.flown import add_settings, add_topics, flown_over, settings_of, topics_of
from promptmid_core.cli.output import Bar, tell_json
from promptmid_core.cli.parsing import MODEL, command, group, json_output, output, positive_count

if TYPE_CHECKING:
    from promptmid_core.descriptors.calibration import Calibration


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    kinds = group(commands, "calibrate", "fit what scores say of places, or how a camera differs from what is told of it")
    _add_camera(kinds)
    fit = command(kinds, "descriptor", _descriptor, "fit the likelihood of a descriptor",
                  "promptmid calibrate descriptor chip_003 chip_014 world_1 --descriptor promptmid:trained/compact --work maps")
    fit.description = (
        "Takes simulated frames over each GROUND, a third of them decoys, matches them to its map, and fits how much a score\n"
        "says of a place, so that what is said to be probable is as often right. The file holds the fingerprint of the\n"
        "descriptor, how many frames it was fitted on, and how often places were right on grounds that were held back.")
    option = fit.add_argument
    option("grounds", type=Path, nargs="+", metavar="GROUND",
           help="folder with optical.tif and sar.tif, and where there are, dem.tif and landcover.tif")
    option("--descriptor", required=True, metavar="NAME", help="structural, promptmid, or promptmid:FOLDER of a trained one")
    option("--model", type=Path, metavar="CONFIG.yaml", help=MODEL)
    option("--looks", type=positive_count, default=24, metavar="N", help="frames over each ground; default: 24")
    option("--seed", type=int, default=1, metavar="S", help="what all that is random comes from; default: 1")
    option("--work", type=Path, metavar="DIR", help="keeps the maps of the grounds, and takes them from there where they fit")
    output(fit, "--out", metavar="FILE.json", help="default: where the descriptor looks for it, its own folder")


def _add_camera(kinds: Any) -> None:
    fit = command(kinds, "camera", _camera, "find a camera's boresight, delay and focal length from flights without truth",
                  "promptmid calibrate camera flight_low flight_high --map la_map --out camera.yaml --json camera.json")
    fit.description = (
        "Matches the frames of each BAG to the map and finds by how much the camera's mount, the time of its images and its\n"
        "focal length differ from what is told: roll, pitch and yaw in degrees as camera_rpy_deg has them, delay_s, positive\n"
        "where stamps are late, and focal_scale. Each has its standard deviation; one that the flights do not show is told as\n"
        "not observed, with what flight would show it. The file is for replay --camera-calibration and the parameter\n"
        "camera_calibration.")
    fit.add_argument("bags", type=Path, nargs="+", metavar="BAG", help="flights of one camera; two at heights 30 %% apart, with "
                     "turns, show most")
    add_settings(fit)
    add_topics(fit, "image", "camera_info", "odometry")
    output(fit, "--out", metavar="FILE.yaml", required=True, help="the calibration, for replay and node")
    json_output(fit, "what was found, with standard deviations")


def _camera(args: argparse.Namespace) -> None:
    from promptmid_core.calibration.camera.calibrate import calibrate
    from promptmid_core.calibration.camera.document import as_json, as_text, as_yaml
    from promptmid_core.files import write_whole
    from promptmid_core.localization.localizer import Localizer

    settings, topics = settings_of(args), topics_of(args)
    reference, descriptor = flown_over(args.map, args.bags, settings, topics)
    localizer = Localizer(reference, descriptor, settings.options)
    with Bar("replay", "frame") as progress:
        found, fixes = calibrate(args.bags, localizer, settings.rig, topics=topics, progress=progress)
    values = as_json(found, list(zip(args.bags, fixes, strict=True)))
    write_whole(args.out, as_yaml(values))
    tell_json(args, values)
    print(as_text(values))
    print(f"{args.out}: for replay --camera-calibration, and the parameter camera_calibration")


def _descriptor(args: argparse.Namespace) -> None:
    from promptmid_core.calibration.calibrate import Sampling, calibrate
    from promptmid_core.descriptors import load, with_model
    from promptmid_core.files import check_target, make_folder, write_json

    # one thread, as sums in another order end in other digits
    descriptor = load(with_model(args.descriptor, args.model), threads=1)
    out = args.out or descriptor.calibration_file
    if args.out is None:
        make_folder(out.parent)
        check_target(out)
    with tempfile.TemporaryDirectory(prefix="promptmid_calibrate_") as folder, Bar("looks", "frame") as progress:
        found = calibrate(args.grounds, descriptor, args.work or Path(folder), Sampling(args.looks, args.seed), progress)
    write_json(out, found.to_dict())
    print(_told(found))
    print(f"{out}: the likelihood of {found.fingerprint}")


def _told(found: Calibration) -> str:
    """The calibration for people."""
    looks, likelihood = found.looks, found.likelihood
    lines = [f"{looks['true']} frames and {looks['decoys']} decoys over {looks['grounds']} grounds, {looks['refused']} refused; "
             f"mean log score {looks['mean_log_score']:.3f}",
             "score " + " ".join(f"{score:6g}" for score in likelihood.scores),
             "nats  " + " ".join(f"{nats:6.2f}" for nats in likelihood.nats),
             f"flank {likelihood.flank:.2f}; tie points {likelihood.surplus:.2f} nats beyond {likelihood.surplus_even:.2f}",
             "on grounds held back, places said to hold:" if found.reliability else "one ground: none was held back"]
    lines += [f"  {row['said_low']:.1%} to {row['said_high']:.1%}: {row['right']} of {row['n']} right, {row['decoys']} on decoys"
              for row in found.reliability]
    lines += [f"{looks['places']:g} of {looks['places'] + looks['places_without_fix']:g} pieces of ground had a fix, "
              f"{looks['places_wrong']:g} of them of a wrong place; errors in their own standard deviations:"]
    lines += [f"  {risk:g} beyond {found.errors.level(risk):.2f}{'' if found.errors.certified(risk) else ', by their tail'}"
              for risk in (0.5, 0.05, 0.01, 0.001)]
    return "\n".join(lines)
