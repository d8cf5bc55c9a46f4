"""A recorded flight flown to and fro without end: its frames with new noise, under stamps that go on, with odometry of them."""

from __future__ import annotations

from bisect import bisect_right
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import Header

from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.messages import camera_from, pose_from, stamp_ns
from promptmid_core.errors import InputError
from promptmid_core.geometry import Camera, Pose
from promptmid_core.outputs.contents import header
from promptmid_ros import conversions

SECOND = 1_000_000_000
IMAGE, INFO, ODOMETRY, TRUTH = "/image/compressed", "/camera_info", "/odometry", "/ground_truth"
TYPES = {IMAGE: CompressedImage, INFO: CameraInfo, ODOMETRY: Odometry, TRUTH: Odometry}
# odometry has to bracket its image
AHEAD_NS = 120_000_000
JPEG_QUALITY = 90


@dataclass(frozen=True)
class Shot:
    """An image with what is published before it, in this order: odometry, camera_infos, the image, then `late`.

    `truth`: where the aircraft truly is at its stamp. `awaited`: whether its verdict is waited for before the next one is sent.
    """

    stamp_ns: int
    odometry: tuple[Any, ...]
    infos: tuple[Any, ...]
    image: Any | None
    truth: Pose
    late: tuple[Any, ...] = ()
    awaited: bool = True


class RoundTrip:
    """The shots of a recorded flight and back, again and again; of its odometry every `thinning`-th message.

    `camera` is the flight's. Raises InputError where the bag has fewer than three images.
    """

    def __init__(self, bag: Path, thinning: int = 1) -> None:
        recorded: dict[str, list[Any]] = {topic: [] for topic in TYPES}
        for topic, _, data in open_bag(bag).serialized(*TYPES):
            recorded[topic].append(deserialize_message(data, TYPES[topic]))
        if len(recorded[IMAGE]) < 3:
            raise InputError(f"{bag} has {len(recorded[IMAGE])} images; a round trip needs three")
        self.camera: Camera = camera_from(recorded[INFO][0])
        self._frames = list(zip(recorded[IMAGE], recorded[INFO], recorded[TRUTH], strict=True))
        stamps = [stamp_ns(image.header) for image in recorded[IMAGE]]
        self._first, last = stamps[0], stamps[-1]
        self._period = (last - self._first) // (len(stamps) - 1)
        self._round = 2 * self._period * (len(stamps) - 1)
        there = [(stamp_ns(message.header) - self._first, message) for message in recorded[ODOMETRY][::thinning]]
        there = [(due, message) for due, message in there if 0 <= due <= self._round // 2]
        back = [(self._round - due, message) for due, message in reversed(there)]
        self._odometry = there + back
        self._dues = [due for due, _ in self._odometry]
        self._shown = 0
        self._told_ns = -1
        self._clock_ns = self._first
        self._random = np.random.default_rng(1)

    def next(self) -> Shot:
        """Return the next shot."""
        at = self._shown * self._period
        frames = len(self._frames)
        position = self._shown % (2 * (frames - 1))
        image, info, truth = self._frames[min(position, 2 * (frames - 1) - position)]
        self._shown += 1
        stamp = self._clock_ns + at
        odometry = tuple(self._told(at + AHEAD_NS))
        return Shot(stamp, odometry, (stamped(info, stamp),), self._taken(image, stamp), pose_from(truth.pose.pose))

    def shots(self, count: int) -> list[Shot]:
        """Return the next shots."""
        return [self.next() for _ in range(count)]

    def set_clock(self, ahead_ns: int) -> None:
        """Let all stamps from the next shot on be so much later than they would be; earlier where it is negative."""
        self._clock_ns += ahead_ns

    def restart(self) -> None:
        """Begin anew from the first image under its first stamp, as a bag that is played in a loop."""
        self._shown, self._told_ns, self._clock_ns = 0, -1, self._first

    def _taken(self, image: Any, stamp: int) -> Any:
        """The image as a sensor gives it, never the same pixels twice."""
        pixels = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_UNCHANGED)
        noise = self._random.integers(-2, 3, pixels.shape[:2], np.int16)
        noisy = np.clip(pixels + (noise if pixels.ndim == 2 else noise[..., None]), 0, 255).astype(np.uint8)
        taken = stamped(image, stamp)
        taken.data = cv2.imencode(".jpg", noisy, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1].tobytes()
        return taken

    def _told(self, until: int) -> list[Any]:
        """The odometry that has not been told yet, up to a time after the start."""
        told = []
        while True:
            round_begin, within = divmod(self._told_ns + 1, self._round)
            after = bisect_right(self._dues, within - 1)
            begin = round_begin * self._round
            due = begin + self._dues[after] if after < len(self._dues) else begin + self._round + self._dues[0]
            if due > until:
                return told
            told.append(stamped(self._odometry[after % len(self._dues)][1], self._clock_ns + due))
            self._told_ns = due


def stamped(message: Any, stamp: int) -> Any:
    """Return a copy under another stamp, which shares all else."""
    changed = copy(message)
    changed.header = conversions.message(Header, header(stamp, message.header.frame_id))
    return changed
