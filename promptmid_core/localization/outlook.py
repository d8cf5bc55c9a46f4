"""The outlook: where the next frame is expected, by what is known after the last one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.geometry import DeadReckoning, Pose, Prior
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.belief import PLACE, Belief
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Frame, State
from promptmid_core.localization.kept import Kept
from promptmid_core.localization.options import Options
from promptmid_core.localization.quest import Quest, Start, reach_of
from promptmid_core.localization.reach import level_of
from promptmid_core.localization.reckoning import ANYWHERE_M
from promptmid_core.matching.sought import COARSE_FACTOR
from promptmid_core.refmap import ReferenceMap

FORGOTTEN = 0.01  # share of the risk that any frame leaves for the place being none of those believed in, and for the prior's own
LEAST_YAW, LEAST_SCALE = np.deg2rad(1.0), 0.01
UNSURE_YAW, UNSURE_SCALE = np.deg2rad(4.0), 0.03  # as long as no place is held
WIDER, MOST_WIDER = 1.5, 5.0  # how the search grows with each frame that holds no place
MOST_YAW, MOST_SCALE = np.deg2rad(12.0), 0.10  # up to which headings and heights are tried that the odometry rules out
TILT_S = 5.0  # how long an error of the attitude stays what it is
FADING, FADED_CELLS = 0.6, 24.0  # share of the usual score below which it is looked so far around
BELIEVED = 0.5  # how far the filter's own estimate is believed once the way is in doubt
UNLOOKED = 0.03  # share of the belief that may lie beyond where a frame is looked for
MOST_REACH = np.deg2rad(25.0)  # of a prior's heading; what may be farther off is looked for as of an aircraft that is lost
NEAR_PX = 100.0  # around the place that was believed in last, where a search begins


@dataclass(frozen=True)
class Outlook:
    """Tells where a frame is expected over a map; what is known of the flight is handed in and stays what it is."""

    options: Options
    reference: ReferenceMap
    terrain: Terrain

    def sought(self, frame: Frame, prior: Prior, last: Kept | None, state: State, quest: Quest | None,
               start: Start | None) -> Quest | None:
        """Return what is known where the aircraft is lost, None where it is not; `quest` by the `last` frame, `start` as told."""
        motion, sigmas = prior.way, self.options.search.sigmas
        kept = last if last and last.joins(motion) else None
        if quest is not None and (quest.search is None or motion.doubt - quest.search.motion.doubt < ANYWHERE_M / 2):
            believed = (quest.map_from_motion @ motion.pose).position
            # who comes onto the map where it was believed all along is looked for there first
            if not quest.lean or self._on_map(quest.middle) or not self._on_map(believed):
                return quest
        if state is not State.LOST:
            begun = Quest.of(prior, sigmas)
            if kept is not None or (begun.reach <= MOST_REACH and begun.sigma <= self._most_sigma(frame, prior)):
                return None
            return begun
        if start is not None:
            return Quest.anywhere(prior, start)
        if kept is None:
            begun = Quest.of(prior, sigmas)
            return replace(begun, sigma=max(begun.sigma, NEAR_PX * self.reference.gsd), lean=True)
        best = kept.belief.best
        seconds = max((prior.stamp_ns - kept.stamp_ns) / 1e9, 0.0)
        place = (kept.map_from_motion @ motion.pose).position[:2] + np.array([best.east, best.north])
        told = replace(prior, covariance=np.diag([0, 0, 0, 0, 0, kept.heading.later(seconds, prior.covariance[5, 5])]))
        return Quest(kept.map_from_motion, place, NEAR_PX * self.reference.gsd, reach_of(told, sigmas), lean=True)

    def expected(self, frame: Frame, prior: Prior, last: Kept | None, state: State) -> Expectation:
        """Return where a frame is expected after a `last` one. Raises Refusal as `level_of` does."""
        motion = prior.way
        kept = last if last and last.joins(motion) else None
        spread = 0.0 if self.reference.has_dem else self.options.track.ground_sigma_m ** 2
        covariance = prior.covariance.copy()
        covariance[2, 2] += spread
        lift = kept.lift_of(prior.ranged) if kept else 0.0
        prior = replace(prior, pose=_lifted(prior.pose, lift), covariance=covariance)
        cell = COARSE_FACTOR * self.reference.stride * level_of(frame, prior.pose, self.reference, self.terrain).gsd
        map_from_motion = kept.map_at(prior.stamp_ns) if kept else prior.map_from_motion
        reckoned = map_from_motion @ motion.pose
        tilt = float(covariance[[3, 4], [3, 4]].max()) * self._height(prior.pose) ** 2
        own = Belief.of(covariance[:2, :2] + tilt * np.eye(2), cell)
        if kept is None:
            belief, yaw, height = own, np.sqrt(covariance[5, 5]), np.sqrt(covariance[2, 2])
        else:
            belief = self.moved(kept, motion, prior).around(kept.belief.middle, cell)
            own = replace(own, middle=(prior.pose.position - reckoned.position)[:2])
            doubt = motion.unsure_since(kept.motion)
            if doubt > 0:
                belief = belief.doubted(doubt).mixed(own, BELIEVED)
            belief = belief.mixed(own, FORGOTTEN * self.options.track.risk)
            seconds = max((prior.stamp_ns - kept.fixed_ns) / 1e9, 0.0)
            yaw, height = (np.sqrt(known.later(seconds, covariance[i, i])) for known, i in ((kept.heading, 5), (kept.height, 2)))
        best = belief.best
        shift = np.round(np.array([best.east, best.north]) / cell) * cell
        if np.abs(shift - belief.middle).max() > 8 * cell:
            belief = belief.around(shift, cell)
        east, north = reckoned.position[:2]
        pose = Pose(np.array([east + best.east, north + best.north, prior.pose.position[2]]), prior.headed(reckoned.yaw).rotation)
        return self._around(Expectation(prior, pose, belief.radius(best, UNLOOKED) + PLACE * cell, float(yaw), float(height),
                                        reckoned.position[:2], belief, state is State.TRACKING), last, state)

    def moved(self, kept: Kept, motion: DeadReckoning, prior: Prior) -> Belief:
        """Return the belief of what is known after the flight since."""
        flown = motion.flown - kept.known_m
        step = min(max(motion.flown - kept.motion.flown, 0.0), flown)
        if not motion.flown:
            step = flown = float(np.linalg.norm((motion.pose.position - kept.motion.pose.position)[:2]))
        drift = self.options.track.odometry_drift
        # errors of odometry go on in their direction, so that they grow with the way since a place was known, not with its root
        variance = drift ** 2 * (flown ** 2 - (flown - step) ** 2) + (motion.loose - kept.motion.loose) ** 2
        seconds = max((prior.stamp_ns - kept.stamp_ns) / 1e9, 0.0)
        tilt = float(prior.covariance[[3, 4], [3, 4]].max()) * self._height(prior.pose) ** 2
        variance += tilt * (1 - float(np.exp(-2 * seconds / TILT_S)))
        return kept.belief.spread(float(np.sqrt(variance)))

    def _around(self, expected: Expectation, last: Kept | None, state: State) -> Expectation:
        """The expectation with how far to look, which grows with every frame that holds no place."""
        unheld = last.unheld if last else 0
        sigmas, unsure = self.options.search.sigmas, state is not State.TRACKING or unheld > 0
        wider = min(WIDER ** unheld, MOST_WIDER)
        height = self._height(expected.pose)
        yaw = max(sigmas * expected.yaw, UNSURE_YAW if unsure else LEAST_YAW)
        yaw = max(yaw, min(yaw * wider, MOST_YAW))
        scale = max(sigmas * expected.height, (UNSURE_SCALE if unsure else LEAST_SCALE) * height)
        scale = max(scale, min(scale * wider, MOST_SCALE * height))
        radius = expected.radius * wider
        if last and last.score < FADING * last.usual:
            # what takes the ground's place may match elsewhere
            radius = max(radius, FADED_CELLS * expected.belief.cell)
        if last and last.dispute and last.dispute.open(last.motion.flown):
            # either part may be in view
            radius = max(radius, last.dispute.amount + PLACE * expected.belief.cell)
        return replace(expected, radius=radius, yaw=min(yaw, np.pi), height=scale)

    def _on_map(self, place: Float64) -> bool:
        west, south, east, north = self.reference.grid.bounds
        return bool(west <= place[0] <= east and south <= place[1] <= north)

    def _most_sigma(self, frame: Frame, prior: Prior) -> float:
        """Metres of the prior's own sigma from which on it tells too little to look around it alone."""
        try:
            gsd = level_of(frame, prior.pose, self.reference, self.terrain).gsd
        except Refusal:
            return np.inf
        return self.options.search.most_radius_px / 2 * gsd

    def _height(self, pose: Pose) -> float:
        """Metres above the ground."""
        x, y, z = pose.position
        return max(float(z - self.terrain.height(np.array([x]), np.array([y]))[0]), 0.0)


def _lifted(pose: Pose, metres: float) -> Pose:
    return Pose(pose.position + np.array([0.0, 0.0, metres]), pose.rotation) if metres else pose
