"""The likeliest place by a frame, and for how long it has been that."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.geometry import Pose


@dataclass(frozen=True)
class Likeliest:
    """The likeliest place by a frame: its `pose` in `map`, `reckoned` in the frame of dead reckoning; in how many `frames` it has
    been that, and the square metres of `ground` that they have seen."""

    pose: Pose
    reckoned: Pose
    ground: float
    frames: int = 1

    def after(self, before: Likeliest | None, new: float, reach: float) -> Likeliest:
        """Return it after another frame's, of which this place is the same if dead reckoning leads from one to the other within
        `reach` metres; then so much of the ground in view as is `new` counts beside what was seen before."""
        if before is None:
            return self
        turn = Pose.from_rpy(np.zeros(3), 0.0, 0.0, before.pose.yaw - before.reckoned.yaw).rotation
        led = before.pose.position + turn @ (self.reckoned.position - before.reckoned.position)
        apart = float(np.hypot(*(led - self.pose.position)[:2]))
        if apart > reach:
            return self
        return replace(self, ground=before.ground + new * self.ground, frames=before.frames + 1)
