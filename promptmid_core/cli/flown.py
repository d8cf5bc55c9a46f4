"""What commands ask that run recorded flights through the localizer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from promptmid_core.cli.output import say
from promptmid_core.cli.parsing import BACKENDS, topic

if TYPE_CHECKING:
    from promptmid_core.bags.bag import Topics
    from promptmid_core.descriptors import Descriptor
    from promptmid_core.localization.settings import Settings
    from promptmid_core.refmap import ReferenceMap

# as bags/bag.py has them
TOPICS = {"image": "/image/compressed, or where that has no messages /image", "camera_info": "/camera_info",
          "odometry": "/odometry", "ground_truth": "/ground_truth", "prior_pose": "/prior_pose", "navsat": "/navsat",
          "imu": "/imu", "vehicle_odometry": "/vehicle_odometry"}
SETTINGS = ("region", "descriptor", "backend", "network", "camera_calibration")


def add_settings(parser: argparse.ArgumentParser, *, of_map: bool = True) -> None:
    """Declare what is set of a localization, and `of_map` the map."""
    option = parser.add_argument
    if of_map:
        option("--map", type=Path, required=True, metavar="MAP")
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
        parser.add_argument(f"--{role.replace('_', '-')}-topic", type=topic, metavar="TOPIC",
                            help=f"of the bag; default: {TOPICS[role]}")


def topics_of(args: argparse.Namespace) -> Topics:
    """Return the topics that a command names, the rest at their defaults."""
    from promptmid_core.bags.bag import Topics

    return Topics(**{role: name for role in TOPICS if (name := getattr(args, f"{role}_topic", None))})


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

    regions = {region_path(path, settings.region) if settings.region else region_of_flight(
        path, open_bag(bag, topics), settings.rig) for bag in bags}
    if len(regions) > 1:
        raise InputError(f"the bags were flown in several regions of {path}; name those of one")
    reference = ReferenceMap.open(regions.pop(), corrected=corrected)
    descriptor = load(settings.descriptor or reference.descriptor_name, wanted=settings.wanted)
    if descriptor.choice is not None:
        say(f"network on {descriptor.choice.runs_on}: {descriptor.choice.why}")
    return reference, descriptor
