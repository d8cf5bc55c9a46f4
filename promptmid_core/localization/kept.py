"""What is known of a flight after a frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import DeadReckoning, Pose
from promptmid_core.localization.belief import Belief
from promptmid_core.localization.dispute import Dispute, Witnesses
from promptmid_core.localization.ground import SeenGround
from promptmid_core.localization.independent import NOTHING, Follower
from promptmid_core.localization.likeliest import Likeliest
from promptmid_core.localization.reckoning import ANYWHERE_M

SLOW_S = 20.0  # how long errors of heading and height stay what they are
DRIFT_S, SMOOTH_S = 3.0, 3.0  # how long dead reckoning's drift is followed without a fix, and over how long it is taken
MOST_DRIFT = 0.5  # of the speed


@dataclass(frozen=True)
class Correction:
    """A correction of the heading or of the height that was found at the last fix: its variance now, and that of the odometry."""

    variance: float
    told: float

    def later(self, seconds: float, told: float) -> float:
        """Return the variance after a time in which the odometry's own error has become another, and its variance `told`.

        What it states is of the whole of its error: one that has grown since is as large as it states it to be.
        """
        most = max(self.told, told)
        return min(self.variance + most * (1 - float(np.exp(-2 * seconds / SLOW_S))), most)


@dataclass(frozen=True)
class Kept:
    """What is known after a frame.

    `map_from_motion`: where the frame of dead reckoning lies in `map`, without the correction that `belief` is about; `motion`
    and `stamp_ns` of the frame; `fixed_m`, `fixed_ns`: how far had been flown at the last fix, and when; `known_m`: at the last
    frame whose place was known; `heading`, `height`: how well both are known; `lift` metres that the height is corrected by, of
    priors whose height is by a range or, not `ranged`, of others; `unheld`: frames since a place was held, `unseen`: of those the
    last ones that show nothing that could be one; `score`: of the place held, and its `usual` one; `drift` (2,): of dead
    reckoning, in m/s; `held` (2,): the correction of the last fix, None before the first and where the way since is in doubt;
    `dispute`: what parts of the map disagree on; `standing`: the likeliest place, None before the first look; `by_fixes`,
    `by_points`: a filter that takes all fixes for independent, or all ground points.
    """

    belief: Belief
    map_from_motion: Pose
    motion: DeadReckoning
    stamp_ns: int
    fixed_m: float
    known_m: float
    fixed_ns: int
    heading: Correction
    height: Correction
    lift: float = 0.0
    ranged: bool = False
    unheld: int = 0
    unseen: int = 0
    score: float = 0.0
    usual: float = 0.0
    drift: Float64 = field(default_factory=lambda: np.zeros(2))
    held: Float64 | None = None
    dispute: Dispute | None = None
    witnesses: Witnesses = field(default_factory=Witnesses)
    ground: SeenGround = field(default_factory=SeenGround)
    standing: Likeliest | None = None
    by_fixes: Follower = NOTHING
    by_points: Follower = NOTHING

    def lift_of(self, ranged: bool) -> float:
        """Return the lift of a prior whose height is by a range or not: of another kind than those before it is not known."""
        return self.lift if self.ranged == ranged else 0.0

    def joins(self, motion: DeadReckoning) -> bool:
        """Return whether dead reckoning joins what is known to a later motion."""
        return motion.doubt - self.motion.doubt < ANYWHERE_M / 2

    def map_at(self, stamp_ns: int) -> Pose:
        """Return where the frame of dead reckoning lies in `map` by a later time, as the odometry's drift goes on for a while."""
        until_ns = min(stamp_ns, self.fixed_ns + round(DRIFT_S * 1e9))
        seconds = max((until_ns - self.stamp_ns) / 1e9, 0.0)
        return Pose(self.map_from_motion.position + np.array([*(self.drift * seconds), 0.0]), self.map_from_motion.rotation)

    def drift_by(self, held: Float64, stamp_ns: int) -> Float64:
        """Return the drift of dead reckoning (2,) in m/s, after a fix with a correction (2,)."""
        seconds = (stamp_ns - self.fixed_ns) / 1e9
        if self.held is None or not 0 < seconds <= DRIFT_S:
            return np.zeros(2)
        share = 1 - float(np.exp(-seconds / SMOOTH_S))
        drift = self.drift + share * (held - self.held) / seconds
        speed, most = float(np.hypot(*drift)), MOST_DRIFT * max(self.motion.flown - self.fixed_m, 0.0) / seconds
        return np.asarray(drift if speed <= most else drift * (most / speed), np.float64)
