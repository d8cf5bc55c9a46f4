"""The programs `mavlink` and `px4_agp`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

from promptmid_ros.program import SIGNALS, run

MAVLINK_USAGE = """usage: mavlink --ros-args -p mavlink_url:=udpout:127.0.0.1:14550 -p mavlink_message:=GPS_INPUT [-p ...]

Tells an autopilot of the localizer's fixes in MAVLink: GPS_INPUT, EXTERNAL_POSITION_ESTIMATE, GLOBAL_POSITION_SENSOR or
VISION_POSITION_ESTIMATE, over UDP or a serial line such as /dev/ttyACM0:921600. All parameters: docs/ros.md, "Autopilots"."""
PX4_AGP_USAGE = """usage: px4_agp --ros-args [-p NAME:=VALUE ...]

Tells a PX4 of the localizer's fixes as AuxGlobalPosition, over DDS. All parameters: docs/ros.md, "Autopilots"."""


def mavlink(args: list[str] | None = None) -> int:
    """Return the program `mavlink`, with its exit status."""
    def node() -> Callable[..., Any]:
        from promptmid_ros.autopilot.link import dialect
        from promptmid_ros.autopilot.mavlink_node import MavlinkNode

        dialect()
        return MavlinkNode

    return _started("mavlink", MAVLINK_USAGE, node, args)


def px4_agp(args: list[str] | None = None) -> int:
    """Return the program `px4_agp`, with its exit status."""
    def node() -> Callable[..., Any]:
        from promptmid_ros.autopilot.px4_agp_node import Px4AgpNode, message_kind

        message_kind()
        return Px4AgpNode

    return _started("px4_agp", PX4_AGP_USAGE, node, args)


def _started(name: str, usage: str, load: Callable[[], Callable[..., Any]], args: list[str] | None) -> int:
    """Run a node, unless help is asked for, a word is no argument of ROS, or what it needs is not installed."""
    # until run() asks for them, so that no import is ever interrupted
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    from promptmid_core.errors import InputError

    words = sys.argv[1:] if args is None else args
    own = words[:words.index("--ros-args")] if "--ros-args" in words else words
    if {"-h", "--help"} & set(own):
        print(usage)
        return 0
    if own:
        print(f"{name}: '{own[0]}' is no argument of it; all is set by parameters: {name} --ros-args -p NAME:=VALUE",
              file=sys.stderr)
        return 2
    try:
        make_node = load()
    except InputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return run(lambda: [make_node()], args)
