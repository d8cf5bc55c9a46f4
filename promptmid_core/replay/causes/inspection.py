"""What the rules look at: the frames of a flight with their priors, truths and fixes as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.reasons import Reason
from promptmid_core.replay.run import Flight, ReplayedFrame

FEW = 3  # frames from which on something counts as seen


@dataclass(frozen=True)
class Inspection:
    """A flight and the ground that it was flown over."""

    flight: Flight
    terrain: Terrain

    @property
    def frames(self) -> Sequence[ReplayedFrame]:
        return self.flight.frames

    @cached_property
    def fix_rate(self) -> float:
        return sum(frame.fix.accepted for frame in self.frames) / max(len(self.frames), 1)

    @cached_property
    def reasons(self) -> Counter[Reason]:
        return Counter(frame.fix.reason for frame in self.frames if not frame.fix.accepted)

    @cached_property
    def priors(self) -> list[tuple[ReplayedFrame, Pose, Float64]]:
        """Frames that have a prior, with its pose and its standard deviations (6,)."""
        told = ((frame, frame.fix.candidate.prior) for frame in self.frames)
        return [(frame, prior.pose, np.sqrt(np.diag(prior.covariance))) for frame, prior in told if prior is not None]

    @cached_property
    def known(self) -> list[tuple[ReplayedFrame, Pose, Float64, Pose]]:
        """The same of those frames that have a truth too."""
        return [(frame, pose, sigma, frame.truth) for frame, pose, sigma in self.priors if frame.truth is not None]

    def above(self, pose: Pose) -> float:
        """How high a pose is above the ground, m; NaN off the map."""
        x, y, z = pose.position
        return float(z - self.terrain.height(np.array([x]), np.array([y]))[0])

    @cached_property
    def heights(self) -> Float64:
        """Of the priors above the ground, m, those that are known."""
        heights = np.array([self.above(pose) for _, pose, _ in self.priors])
        return np.asarray(heights[np.isfinite(heights)], np.float64)
