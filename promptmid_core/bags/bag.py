"""Flight bags: rosbag2 folders, read without ROS."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from promptmid_core.bags.limits import check_database, limited_reader
from promptmid_core.bags.messages import NAVSAT_FIX, POSE_TYPES, pose_in, prior_from, stamp_ns
from promptmid_core.bags.telemetry import typestore
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.yamlfile import no_yaml, read_yaml_text

if TYPE_CHECKING:
    from promptmid_core.georaster import MapFrame

METADATA, STORAGE = "metadata.yaml", (".mcap", ".db3", ".zstd")
IMAGE_TYPES = ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image")


@dataclass(frozen=True)
class Topics:
    """Names of the topics of a flight. The image topic, where not given, is the first of IMAGE_TOPICS that has messages."""

    image: str | None = None
    camera_info: str = "/camera_info"
    odometry: str = "/odometry"
    ground_truth: str = "/ground_truth"
    prior_pose: str = "/prior_pose"
    navsat: str = "/navsat"
    imu: str = "/imu"
    vehicle_odometry: str = "/vehicle_odometry"

    def of(self, role: str) -> tuple[str, ...]:
        """Return the names that the topic of a role, one of TYPES, may have, the preferred one first."""
        name: str | None = getattr(self, role)
        return IMAGE_TOPICS if name is None else (name,)


FURTHEST_M = 1e9
IMAGE_TOPICS = ("/image/compressed", "/image")
TYPES: dict[str, tuple[str, ...]] = {
    "image": IMAGE_TYPES,
    "camera_info": ("sensor_msgs/msg/CameraInfo",),
    "odometry": ("nav_msgs/msg/Odometry",),
    "ground_truth": (*POSE_TYPES, NAVSAT_FIX),
    "prior_pose": ("geometry_msgs/msg/PoseWithCovarianceStamped",),
    "navsat": (NAVSAT_FIX,),
    "imu": ("sensor_msgs/msg/Imu",),
    "vehicle_odometry": ("px4_msgs/msg/VehicleOdometry",),
}


@dataclass(frozen=True)
class Recorded:
    """A topic as the bag's index tells it: the type of its messages and their number."""

    kind: str
    count: int


@dataclass(frozen=True)
class FlightBag:
    """A recorded flight. `recorded` holds every topic that is declared by its name; `custom` is the bag's own metadata."""

    path: Path
    recorded: dict[str, Recorded]
    names: Topics
    custom: dict[str, str] = field(default_factory=dict)

    @property
    def topics(self) -> dict[str, str]:
        """The type of every topic that has messages, by name; a topic without any counts as absent."""
        return {name: topic.kind for name, topic in self.recorded.items() if topic.count}

    @property
    def map_frame(self) -> MapFrame | None:
        """CRS and origin of the frame `map`, where the bag's metadata name them."""
        from promptmid_core.georaster import MapFrame
        from promptmid_core.georaster.frame import trouble_of

        if "map_crs" not in self.custom:
            return None
        try:
            origin = float(self.custom["map_origin_east"]), float(self.custom["map_origin_north"])
            if not max(map(abs, origin)) < FURTHEST_M:
                raise ValueError(f"{origin[0]:g} and {origin[1]:g} are no easting and northing in metres")
        except (KeyError, ValueError) as error:
            raise InputError(f"{self.path}: custom_data in metadata.yaml has map_crs but no usable map_origin_east and "
                             f"map_origin_north ({error}).") from error
        trouble = trouble_of(self.custom["map_crs"])
        if trouble:
            raise InputError(f"{self.path}: custom_data in metadata.yaml has map_crs {trouble}, in which no map can be.")
        return MapFrame(self.custom["map_crs"], origin)

    @property
    def image_topic(self) -> str:
        """The topic of the camera's images. Raises InputError where the bag has none."""
        return self.topic("image")

    def topic(self, role: str) -> str:
        """Return the name of the topic of a role, one of TYPES. Raises InputError where it has no messages or those of another
        type."""
        for name in self.names.of(role):
            if name in self.topics:
                self._check_type(name, role)
                return name
        raise self._missing(self.names.of(role), role)

    def messages(self, *topics: str) -> Iterator[tuple[str, int, Any]]:
        """Yield (topic, log time in ns, message) in the order of recording, of the given topics.

        Without any: the images, camera_info and odometry that a localization needs. Raises InputError where one has no messages,
        or has a role in the flight and messages of another type.
        """
        chosen = topics or tuple(self.topic(role) for role in ("image", "camera_info", "odometry"))
        for name in chosen:
            for role in self._roles(name) if name in self.topics else ():
                self._check_type(name, role)
        with _reader(self.path) as reader:
            for connection, log_ns, data in self._stored(reader, chosen):
                with _reading(self.path):
                    content = reader.deserialize(data, connection.msgtype)
                yield connection.topic, log_ns, content

    def serialized(self, *topics: str) -> Iterator[tuple[str, int, bytes]]:
        """Yield (topic, log time in ns, message as it is stored, in CDR) in the order of recording, of the given topics."""
        with _reader(self.path) as reader:
            for connection, log_ns, data in self._stored(reader, topics):
                yield connection.topic, log_ns, bytes(data)

    def _stored(self, reader: Any, topics: tuple[str, ...]) -> Iterator[tuple[Any, int, bytes]]:
        for topic in topics:
            if topic not in self.topics:
                raise self._missing((topic,), next(iter(self._roles(topic)), None))
        stored = reader.messages([connection for connection in reader.connections if connection.topic in topics])
        while True:
            with _reading(self.path):
                entry = next(stored, None)
            if entry is None:
                return
            yield entry

    def count(self, topic: str) -> int:
        """Return the number of messages on a topic, as the bag's index tells it."""
        return self.recorded[topic].count if topic in self.recorded else 0

    def ground_truth(self) -> list[tuple[int, Pose]]:
        """Return (stamp in ns, true pose of `base_link` in `map`), by stamp; empty where the bag has no such topic.

        Raises InputError where it has places without attitude, which a map alone tells: `replay.truth` reads them.
        """
        topic = self.names.ground_truth
        if topic not in self.topics:
            return []
        if self.topics[topic] == NAVSAT_FIX:
            raise InputError(f"{self.path}: topic {topic} has places ({NAVSAT_FIX}), no poses.")
        with self._usable(topic):
            poses = [(stamp_ns(m.header), pose_in(m)) for _, _, m in self.messages(topic)]
        return sorted(poses, key=lambda entry: entry[0])

    def odometry(self) -> list[Prior]:
        """Return every prior of the bag, by stamp."""
        with self._usable(self.names.odometry):
            priors = [prior_from(m) for _, _, m in self.messages(self.topic("odometry"))]
        return sorted(priors, key=lambda prior: prior.stamp_ns)

    @contextmanager
    def _usable(self, topic: str) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            raise InputError(f"{self.path}: a message on {topic} cannot be used: {refusal}") from refusal

    def _roles(self, topic: str) -> list[str]:
        return [role for role in TYPES if topic in self.names.of(role)]

    def _check_type(self, topic: str, role: str) -> None:
        if self.topics[topic] not in TYPES[role]:
            raise InputError(f"{self.path}: topic {topic} is of type {self.topics[topic]}; {role} is taken from messages of type "
                             f"{' or '.join(TYPES[role])}.")

    def _missing(self, wanted: tuple[str, ...], role: str | None) -> InputError:
        """What to raise where none of these topics has messages: with those that may be meant, or else with all."""
        fitting = [name for name, topic in self.recorded.items() if role is not None and topic.kind in TYPES[role]]
        if role is None or not any(self.recorded[name].count for name in fitting):
            what, cure = self._listed(self.recorded), ""
        else:
            what, cure = self._listed(fitting), f"; name one with --{role.replace('_', '-')}-topic"
        of_role = f" ({role})" if role is not None else ""
        return InputError(f"{self.path} has no messages on {' or '.join(wanted)}{of_role}; it has {what}{cure}.")

    def _listed(self, names: Collection[str]) -> str:
        known = [(name, self.recorded[name]) for name in sorted(names)]
        return ", ".join(f"{topic.count} on {name} ({topic.kind})" for name, topic in known) or "none"


def open_bag(path: Path, names: Topics | None = None) -> FlightBag:
    """Return a rosbag2 folder. Raises InputError where it is missing, unfinished or damaged."""
    _check_folder(path)
    recorded: dict[str, Recorded] = {}
    with _reader(path) as reader:
        custom = reader.readers[0].storage.metadata.custom or {}
        if not isinstance(custom, dict):
            raise InputError(f"{path}: custom_data in metadata.yaml is no list of names with their texts; correct or remove it.")
        for connection in reader.connections:
            before = recorded.get(connection.topic, Recorded(connection.msgtype, 0))
            recorded[connection.topic] = Recorded(before.kind, before.count + int(connection.msgcount))
    return FlightBag(path, recorded, names or Topics(), {str(key): str(value) for key, value in custom.items()})


def _check_folder(path: Path) -> None:
    """Raise InputError where there is no rosbag2 folder, or where its files are none that have an end."""
    try:
        if not path.is_dir():
            found = "there is nothing of that name" if not path.is_symlink() else "it is a link to nothing"
            if path.exists():
                found = "it is a file" if path.is_file() else "it is no folder"
            raise InputError(f"{path} is not a rosbag2 folder: {found}.")
        if not (path / METADATA).is_file():
            raise InputError(f"{path} has no {METADATA}: it is no rosbag2 folder or its recording was not finished; "
                             f"`ros2 bag reindex {path}` restores a recording.")
        for file in sorted(path.iterdir()):
            if file.suffix in STORAGE and not file.is_file():
                raise InputError(f"{file} is not a file; copy the bag again, with what its links lead to.")
            if file.suffix in STORAGE or file.name == METADATA:
                file.open("rb").close()
        _check_metadata(path)
    except OSError as error:
        raise InputError(f"{error.filename or path} cannot be read ({error.strerror}); name a bag that you may read.") from error


def _check_metadata(path: Path) -> None:
    """Raise InputError where the metadata are beyond the limits of YAML files, or name what is no storage file in the folder."""
    import yaml

    cure = f"`ros2 bag reindex {path}` writes it anew"
    try:
        known = yaml.safe_load(read_yaml_text(path / METADATA, cure))
    except (yaml.YAMLError, ValueError) as error:
        raise no_yaml(path / METADATA, error, cure) from error
    known = known.get("rosbag2_bagfile_information") if isinstance(known, dict) else None
    names = known.get("relative_file_paths") if isinstance(known, dict) else None
    for name in names if isinstance(names, list) else ():
        file = path / PurePath(str(name)).name
        # % and ? mean something in the names by which databases are opened
        if file.suffix not in STORAGE or set(file.name) & set("%?#"):
            raise InputError(f"{path / METADATA} names {name!r:.100} as a part of the bag, which is no file of a recording "
                             f"({', '.join(STORAGE)}); {cure}")
        if file.suffix == ".db3" and file.is_file():
            check_database(file)


@contextmanager
def _reader(path: Path) -> Iterator[Any]:
    with _reading(path):
        reader = limited_reader()([path], default_typestore=typestore())
        reader.open()
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever the reader stumbles over in a damaged file is the file's fault."""
    try:
        yield
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path} cannot be read as a rosbag2 folder, it may be truncated or unfinished ({what}).") from error
