"""What commands ask that run recorded flights through the localizer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from promptmid_core.cli.output import say
from promptmid_core.cli.parsing import BACKENDS, offset, positive_number, seconds, topic, topic_or_file

if TYPE_CHECKING:
    from promptmid_core.bags.bag import Topics
    from promptmid_core.descriptors import Descriptor
    from promptmid_core.localization.settings import Settings
    from promptmid_core.refmap import ReferenceMap

# as bags/topics.py has them
TOPICS = {
    "image": ("--image", "--image-topic", "the images: a topic of the bag", "/image/compressed, or /image"),
    "camera_info": ("--camera-info", "--camera-info-topic", "the camera: a topic of the bag, or a YAML file of "
                    "camera_calibration", "/camera_info"),
    "odometry": ("--odometry", "--odometry-topic", "the prior: a topic of the bag", "/odometry"),
    "ground_truth": ("--truth", "--ground-truth-topic", "where the aircraft truly was: a topic of the bag, also one of TF, or a "
                     "file in TUM (.tum, .txt) or CSV (.csv)", "/ground_truth"),
    "initial_pose": ("--initial-pose", "--initial-pose-topic", "a pose given by hand, for odometry in odom: a topic of the bag",
                     "/initialpose"),
    "prior_pose": ("--prior-pose", "--prior-pose-topic", "the prior where prior_source is pose: a topic of the bag",
                   "/prior_pose"),
    "navsat": ("--navsat", "--navsat-topic", "the place of the prior where prior_source is navsat_imu: a topic of the bag",
               "/navsat"),
    "imu": ("--imu", "--imu-topic", "the attitude of the prior where prior_source is navsat_imu: a topic of the bag", "/imu"),
    "vehicle_odometry": ("--vehicle-odometry", "--vehicle-odometry-topic",
                         "the prior where prior_source is vehicle_odometry: a topic of the bag", "/vehicle_odometry"),
    "height": ("--height", "--height-topic", "ranges, where height_along is set: a topic of the bag", "/height"),
}
FILES = {"camera_info": (".yaml", ".yml"), "ground_truth": (".csv", ".tum", ".txt")}
SETTINGS = ("region", "descriptor", "backend", "network", "camera_calibration")


def add_settings(parser: argparse.ArgumentParser, *, of_map: bool = True) -> None:
    """Declare what is set of a localization, and `of_map` the map."""
    option = parser.add_argument
    if of_map:
        option("--map", type=Path, required=True, metavar="MAP", help="the folder that 'promptmid map build' made")
    option("--region", metavar="NAME",
           help="of the map, 'main' for the map itself; default: the one in whose CRS the bag was flown")
    option("--descriptor", metavar="NAME", help="default: the one that the map was built with")
    option("--params", type=Path, metavar="FILE", help="parameters of the node, a file such as config/localizer.yaml: how the "
           "camera is mounted, all options; what is said here counts more")
    option("--backend", choices=BACKENDS, help="what runs the network of the descriptor; default: the best that is there")
    option("--network", type=Path, metavar="FILE.onnx",
           help="run this export of the descriptor's profile, such as one in float16, instead of its own network")


def add_topics(parser: argparse.ArgumentParser, *roles: str) -> None:
    """Declare the topics of a bag that have these roles."""
    for role in roles:
        option, before, what, usual = TOPICS[role]
        files = FILES.get(role, ())
        else_what = ", else the one that has the type" if role != "initial_pose" else ""
        parser.add_argument(option, before, dest=role, type=topic_or_file(files) if files else topic,
                            metavar="TOPIC|FILE" if files else "TOPIC", help=f"{what}; default: {usual}{else_what}")


def add_part(parser: argparse.ArgumentParser) -> None:
    """Declare which images of a bag are taken, and how its truth is timed."""
    parser.add_argument("--start", type=seconds, default=0.0, metavar="S",
                        help="leave out the images of the first S seconds of the bag; default: 0")
    parser.add_argument("--duration", type=positive_number, metavar="S",
                        help="take the images of S seconds from there; default: to the end of the bag")
    parser.add_argument("--truth-offset-s", type=offset, default=0.0, metavar="S",
                        help="seconds that are added to the stamps of the truth; what they are off by is estimated and printed; "
                        "default: 0")


def topics_of(args: argparse.Namespace) -> Topics:
    """Return what a command takes of a bag, the rest at its defaults."""
    from promptmid_core.bags.topics import Part, Topics

    part = Part(getattr(args, "start", 0.0), getattr(args, "duration", None))
    return Topics(**{role: name for role in TOPICS if (name := getattr(args, role, None))}, part=part,
                  truth_offset_s=getattr(args, "truth_offset_s", 0.0))


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the node's settings: the defaults, what a parameter file says, and what the command says."""
    from promptmid_core.localization.settings import DEFAULTS, Settings, read_parameter_file

    values = DEFAULTS | (read_parameter_file(args.params) if args.params else {})
    said = {name: getattr(args, name, None) for name in SETTINGS}
    return Settings.read(values | {name: str(value) for name, value in said.items() if value is not None})


def flown_over(path: Path, bags: Sequence[Path], settings: Settings, topics: Topics, *,
               corrected: bool = True) -> tuple[ReferenceMap, Descriptor]:
    """Return the map, or the region of it, that bags were flown over, `corrected` by its offset or as it was built, and the
    descriptor for it; says what runs its network.

    Raises InputError where the bags were flown in several regions, or one of it cannot be opened.
    """
    from promptmid_core.bags.bag import open_bag
    from promptmid_core.descriptors import load
    from promptmid_core.errors import InputError
    from promptmid_core.refmap import ReferenceMap, region_path
    from promptmid_core.replay.region import region_of_flight

    opened = [open_bag(bag, topics) for bag in bags]
    regions = {region_path(path, settings.region) if settings.region else region_of_flight(path, bag, settings.rig)
               for bag in opened}
    if len(regions) > 1:
        raise InputError(f"the bags were flown in several regions of {path}; name those of one")
    reference = ReferenceMap.open(regions.pop(), corrected=corrected)
    descriptor = load(settings.descriptor or reference.descriptor_name, wanted=settings.wanted)
    if descriptor.choice is not None:
        say(f"network on {descriptor.choice.runs_on}: {descriptor.choice.why}")
    return reference, descriptor
