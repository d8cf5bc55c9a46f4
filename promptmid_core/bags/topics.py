"""Which topics of a recording a flight is made of: those named, those of the usual names, or what alone has the type."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from promptmid_core.bags.messages import NAVSAT_FIX, POSE_TYPES
from promptmid_core.errors import InputError

IMAGE_TYPES = ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image")
CAMERA_INFO, POSE_BY_HAND = "sensor_msgs/msg/CameraInfo", "geometry_msgs/msg/PoseWithCovarianceStamped"
TF, TRANSFORM = "tf2_msgs/msg/TFMessage", "geometry_msgs/msg/TransformStamped"
POINT = "geometry_msgs/msg/PointStamped"
TYPES: dict[str, tuple[str, ...]] = {
    "image": IMAGE_TYPES,
    "camera_info": (CAMERA_INFO,),
    "odometry": ("nav_msgs/msg/Odometry",),
    "ground_truth": (*POSE_TYPES, TRANSFORM, POINT, NAVSAT_FIX, TF),
    "initial_pose": (POSE_BY_HAND,),
    "prior_pose": (POSE_BY_HAND,),
    "navsat": (NAVSAT_FIX,),
    "imu": ("sensor_msgs/msg/Imu",),
    "vehicle_odometry": ("px4_msgs/msg/VehicleOdometry",),
    "height": ("sensor_msgs/msg/Range",),
}
# what a prior may come from in place of odometry, where the parameter prior_source says so
PRIORS = ("prior_pose", "navsat", "imu", "vehicle_odometry")
BY_PARAMETER = (*PRIORS, "height")  # taken where parameters ask for it
# a tree of transforms may hold a truth, or the filter's own belief, and a point is often a click: only who names it knows
BY_NAME_ALONE = (TF, POINT)
IMAGE_TOPICS = ("/image/compressed", "/image")
USUAL = {"image": IMAGE_TOPICS, "camera_info": ("/camera_info",), "odometry": ("/odometry",),
            "ground_truth": ("/ground_truth",), "initial_pose": ("/initialpose",), "prior_pose": ("/prior_pose",),
            "navsat": ("/navsat",), "imu": ("/imu",), "vehicle_odometry": ("/vehicle_odometry",), "height": ("/height",)}
OPTIONS = {"image": "--image", "camera_info": "--camera-info", "odometry": "--odometry", "ground_truth": "--truth",
           "initial_pose": "--initial-pose", "prior_pose": "--prior-pose", "navsat": "--navsat", "imu": "--imu",
           "vehicle_odometry": "--vehicle-odometry", "height": "--height"}
COMPRESSED, DEPTH, OWN = "/compressed", "compressedDepth", "match_diagnostics"


@dataclass(frozen=True)
class Part:
    """The images that are taken, by when they were recorded: `start_s` after the bag's first message, for `duration_s`."""

    start_s: float = 0.0
    duration_s: float | None = None


@dataclass(frozen=True)
class Topics:
    """What a flight is taken from, by its role: a topic of the bag, or a file in its place; None where it is to be found.

    `part`: of which images; `truth_offset_s` is added to the stamps of the truth.
    """

    image: str | None = None
    camera_info: str | Path | None = None
    odometry: str | None = None
    ground_truth: str | Path | None = None
    initial_pose: str | None = None
    prior_pose: str | None = None
    navsat: str | None = None
    imu: str | None = None
    vehicle_odometry: str | None = None
    height: str | None = None
    part: Part = Part()
    truth_offset_s: float = 0.0

    def named(self, role: str) -> str | None:
        """Return the name that a role, one of TYPES, was given; the path of a file is the name of what it holds."""
        name = getattr(self, role)
        return None if name is None else str(name)

    def of(self, role: str) -> tuple[str, ...]:
        """Return the names that the topic of a role may have, the preferred one first."""
        name = self.named(role)
        return USUAL[role] if name is None else (name,)


@dataclass(frozen=True)
class Recorded:
    """A topic as the bag's index tells it: the type of its messages and their number."""

    kind: str
    count: int


def candidates(recorded: Mapping[str, Recorded], names: Topics, role: str) -> list[str]:
    """Return the topics with messages that a role may be taken from: one where it is clear, several where it is not.

    One that is named is the only candidate; then one that has the default name; then all that have the type, but for those of
    other roles and those that a localizer published itself.
    """
    with_messages = {name: topic.kind for name, topic in recorded.items() if topic.count}
    # ROS 1 may name a topic without its slash
    called = [spelled for name in names.of(role) for spelled in (name, name.lstrip("/")) if spelled in with_messages][:1]
    if names.named(role) is not None:
        return called
    typed = [name for name in called if with_messages[name] in TYPES[role]]
    if typed or role == "initial_pose":
        return typed[:1]
    fitting = [name for name, kind in with_messages.items() if kind in TYPES[role] and kind not in BY_NAME_ALONE
               and not name.endswith(DEPTH) and name not in _of_others(with_messages, names, role)
               and not _is_own(name, recorded)]
    if role == "image":
        fitting = _one_a_camera(fitting)
    if len(fitting) > 1 and role in ("image", "camera_info"):
        fitting = _of_one_camera(fitting, with_messages, names, role)
    return fitting or called


def missing(path: Path, recorded: Mapping[str, Recorded], names: Topics, role: str) -> InputError:
    """Return what to raise where a bag has nothing that a role can be taken from."""
    wanted, named = names.of(role), names.named(role)
    fitting = [name for name, topic in recorded.items() if topic.kind in TYPES[role]]
    there = any(recorded[name].count for name in fitting)
    cure = f"; name one with {OPTIONS[role]}" if there else ""
    if named is not None:
        cure += suggestion(named, recorded)
    of_role = f"{role.replace('_', ' ')}, {' or '.join(TYPES[role])}"
    return InputError(f"{path} has no messages on {' or '.join(wanted)} ({of_role}); "
                      f"it has {listed(recorded, fitting if there else recorded)}{cure}.")


def several(path: Path, recorded: Mapping[str, Recorded], found: Collection[str], role: str) -> InputError:
    """Return what to raise where several topics may have a role."""
    return InputError(f"{path} has several topics that may be the {role.replace('_', ' ')}: {listed(recorded, found)}; name one "
                      f"with {OPTIONS[role]}.")


def listed(recorded: Mapping[str, Recorded], names: Collection[str]) -> str:
    """Return topics with the number and the type of their messages, as a part of a sentence."""
    return ", ".join(f"{recorded[name].count} on {name} ({recorded[name].kind})" for name in sorted(names)) or "none"


def suggestion(name: str, known: Collection[str]) -> str:
    """Return the end of a sentence that names what was likely meant; empty where nothing is alike."""
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _of_others(topics: Mapping[str, str], names: Topics, role: str) -> set[str]:
    """What is taken already: by name, by its default name, and for the truth what alone can be the odometry."""
    others = [other for other in TYPES if other != role and (other not in BY_PARAMETER or names.named(other))]
    taken = {name for other in others for name in names.of(other) if topics.get(name) in TYPES[other]}
    if role == "ground_truth" and not taken & set(names.of("odometry")):
        recorded = {name: Recorded(kind, 1) for name, kind in topics.items()}
        odometry = candidates(recorded, names, "odometry")
        taken |= set(odometry[:1]) if len(odometry) == 1 else set()
    return taken


def _is_own(name: str, recorded: Mapping[str, Recorded]) -> bool:
    """Whether it is an output of a localizer, which tells what it found beside each of them."""
    return f"{name.rpartition('/')[0]}/{OWN}" in recorded


def _camera_of(image: str) -> str:
    return image.removesuffix(COMPRESSED)


def _one_a_camera(images: list[str]) -> list[str]:
    """Of a camera that was recorded raw and compressed, the compressed one: the pictures are the same."""
    return [name for name in images if name + COMPRESSED not in images]


def _of_one_camera(found: list[str], topics: Mapping[str, str], names: Topics, role: str) -> list[str]:
    """The camera_info beside the image, or the image beside the camera_info, where that is named or alone."""
    other = "camera_info" if role == "image" else "image"
    named = names.named(other)
    if named is None and role == "image":
        infos = [name for name, kind in topics.items() if kind == CAMERA_INFO]
        named = infos[0] if len(infos) == 1 else None
    elif named is None:
        images = candidates({name: Recorded(kind, 1) for name, kind in topics.items()}, names, "image")
        named = images[0] if len(images) == 1 else None
    if named is None:
        return found
    folder = _folder(named)
    return [name for name in found if _folder(name) == folder] or found


def _folder(name: str) -> str:
    return _camera_of(name).rpartition("/")[0]
