"""The Fast DDS profile of this environment: whether images of full size get through the shared memory that it asks for."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE, VARIABLE_OF_FAST_DDS_2 = "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"
FAST_DDS_2 = ("humble", "iron", "jazzy")
NEEDED_BYTES = 2 * 1920 * 1080 * 3  # a raw full-HD image, and the next while it is being read
SHARED_MEMORY = Path("/dev/shm")
CURE = "set it to config/fastdds.xml of promptmid_ros, for the camera's process too"


@dataclass(frozen=True)
class DdsProfile:
    """`variable` that this ROS distribution's Fast DDS reads, the `file` that it names, the `segment_bytes` that this asks for.

    `sound` says whether images get through; where not, or where something is not as it should be, `sentence` says what and how
    to cure it.
    """

    variable: str
    file: str | None
    segment_bytes: int | None
    sound: bool
    sentence: str = ""


def variable(environment: Mapping[str, str]) -> str:
    """Return the one that Fast DDS of this environment's ROS distribution reads."""
    return VARIABLE_OF_FAST_DDS_2 if environment.get("ROS_DISTRO") in FAST_DDS_2 else VARIABLE


def read_profile(environment: Mapping[str, str]) -> DdsProfile:
    """Return what the environment's profile comes to."""
    name = variable(environment)
    other = VARIABLE if name == VARIABLE_OF_FAST_DDS_2 else VARIABLE_OF_FAST_DDS_2
    file = environment.get(name)
    if not file:
        instead = f", and {other}, which is set, is read by other versions of Fast DDS alone" if environment.get(other) else ""
        return DdsProfile(name, None, None, True, f"{name} is not set{instead}: best-effort messages above half a megabyte, such "
                                                  f"as raw images, are lost; {CURE}")
    try:
        sizes = [int(each.text or "") for each in ElementTree.parse(file).iter() if each.tag.rpartition("}")[2] == "segment_size"]
    except (OSError, ElementTree.ParseError, ValueError) as error:
        return DdsProfile(name, file, None, False, f"{name} names {file}, which cannot be read as a Fast DDS profile "
                                                   f"({' '.join(str(error).split())}); {CURE}")
    size = max(sizes, default=0)
    if size < NEEDED_BYTES:
        told = f"asks for a segment of {size} bytes" if sizes else "asks for no shared-memory segment of its own"
        return DdsProfile(name, file, size, False, f"{name} names {file}, which {told}; images need {NEEDED_BYTES}; {CURE}")
    room = _room()
    if room is not None and room < size:
        return DdsProfile(name, file, size, False, f"{SHARED_MEMORY} has {room} bytes left of the {size} that {file} asks for; "
                                                   "free some, or give a container more with --shm-size")
    return DdsProfile(name, file, size, True)


def _room() -> int | None:
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize
