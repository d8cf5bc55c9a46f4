"""How the camera is mounted: as parameters say, or as the static transforms of the aircraft do."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from promptmid_core.bags.messages import pose_from
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose
from promptmid_core.localization.rig import AUTO, BY_PARAMETERS, Rig
from promptmid_core.reasons import Reason

NOT_JOINED = "do not join"


class Mounts:
    """The camera's optical frame in `base_frame`; for use by several threads.

    Where static transforms may tell, they are waited for until they have settled.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig, self._settled_at = rig, 0.0
        self._came = threading.Condition()
        self._parents: dict[str, tuple[str, Pose]] = {}
        self.source = "parameters" if rig.mounted_by == BY_PARAMETERS else "not known yet"

    def add(self, message: Any) -> None:
        """Take a tf2_msgs/TFMessage of static transforms.

        Raises Refusal CAMERA_MOUNT_UNKNOWN for the first that is no rotation, once the others are taken.
        """
        bad: Refusal | None = None
        with self._came:
            for each in message.transforms:
                transform = each.transform
                try:
                    pose = pose_from(SimpleNamespace(position=transform.translation, orientation=transform.rotation))
                except Refusal as refusal:
                    bad = bad or Refusal(Reason.CAMERA_MOUNT_UNKNOWN, f"the static transform from '{each.header.frame_id}' to "
                                                                      f"'{each.child_frame_id}' cannot be used: {refusal}")
                    continue
                self._parents[_named(each.child_frame_id)] = _named(each.header.frame_id), pose
            self._came.notify_all()
        if bad is not None:
            raise bad

    def known(self, frame_id: str) -> bool:
        """Return whether nothing more can tell how the camera of these images is mounted."""
        with self._came:
            return self._rig.mounted_by == BY_PARAMETERS or self._pose(frame_id) is not None

    def settle(self, until: float) -> None:
        """Expect static transforms to come in until a time, in seconds of the monotonic clock."""
        self._settled_at = until

    def wait(self, frame_id: str) -> None:
        """Wait until the transforms tell where `frame_id` is, but no longer than until they have settled."""
        with self._came:
            if self._rig.mounted_by != BY_PARAMETERS:
                self._came.wait_for(lambda: self._pose(frame_id) is not None, max(self._settled_at - time.monotonic(), 0.0))

    def mount(self, frame_id: str) -> Pose:
        """Return the pose in `base_frame` of the camera whose images are of `frame_id`.

        Raises Refusal CAMERA_MOUNT_UNKNOWN where static transforms alone may tell it and do not.
        """
        rig = self._rig
        if rig.mounted_by == BY_PARAMETERS:
            return rig.mount
        with self._came:
            pose = self._pose(frame_id)
            ring = () if pose is not None else self._ring(_named(frame_id)) or self._ring(_named(rig.base_frame))
        if ring:
            raise Refusal(Reason.CAMERA_MOUNT_UNKNOWN, f"static transforms between '{rig.base_frame}' and '{frame_id}' form a "
                                                       f"loop, {' under '.join(ring)}; correct /tf_static")
        if pose is not None:
            self.source = f"static transforms from {rig.base_frame} to {frame_id}"
            return pose
        if rig.mounted_by == AUTO:
            self.source = (f"straight down, though static transforms {NOT_JOINED} '{rig.base_frame}' and '{frame_id}'"
                           if self._parents else "straight down: neither parameters nor static transforms tell")
            return rig.mount
        raise Refusal(Reason.CAMERA_MOUNT_UNKNOWN, f"no static transforms join '{rig.base_frame}' and '{frame_id}', the frame of "
                                                   "the images; publish them on /tf_static, or set extrinsics to 'parameters'")

    def _pose(self, frame_id: str) -> Pose | None:
        ours, theirs = self._way_up(_named(self._rig.base_frame)), self._way_up(_named(frame_id))
        shared = next((frame for frame in theirs if frame in ours), None)
        return None if shared is None or frame_id == "" else ours[shared].inverse() @ theirs[shared]

    def _ring(self, frame_id: str) -> tuple[str, ...]:
        """The frames of the loop that the way up from a frame ends in; none where it ends."""
        way = [frame_id]
        while way[-1] in self._parents:
            parent, _ = self._parents[way[-1]]
            if parent in way:
                return (*way[way.index(parent):], parent)
            way.append(parent)
        return ()

    def _way_up(self, frame_id: str) -> dict[str, Pose]:
        """The frames above a frame, itself the first, each with the frame's pose in it."""
        at = Pose(np.zeros(3), np.eye(3))
        way = {frame_id: at}
        while frame_id in self._parents:
            frame_id, pose = self._parents[frame_id]
            if frame_id in way:
                break  # transforms that form a ring
            at = pose @ at
            way[frame_id] = at
        return way


def _named(frame_id: str) -> str:
    """A frame as tf2 names it; older publishers put a slash before it."""
    return frame_id.removeprefix("/")
