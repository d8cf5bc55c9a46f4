"""Flight bags: rosbag2 folders, read without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptmid_core.bags.messages import pose_from, prior_from, stamp_ns
from promptmid_core.bags.telemetry import typestore
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Pose, Prior

if TYPE_CHECKING:
    from promptmid_core.georaster import MapFrame

IMAGE_TYPES = ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image")


@dataclass(frozen=True)
class Topics:
    """Names of the topics of a flight. The image topic, where not given, is the first of IMAGE_TOPICS that the bag has."""

    image: str | None = None
    camera_info: str = "/camera_info"
    odometry: str = "/odometry"
    ground_truth: str = "/ground_truth"


IMAGE_TOPICS = ("/image/compressed", "/image")
TYPES = {
    "camera_info": ("sensor_msgs/msg/CameraInfo",),
    "odometry": ("nav_msgs/msg/Odometry",),
    "ground_truth": ("nav_msgs/msg/Odometry",),
}


@dataclass(frozen=True)
class FlightBag:
    """A recorded flight. `topics` maps the name of every recorded topic to its type; `custom` is the bag's own metadata."""

    path: Path
    topics: dict[str, str]
    names: Topics
    custom: dict[str, str] = field(default_factory=dict)

    @property
    def map_frame(self) -> MapFrame | None:
        """CRS and origin of the frame `map`, where the bag's metadata name them."""
        from promptmid_core.georaster import MapFrame

        if "map_crs" not in self.custom:
            return None
        try:
            origin = float(self.custom["map_origin_east"]), float(self.custom["map_origin_north"])
        except (KeyError, ValueError) as error:
            raise InputError(f"{self.path}: custom_data in metadata.yaml has map_crs but no usable map_origin_east and "
                             f"map_origin_north ({error}).") from error
        return MapFrame(self.custom["map_crs"], origin)

    @property
    def image_topic(self) -> str:
        """The topic of the camera's images; InputError where the bag has none."""
        wanted = (self.names.image,) if self.names.image else IMAGE_TOPICS
        for topic in wanted:
            if topic in self.topics:
                self._check_type(topic, IMAGE_TYPES)
                return topic
        raise InputError(f"{self.path} has no topic {' or '.join(wanted)}; it has {self._what_is_there()}.")

    def messages(self, *topics: str) -> Iterator[tuple[str, int, Any]]:
        """(topic, log time in ns, message) in the order of recording, of the given topics.

        Without any: the images, camera_info and odometry that a localization needs.
        """
        chosen = topics or (self.image_topic, self._topic("camera_info"), self._topic("odometry"))
        with _reader(self.path) as reader:
            for connection, log_ns, data in self._stored(reader, chosen):
                with _reading(self.path):
                    content = reader.deserialize(data, connection.msgtype)
                yield connection.topic, log_ns, content

    def serialized(self, *topics: str) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time in ns, message as it is stored, in CDR) in the order of recording, of the given topics."""
        with _reader(self.path) as reader:
            for connection, log_ns, data in self._stored(reader, topics):
                yield connection.topic, log_ns, bytes(data)

    def _stored(self, reader: Any, topics: tuple[str, ...]) -> Iterator[tuple[Any, int, bytes]]:
        for topic in topics:
            if topic not in self.topics:
                raise InputError(f"{self.path} has no topic {topic}; it has {self._what_is_there()}.")
        stored = reader.messages([connection for connection in reader.connections if connection.topic in topics])
        while True:
            with _reading(self.path):
                entry = next(stored, None)
            if entry is None:
                return
            yield entry

    def count(self, topic: str) -> int:
        """Number of messages on a topic, as the bag's index tells it."""
        with _reader(self.path) as reader:
            return sum(int(connection.msgcount) for connection in reader.connections if connection.topic == topic)

    def ground_truth(self) -> list[tuple[int, Pose]]:
        """(stamp in ns, true pose of `base_link` in `map`), by stamp; empty where the bag has no such topic."""
        if self.names.ground_truth not in self.topics:
            return []
        with self._usable(self.names.ground_truth):
            poses = [(stamp_ns(m.header), pose_from(m.pose.pose)) for _, _, m in self.messages(self._topic("ground_truth"))]
        return sorted(poses, key=lambda entry: entry[0])

    def odometry(self) -> list[Prior]:
        """Every prior of the bag, by stamp."""
        with self._usable(self.names.odometry):
            priors = [prior_from(m) for _, _, m in self.messages(self._topic("odometry"))]
        return sorted(priors, key=lambda prior: prior.stamp_ns)

    @contextmanager
    def _usable(self, topic: str) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            raise InputError(f"{self.path}: a message on {topic} cannot be used: {refusal}") from refusal

    def _topic(self, role: str) -> str:
        topic: str = getattr(self.names, role)
        if topic not in self.topics:
            raise InputError(f"{self.path} has no topic {topic} ({role}); it has {self._what_is_there()}.")
        self._check_type(topic, TYPES[role])
        return topic

    def _check_type(self, topic: str, types: tuple[str, ...]) -> None:
        if self.topics[topic] not in types:
            raise InputError(f"{self.path}: topic {topic} is of type {self.topics[topic]}, not {' or '.join(types)}.")

    def _what_is_there(self) -> str:
        return ", ".join(f"{name} ({kind})" for name, kind in sorted(self.topics.items())) or "no topics at all"


def open_bag(path: Path, names: Topics | None = None) -> FlightBag:
    """A rosbag2 folder; InputError where it is missing, unfinished or damaged."""
    if not path.is_dir():
        found = "it is a file" if path.exists() else "there is nothing of that name"
        raise InputError(f"{path} is not a rosbag2 folder: {found}.")
    if not (path / "metadata.yaml").is_file():
        raise InputError(f"{path} has no metadata.yaml: it is no rosbag2 folder or its recording was not finished; "
                         f"`ros2 bag reindex {path}` restores a recording.")
    with _reader(path) as reader:
        custom = reader.readers[0].storage.metadata.custom or {}
        topics = {connection.topic: connection.msgtype for connection in reader.connections}
    return FlightBag(path, topics, names or Topics(), {str(key): str(value) for key, value in custom.items()})


@contextmanager
def _reader(path: Path) -> Iterator[Any]:
    from rosbags.highlevel import AnyReader

    with _reading(path):
        reader = AnyReader([path], default_typestore=typestore())
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
