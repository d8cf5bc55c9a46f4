"""A flight bag as a replay sees it: images, and what the intake knew at their time, in the frame of the reference map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promptmid_core.bags.bag import FlightBag
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.bags.topics import BY_PARAMETER, TF, USUAL, Part
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Pose
from promptmid_core.georaster import UNKNOWN_DATUM, MapFrame
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.camera_calibration import CameraCalibration
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.mounts import NOT_JOINED
from promptmid_core.localization.options import TrackOptions
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.localization.priorform import ON_GRID
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.settings import DEFAULTS
from promptmid_core.replay.timing import TimeOffset, time_offset
from promptmid_core.replay.truth import TF_STATIC, Truth

WHOLE_FLIGHT_NS = 1 << 62
NEAR_NS = 2_000_000_000
LATE_S = 0.05  # of a truth: what the times of frames and messages may be off by in any recording


@dataclass(frozen=True)
class RecordedImage:
    """An image message and when it was recorded; `anew`: a pose was given by hand since the image before it."""

    bag_ns: int
    message: Any
    anew: bool = False

    @property
    def stamp_ns(self) -> int:
        return stamp_ns(self.message.header)


class Feed:
    """The messages of topics in the order of recording, given on one by one to `take`, each with its topic."""

    def __init__(self, bag: FlightBag, topics: Sequence[str], take: Callable[[str, Any], None]) -> None:
        self._messages, self._take = bag.messages(*topics), take
        self._next = next(self._messages, None)

    def one(self) -> bool:
        """Give on the next message; whether there was one."""
        if self._next is None:
            return False
        self._take(self._next[0], self._next[2])
        self._next = next(self._messages, None)
        return True

    @property
    def next_ns(self) -> int | None:
        """When the next message was recorded, None where there is none."""
        return None if self._next is None else self._next[1]

    def until(self, bag_ns: int) -> None:
        """Give on what was recorded up to a time."""
        while self._next is not None and self._next[1] <= bag_ns:
            self.one()


class Recording:
    """A bag whose poses are given in the `map` frame of the reference map, read by the same intake as the node's messages.

    `vertical_datum` is that of the reference map's heights; `rig` that of the parameters' defaults where none is given. Truth is
    held whole, all else is streamed in the order of recording. Messages that cannot be used are counted in `notes`, once the
    images have been read. Raises InputError where the bag's own `map` frame has another CRS.
    """

    def __init__(self, bag: FlightBag, frame: MapFrame, vertical_datum: str = UNKNOWN_DATUM, rig: Rig | None = None) -> None:
        self._bag = bag
        self._part = bag.names.part
        self.image_count = _count(bag, self._part)
        self.notes: list[str] = []
        self.truth_offset: TimeOffset | None = None
        self._shift = self._shift_to(frame)
        rig = rig or Rig.read(DEFAULTS, TrackOptions())
        self._calibration = rig.calibration
        self._wait_ns = DEFAULTS["prior_wait_ms"] * 1_000_000
        geodetic = None if rig.prior.source in ON_GRID else Geodetic(frame, vertical_datum)
        self.intake = Intake(rig, shift=self._shift, buffer=PriorBuffer(keep_ns=WHOLE_FLIGHT_NS), geodetic=geodetic)
        # what the bag calls the topics that the source is heard on
        self._prior_topics = {bag.topic(role): role for role in self.intake.source.topics}
        self._ranges = bag.optional("height") if self.intake.height.on else None
        self._heights_unused: list[str] = []
        self._bad: list[Refusal] = []
        self._unstated: Counter[tuple[str, ...]] = Counter()
        self._late = 0
        self.heard = 0
        self._truth = Truth(bag, frame, vertical_datum, self._shift, rig.base_frame)
        self.notes += self._truth.notes
        self._note_topics()

    def images(self) -> Iterator[RecordedImage]:
        """Yield the images in the order of recording, each when the intake knows what the node knew of it.

        That is all that was recorded before it, and of odometry and camera_info what the node waits for.
        """
        bag, intake = self._bag, self.intake
        odometry = Feed(bag, list(self._prior_topics), self._take_prior)
        cameras = Feed(bag, [bag.topic("camera_info")], lambda _, message: intake.cameras.add(message))
        heights = Feed(bag, [self._ranges], self._take_height) if self._ranges else None
        transforms = Feed(bag, [TF_STATIC], self._take_transforms) if bag.topics.get(TF_STATIC) == TF else None
        images, by_hand = bag.image_topic, bag.optional("initial_pose")
        first_ns, last_ns = _span(bag, self._part)
        anew = False
        for topic, bag_ns, message in bag.messages(images, *([by_hand] if by_hand else [])):
            if bag_ns >= last_ns:
                break
            odometry.until(bag_ns)
            cameras.until(bag_ns)
            if heights is not None:
                heights.until(bag_ns)
            if topic != images:
                anew = self._take_pose(message, topic) or anew
                continue
            if bag_ns < first_ns:
                continue
            stamp = stamp_ns(message.header)
            read_ns = bag_ns
            taken = self._calibration.taken_ns(stamp)
            while intake.odometry.heard_ns < taken and odometry.next_ns is not None:
                read_ns = odometry.next_ns
                odometry.one()
            self._late += read_ns - bag_ns > self._wait_ns
            # the first of all, wherever it is, and the image's own, which is not far
            while not intake.cameras.ready(stamp) and cameras.next_ns is not None and (
                    not intake.cameras.received or cameras.next_ns < bag_ns + NEAR_NS):
                cameras.one()
            if transforms is not None:
                transforms.until(bag_ns)
                while not intake.mounts.known(message.header.frame_id) and transforms.one():
                    pass
            yield RecordedImage(bag_ns, message, anew)
            if intake.height.fault:
                self._heights_unused.append(intake.height.fault)
            anew = False
        self._note_odometry()
        self._note_truth()

    def truth(self, stamp: int) -> Pose | None:
        """Return the true pose at a stamp; None where none was recorded around it."""
        return self._truth.at(stamp, lambda at: self.intake.odometry.at(at)[0])

    def _take_prior(self, topic: str, message: Any) -> None:
        odometry = self.intake.odometry
        self.heard += 1
        self.intake.source.add(self._prior_topics[topic], message)
        if odometry.refusal is not None:
            self._bad.append(odometry.refusal)
        elif odometry.unstated:
            self._unstated[odometry.unstated] += 1

    def _take_height(self, topic: str, message: Any) -> None:
        self.intake.height.add(message)

    def _take_pose(self, message: Any, topic: str) -> bool:
        """Whether a pose given by hand is taken."""
        try:
            self.intake.odometry.give(message)
        except Refusal as refusal:
            self.notes.append(f"A pose on {topic} was not taken: {refusal}.")
            return False
        return True

    def _take_transforms(self, topic: str, message: Any) -> None:
        try:
            self.intake.mounts.add(message)
        except Refusal as refusal:
            self.notes.append(f"{str(refusal)[0].upper()}{str(refusal)[1:]}.")

    def _note_odometry(self) -> None:
        if self._bad:
            count = len(self._bad)
            self.notes.append(f"{count} odometry {_messages(count)} could not be used; the first: {self._bad[0]}.")
        if self._heights_unused:
            self.notes.append(f"At {len(self._heights_unused)} of the images something was wrong with the ranges on height; the "
                              f"first: {self._heights_unused[0]}.")
        for axes, count in self._unstated.items():
            self.notes.append(f"{count} odometry {_messages(count)} stated no covariance of {', '.join(axes)}; the parameters "
                              "default_sigma_* were taken.")
        if self._late:
            self.notes.append(f"For {self._late} of the images odometry of a later stamp was recorded more than "
                              f"{self._wait_ns / 1e6:.0f} ms after them, longer than the node waits by default (prior_wait_ms): "
                              "live they would be refused.")
        if self._calibration != CameraCalibration():
            self.notes.append(f"The camera was taken to be as its calibration says: {self._calibration}.")
        source = self.intake.mounts.source
        if source.startswith("static"):
            self.notes.append(f"The camera is mounted as {source} say.")
        elif source == "parameters":
            self.notes.append("The camera is mounted as the parameters say.")
        elif NOT_JOINED in source:
            self.notes.append(f"The camera was taken to look {source}.")

    def _note_topics(self) -> None:
        """Which topics have other names than the defaults and were not named."""
        asked = (*self.intake.source.topics, *(["height"] if self._ranges else []))
        roles = [role for role in USUAL if role not in BY_PARAMETER or role in asked]
        found = {role: name for role in roles if self._bag.names.named(role) is None and (name := self._bag.optional(role))}
        others = [f"{role.replace('_', ' ')} from {name}" for role, name in found.items() if name not in USUAL[role]]
        if others:
            self.notes.append(f"Taken by their type: {', '.join(others)}.")

    def _note_truth(self) -> None:
        self.truth_offset = time_offset(self._truth.track(), self.intake.odometry.track())
        if self.truth_offset is not None and abs(self.truth_offset.seconds) > LATE_S:
            wanted = self._bag.names.truth_offset_s + self.truth_offset.seconds
            told = str(self.truth_offset)
            self.notes.append(f"{told[0].upper()}{told[1:]}; --truth-offset-s {wanted:.2f} takes it out.")

    def _shift_to(self, frame: MapFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        """What takes a position from the bag's `map` frame to that of the reference map."""
        own = self._bag.map_frame
        if own is None:
            self.notes.append(f"The bag does not say what its frame map is; the reference map's own was taken: {frame.crs}, "
                              f"origin {frame.origin[0]:.0f} E {frame.origin[1]:.0f} N.")
            return np.zeros(3)
        if not same_crs(own.crs, frame.crs):
            raise InputError(f"{self._bag.path} was flown in {own.crs}, but the map is in {frame.crs}; give the map of that "
                             f"flight, or build this one again with --crs {own.crs}")
        return np.array([own.origin[0] - frame.origin[0], own.origin[1] - frame.origin[1], 0.0])


def _span(bag: FlightBag, part: Part) -> tuple[int, int]:
    """When the first image that is taken may have been recorded, and before when the last, ns."""
    first = bag.start_ns + round(part.start_s * 1e9) if part.start_s else 0
    return first, (first or bag.start_ns) + round(part.duration_s * 1e9) if part.duration_s else WHOLE_FLIGHT_NS


def _count(bag: FlightBag, part: Part) -> int:
    """How many images are taken, of a part about how many. Raises InputError where the part lies outside the bag."""
    whole, count = max(bag.end_ns - bag.start_ns, 1), bag.count(bag.image_topic)
    if part == Part():
        return count
    first, last = _span(bag, part)
    first, last = max(first, bag.start_ns), min(last, bag.end_ns)
    if first >= last:
        raise InputError(f"{bag.path} lasts {whole / 1e9:.1f} s, and nothing of it is in the part that begins at "
                         f"{part.start_s:g} s; choose --start within it")
    return max(round(count * (last - first) / whole), 1)


def _messages(count: int) -> str:
    return "message" if count == 1 else "messages"


def same_crs(one: str, other: str) -> bool:
    """Return whether two names mean the same CRS. Raises InputError where PROJ does not know the one of a bag."""
    if one == other:
        return True
    from pyproj.exceptions import CRSError

    from promptmid_core.georaster.proj import crs_of

    try:
        return bool(crs_of(one) == crs_of(other))
    except CRSError as error:
        raise InputError(f"the frame map of the bag is in '{one}', which is no CRS that PROJ knows ({error})") from error
