"""A flight bag as a replay sees it: images with the camera and the prior of their time, in the frame of the reference map."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from promptmid_core.bags.bag import FlightBag
from promptmid_core.bags.images import image_from, image_from_compressed
from promptmid_core.bags.messages import camera_from, prior_from, stamp_ns
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Camera, Pose, Prior
from promptmid_core.georaster import UNKNOWN_DATUM, MapFrame
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.reasons import Reason
from promptmid_core.replay.truth import Truth

WHOLE_FLIGHT_NS = 1 << 62


@dataclass(frozen=True)
class RecordedImage:
    """An image message, when it was recorded, and the camera in force then, or why there is none."""

    bag_ns: int
    message: Any
    camera: Camera | Refusal

    @property
    def stamp_ns(self) -> int:
        return stamp_ns(self.message.header)

    def pixels(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """(H, W) grey or (H, W, 3) RGB; Refusal where the message cannot be decoded."""
        return image_from(self.message) if hasattr(self.message, "encoding") else image_from_compressed(self.message)


class Recording:
    """A bag whose poses are given in the `map` frame of the reference map, whose heights refer to `vertical_datum`.

    InputError where the bag's own `map` frame has another CRS. Odometry and truth are held whole, images are streamed. Messages
    that cannot be used are counted in `notes`.
    """

    def __init__(self, bag: FlightBag, frame: MapFrame, vertical_datum: str = UNKNOWN_DATUM) -> None:
        self._bag = bag
        self.image_count = bag.count(bag.image_topic)
        self.notes: list[str] = []
        self._shift = self._shift_to(frame)
        self._read_odometry()
        self._read_truth(frame, vertical_datum)

    def images(self, mount: Pose) -> Iterator[RecordedImage]:
        """The images in the order of recording; `mount` is the camera's pose in `base_link`."""
        camera: Camera | Refusal = Refusal(Reason.CAMERA_INFO_MISSING, "no camera_info was recorded before the image")
        image_topic, info_topic = self._bag.image_topic, self._bag.names.camera_info
        for topic, bag_ns, message in self._bag.messages(image_topic, info_topic):
            if topic == image_topic:
                yield RecordedImage(bag_ns, message, camera)
                continue
            try:
                camera = camera_from(message, mount)
            except Refusal as refusal:
                camera = Refusal(refusal.reason, str(refusal))

    def prior(self, stamp: int) -> Prior:
        """The interpolated prior; Refusal where no odometry brackets the stamp, or where some between does not hold together."""
        following = bisect_left(self._stamps, stamp)
        exact = following < len(self._stamps) and self._stamps[following] == stamp
        if not exact and 0 < following < len(self._stamps):
            before, after = self._stamps[following - 1], self._stamps[following]
            for bad_stamp, refusal in self._unusable:
                if before < bad_stamp < after:
                    raise Refusal(refusal.reason, str(refusal))
        return self._priors.at(stamp)

    def truth(self, stamp: int) -> Pose | None:
        """The true pose at a stamp; None where none was recorded around it."""
        return self._truth.at(stamp, self.prior)

    def _read_odometry(self) -> None:
        self._priors = PriorBuffer(keep_ns=WHOLE_FLIGHT_NS)
        self._stamps: list[int] = []
        self._unusable: list[tuple[int, Refusal]] = []
        for _, _, message in self._bag.messages(self._bag.names.odometry):
            try:
                prior = prior_from(message)
                self._priors.add(replace(prior, pose=self._shifted(prior.pose)))
                insort(self._stamps, prior.stamp_ns)
            except Refusal as refusal:
                self._unusable.append((stamp_ns(message.header), refusal))
        if self._unusable:
            count, first = len(self._unusable), self._unusable[0][1]
            self.notes.append(f"{count} odometry message{'' if count == 1 else 's'} could not be used; the first: {first}.")

    def _read_truth(self, frame: MapFrame, vertical_datum: str) -> None:
        self._truth = Truth(self._bag, frame, vertical_datum, self._shift)
        self.notes += self._truth.notes

    def _shifted(self, pose: Pose) -> Pose:
        return replace(pose, position=pose.position + self._shift)

    def _shift_to(self, frame: MapFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        """What takes a position from the bag's `map` frame to that of the reference map."""
        own = self._bag.map_frame
        if own is None:
            self.notes.append(f"The bag does not say what its frame map is; the reference map's own was taken: {frame.crs}, "
                              f"origin {frame.origin[0]:.0f} E {frame.origin[1]:.0f} N.")
            return np.zeros(3)
        if not same_crs(own.crs, frame.crs):
            raise InputError(f"{self._bag.path} was flown in {own.crs}, but the map is in {frame.crs}; "
                             f"build the map again with --crs {own.crs}")
        return np.array([own.origin[0] - frame.origin[0], own.origin[1] - frame.origin[1], 0.0])


def same_crs(one: str, other: str) -> bool:
    """Whether two names mean the same CRS; InputError where PROJ does not know the one of a bag."""
    if one == other:
        return True
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return bool(CRS.from_user_input(one) == CRS.from_user_input(other))
    except CRSError as error:
        raise InputError(f"the frame map of the bag is in '{one}', which is no CRS that PROJ knows ({error})") from error
