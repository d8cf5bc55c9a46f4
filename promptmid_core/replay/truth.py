"""Where the aircraft truly was: the ground truth of a bag, whatever message carries it, in the frame of the reference map."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from promptmid_core.arrays import Float64, Int64
from promptmid_core.bags.bag import FlightBag
from promptmid_core.bags.messages import NAVSAT_FIX, place_from, pose_in, stamp_ns
from promptmid_core.bags.telemetry import MAP_FRAME
from promptmid_core.bags.topics import OPTIONS, POINT, TF, listed
from promptmid_core.bags.transforms import poses_in
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Pose, Prior, interpolate
from promptmid_core.georaster import MapFrame
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.reasons import Reason

# a truth is not interpolated across a longer gap; receivers of satellites tell theirs once a second, more or less
TF_STATIC = "/tf_static"
POSE_GAP_NS, PLACE_GAP_NS = 1_000_000_000, 1_500_000_000


class Truth:
    """The true poses of a flight; `notes` say what they lack.

    `shift` (3,) takes a position from the bag's `map` frame to `frame`, the reference map's, whose heights refer to
    `vertical_datum`; `base_frame` is the aircraft's in a tree of transforms. Raises InputError where the topic has messages of a
    type that tells no place, or the transforms do not join the aircraft to `map`.
    """

    def __init__(self, bag: FlightBag, frame: MapFrame, vertical_datum: str, shift: Float64, base_frame: str) -> None:
        self.notes: list[str] = []
        self._shift = shift
        self._known: list[Prior] = []
        self._geodetic: Geodetic | None = None
        self._no_attitude = False
        self._moved_ns = round(bag.names.truth_offset_s * 1e9)
        topic, bad, frames = bag.optional("ground_truth"), [], set()
        kind = bag.topics[topic] if topic is not None else ""
        if kind == TF and topic is not None:
            frames.add(MAP_FRAME)
            self._known = self._joined(bag, topic, base_frame)
        elif topic is not None:
            self._no_attitude = kind in (NAVSAT_FIX, POINT)
            if kind == NAVSAT_FIX:
                self._geodetic = Geodetic(frame, vertical_datum)
            for _, _, message in bag.messages(topic):
                try:
                    self._known.append(Prior(stamp_ns(message.header) + self._moved_ns, self._pose(message), np.zeros((6, 6))))
                    frames.add(message.header.frame_id.lstrip("/"))
                except Refusal as refusal:
                    bad.append(refusal)
        self._known.sort(key=lambda entry: entry.stamp_ns)
        if bad:
            count = f"{len(bad)} ground truth message{'' if len(bad) == 1 else 's'}"
            self.notes.append(f"{count} could not be used; the first: {bad[0]}.")
        if not self._known:
            found = bag.candidates("ground_truth") if topic is None else []
            several = f"Of several topics that may be the truth none was taken: {listed(bag.recorded, found)}; name one with "
            self.notes.append(f"{several}{OPTIONS['ground_truth']}." if found else
                              "The bag has no ground truth, so no error is known.")
        elif self._no_attitude:
            flat = any(np.isnan(entry.pose.position[2]) for entry in self._known)
            lacking = f"attitude, and without heights above the map's vertical datum ({vertical_datum})" if flat else "attitude"
            self.notes.append(f"The ground truth is of places without {lacking}: the prior's were taken, so that errors are "
                              "horizontal ones.")
        if self._known and self._geodetic is None and frames != {MAP_FRAME}:
            told = ", ".join(f"'{frame_id}'" for frame_id in sorted(frames - {MAP_FRAME}))
            self.notes.append(f"The ground truth is given in the frame {told}, which was taken for {MAP_FRAME}.")

    def at(self, stamp: int, prior: Callable[[int], Prior]) -> Pose | None:
        """Return the true pose at a stamp, None where none was recorded around it; what it does not tell is that of the `prior`
        then."""
        pose = self._interpolated(stamp)
        if pose is None or not self._no_attitude:
            return pose
        try:
            told = prior(stamp).pose
        except Refusal:
            return None
        return Pose(np.where(np.isnan(pose.position), told.position, pose.position), told.rotation)

    def track(self) -> tuple[Int64, Float64]:
        """Return the stamps (n,), ns, and the positions (n, 3) of the truth as it was recorded, by stamp."""
        return (np.array([entry.stamp_ns for entry in self._known], np.int64),
                np.array([entry.pose.position for entry in self._known]).reshape(-1, 3))

    def _joined(self, bag: FlightBag, topic: str, base_frame: str) -> list[Prior]:
        """The poses of the aircraft in a tree of transforms."""
        static = [TF_STATIC] if bag.topics.get(TF_STATIC) == TF and topic != TF_STATIC else []
        transforms = (each for _, _, message in bag.messages(topic, *static) for each in message.transforms)
        try:
            return [Prior(stamp + self._moved_ns, replace(pose, position=pose.position + self._shift), np.zeros((6, 6)))
                    for stamp, pose in poses_in(transforms, base_frame, MAP_FRAME)]
        except InputError as error:
            raise InputError(f"{bag.path}: {topic} cannot be the truth: {error}") from error

    def _interpolated(self, stamp: int) -> Pose | None:
        following = bisect_left(self._known, stamp, key=lambda entry: entry.stamp_ns)
        if following == len(self._known):
            return None
        after = self._known[following]
        if after.stamp_ns == stamp:
            return after.pose
        gap = PLACE_GAP_NS if self._no_attitude else POSE_GAP_NS
        if not following or after.stamp_ns - self._known[following - 1].stamp_ns > gap:
            return None
        return interpolate(self._known[following - 1], after, stamp).pose

    def _pose(self, message: object) -> Pose:
        if self._geodetic is None and self._no_attitude:
            point = message.point  # type: ignore[attr-defined]
            return Pose(np.array([point.x, point.y, point.z]) + self._shift, np.eye(3))
        if self._geodetic is None:
            pose = pose_in(message)
            return replace(pose, position=pose.position + self._shift)
        position = np.array(self._geodetic.position(*place_from(message)))
        if not np.isfinite(position[:2]).all():
            raise Refusal(Reason.PRIOR_INVALID, "the place is too far from the map for its CRS")
        return Pose(position, np.eye(3))
