"""Flight bags: recordings of ROS 2 and ROS 1, read without ROS."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptmid_core.bags import ros1, topics
from promptmid_core.bags.given import Given, given_instead
from promptmid_core.bags.messages import NAVSAT_FIX, pose_in, prior_from, stamp_ns
from promptmid_core.bags.pictures import pictures_in
from promptmid_core.bags.storage import METADATA, check_recording, custom_of, opened, reading
from promptmid_core.bags.telemetry import typestore
from promptmid_core.bags.topics import IMAGE_TYPES, TYPES, Recorded, Topics
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Pose, Prior

if TYPE_CHECKING:
    from promptmid_core.georaster import MapFrame

__all__ = ["IMAGE_TYPES", "METADATA", "TYPES", "FlightBag", "Recorded", "Topics", "open_bag"]

NEEDED = {"image": "images", "camera_info": "camera_info (a file of camera_calibration may stand for it: --camera-info FILE)",
          "odometry": "odometry"}
FURTHEST_M, CDR = 1e9, "cdr"


@dataclass(frozen=True)
class FlightBag:
    """A recorded flight. `recorded` holds every topic that is declared by its name; `custom` is the bag's own metadata.

    `given`: what files tell in place of topics, by the name that they have in `recorded`; `start_ns`: when the first message was
    recorded.
    """

    path: Path
    recorded: dict[str, Recorded]
    names: Topics
    custom: dict[str, str] = field(default_factory=dict)
    given: dict[str, Given] = field(default_factory=dict)
    start_ns: int = 0
    end_ns: int = 0

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
        """The topic of the camera's images. Raises InputError where the bag has none, or several."""
        return self.topic("image")

    def candidates(self, role: str) -> list[str]:
        """Return the topics that a role, one of TYPES, may be taken from: none, one, or several to choose from by name."""
        return topics.candidates(self.recorded, self.names, role)

    def topic(self, role: str) -> str:
        """Return the name of the topic of a role, one of TYPES. Raises InputError where none or several may be it, or where it
        has messages of another type."""
        found = self.candidates(role)
        if not found:
            raise topics.missing(self.path, self.recorded, self.names, role)
        if len(found) > 1:
            raise topics.several(self.path, self.recorded, found, role)
        if self.topics[found[0]] not in TYPES[role]:
            raise InputError(f"{self.path}: topic {found[0]} is of type {self.topics[found[0]]}; {role} is taken from messages "
                             f"of type {' or '.join(TYPES[role])}.")
        return found[0]

    def optional(self, role: str) -> str | None:
        """Return the name of the topic of a role that a flight may do without; None where none or several may be it, unnamed.

        Raises InputError as `topic` does where the one that is meant is not there, or has messages of another type.
        """
        return self.topic(role) if self.names.named(role) is not None or len(self.candidates(role)) == 1 else None

    def check(self) -> None:
        """Raise InputError where something that a flight cannot do without is missing, or may be several topics."""
        # whether another source will do is for the parameters to say
        needed = [role for role in NEEDED if role != "odometry" or not any(map(self.candidates, topics.PRIORS))]
        absent = [role for role in needed if not self.candidates(role)]
        if len(absent) > 1:
            raise InputError(f"{self.path} has no {' and no '.join(NEEDED[role] for role in absent)}, which a flight needs; it "
                             f"has {topics.listed(self.recorded, self.recorded)}.")
        for role in needed:
            self.topic(role)

    def taken(self) -> list[str]:
        """Return what each role is taken from, one a line."""
        roles = {role: self.optional(role) for role in TYPES if role not in topics.BY_PARAMETER or self.names.named(role)}
        return [f"{role.replace('_', ' ')}: {topics.listed(self.recorded, [name])}" for role, name in roles.items() if name]

    def messages(self, *topics: str) -> Iterator[tuple[str, int, Any]]:
        """Yield (topic, log time in ns, message) in the order of recording, of the given topics.

        Without any: the images, camera_info and odometry that a localization needs. Raises InputError where one has no messages.
        """
        chosen = topics or tuple(self.topic(role) for role in ("image", "camera_info", "odometry"))
        yield from heapq.merge(*self._given(chosen), self._read(chosen), key=lambda entry: entry[1])

    def serialized(self, *topics: str) -> Iterator[tuple[str, int, bytes]]:
        """Yield (topic, log time in ns, message in CDR) in the order of recording, of the given topics."""
        packed = ((topic, log_ns, bytes(typestore().serialize_cdr(content, self.recorded[topic].kind)))
                  for topic, log_ns, content in heapq.merge(*self._given(topics), key=lambda entry: entry[1]))
        yield from heapq.merge(packed, self._read(topics, whole=False), key=lambda entry: entry[1])

    def count(self, topic: str) -> int:
        """Return the number of messages on a topic, as the bag's index tells it."""
        return self.recorded[topic].count if topic in self.recorded else 0

    def ground_truth(self) -> list[tuple[int, Pose]]:
        """Return (stamp in ns, true pose of `base_link` in `map`), by stamp; empty where the bag has no such topic.

        Raises InputError where it has places without attitude, which a map alone tells: `replay.truth` reads them.
        """
        topic = self.optional("ground_truth")
        if topic is None:
            return []
        if self.topics[topic] == NAVSAT_FIX:
            raise InputError(f"{self.path}: topic {topic} has places ({NAVSAT_FIX}), no poses.")
        with self._usable(topic):
            poses = [(stamp_ns(m.header), pose_in(m)) for _, _, m in self.messages(topic)]
        return sorted(poses, key=lambda entry: entry[0])

    def odometry(self) -> list[Prior]:
        """Return every prior of the bag, by stamp."""
        topic = self.topic("odometry")
        with self._usable(topic):
            priors = [prior_from(m) for _, _, m in self.messages(topic)]
        return sorted(priors, key=lambda prior: prior.stamp_ns)

    def _given(self, chosen: tuple[str, ...]) -> list[Iterator[tuple[str, int, Any]]]:
        return [self.given[name].messages(name) for name in chosen if name in self.given]

    def _read(self, chosen: tuple[str, ...], whole: bool = True) -> Iterator[tuple[str, int, Any]]:
        """The messages of topics that are recorded, `whole` or as they are stored."""
        wanted = [topic for topic in chosen if topic not in self.given]
        for topic in wanted:
            if topic not in self.topics:
                raise InputError(f"{self.path} has no messages on {topic}; it has "
                                 f"{topics.listed(self.recorded, self.recorded)}{topics.suggestion(topic, self.recorded)}.")
        if not wanted:
            return
        with opened(self.path) as reader:
            for connection in reader.connections if whole else ():
                form = getattr(connection.ext, "serialization_format", CDR)
                if connection.topic in wanted and form != CDR:
                    raise InputError(f"{self.path}: the messages on {connection.topic} are stored as '{form}', not as '{CDR}'; "
                                     "record them with an RMW that does.")
            stored = reader.messages([connection for connection in reader.connections if connection.topic in wanted])
            while True:
                with reading(self.path):
                    entry = next(stored, None)
                    if entry is None:
                        return
                    connection, log_ns, data = entry
                    content = bytes(data)
                    if whole or not reader.is2:
                        content = ros1.modern(reader.deserialize(data, connection.msgtype), connection.msgtype)
                    if not whole and not reader.is2:
                        content = bytes(typestore().serialize_cdr(content, self.recorded[connection.topic].kind))
                yield connection.topic, log_ns, content

    @contextmanager
    def _usable(self, topic: str) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            raise InputError(f"{self.path}: a message on {topic} cannot be used: {refusal}") from refusal


def open_bag(path: Path, names: Topics | None = None) -> FlightBag:
    """Return a recording, or a folder of images as one. Raises InputError where it is missing, unfinished or damaged, and where a
    file that stands for a topic cannot be read."""
    names = names or Topics()
    pictures = pictures_in(path)
    given = given_instead(names) | (pictures or {})
    recorded: dict[str, Recorded] = {}
    custom: dict[str, str] = {}
    if pictures is None:
        check_recording(path)
        with opened(path) as reader:
            custom = custom_of(path, reader)
            start_ns, end_ns = reader.start_time, reader.end_time
            for connection in reader.connections:
                before = recorded.get(connection.topic, Recorded(ros1.kind_of(connection.msgtype), 0))
                recorded[connection.topic] = Recorded(before.kind, before.count + int(connection.msgcount))
    else:
        start_ns = min(each.first_ns for each in pictures.values())
        end_ns = max(each.last_ns for each in pictures.values()) + 1
    recorded |= {name: Recorded(each.kind, each.count) for name, each in given.items()}
    return FlightBag(path, recorded, names, custom, given, start_ns, end_ns)
