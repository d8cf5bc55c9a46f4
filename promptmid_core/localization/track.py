"""The track: what frames together say of where the aircraft is, and what becomes of each by that. All state between frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.errors import Refusal
from promptmid_core.geometry import DeadReckoning, Pose, Prior
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.belief import PLACE, Belief, Spot, Surface
from promptmid_core.localization.dispute import Dispute
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Candidate, Fix, Frame, State
from promptmid_core.localization.kept import Correction, Kept
from promptmid_core.localization.options import Options
from promptmid_core.localization.quest import Anywhere, Quest, Sought, Start, reach_of
from promptmid_core.localization.reach import level_of
from promptmid_core.localization.reckoning import ANYWHERE_M
from promptmid_core.localization.stamps import Stamps
from promptmid_core.matching.window import COARSE_FACTOR
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap

FORGOTTEN = 0.01  # share of the risk that any frame leaves for the place being none of those believed in, and for the prior's own
LEAST_YAW, LEAST_SCALE = np.deg2rad(1.0), 0.01
UNSURE_YAW, UNSURE_SCALE = np.deg2rad(4.0), 0.03  # as long as no place is held
WIDER, MOST_WIDER = 1.5, 5.0  # how the search grows with each frame that holds no place
MOST_YAW, MOST_SCALE = np.deg2rad(12.0), 0.10  # up to which headings and heights are tried that the odometry rules out
TILT_S = 5.0  # how long an error of the attitude stays what it is
STRONG, GONE = 6.0, 0.5  # score of a place that was there, and the share of it below which it is gone
LITTLE = 0.7  # new ground, up to which what was matched should still be in view
FADING, FADED_CELLS = 0.6, 24.0  # share of the usual score below which it is looked so far around
FOLLOWED_CELLS = 4.0  # how far the refused part of a map may seem to move from one frame to the next
BELIEVED = 0.5  # how far the filter's own estimate is believed once the way is in doubt
KNOWN = 0.8
UNLOOKED = 0.03  # share of the belief that may lie beyond where a frame is looked for
PLACES = 16
LEAST_UNHELD, MOST_UNSEEN = 3, 15  # frames in a row without a place: a few before it is lost, more before any was known
MOST_REACH = np.deg2rad(25.0)  # of a prior's heading; what may be farther off is looked for as of an aircraft that is lost
NEAR_PX = 100.0  # around the place that was believed in last, where a search begins
LEAST_M2 = 1e-6
OVERRULED = 4.0  # standard deviations of the prior from which a fix overrules it


class Track:
    """Holds the belief over the flight: where the next frame is expected, and whether what it shows is a fix.

    SEARCHING until a place holds all but the risk, TRACKING from then on, LOST once none holds half for a few frames.
    """

    def __init__(self, options: Options, reference: ReferenceMap, terrain: Terrain, likelihood: Likelihood) -> None:
        self._options, self._reference, self._terrain, self._likelihood = options, reference, terrain, likelihood
        self._stamps = Stamps()
        self._kept: Kept | None = None
        self._quest: Quest | None = None
        self._start: Start | None = None
        self.state = State.SEARCHING

    @property
    def seeks(self) -> bool:
        """Whether the next frame is looked for on all of the map."""
        return self._quest is not None or self.state is State.LOST

    def lose(self, start: Start) -> None:
        """Know nothing but the motion, and what `start` tells."""
        self._start, self.state = start, State.LOST

    def relocalize(self) -> None:
        """Look for the next frame on all of the map."""
        self._quest, self.state = None, State.LOST

    def expect(self, frame: Frame, prior: Prior) -> Expectation | Anywhere:
        """Return where a frame is expected; changes nothing. Raises Refusal as `level_of` does."""
        motion = prior.way
        kept = self._joined(motion)
        quest = self._sought(frame, prior, motion, kept)
        if quest is not None:
            return Anywhere(prior, quest)
        spread = 0.0 if self._reference.has_dem else self._options.track.ground_sigma_m ** 2
        covariance = prior.covariance.copy()
        covariance[2, 2] += spread
        lift = kept.lift if kept else 0.0
        prior = replace(prior, pose=_lifted(prior.pose, lift), covariance=covariance)
        cell = COARSE_FACTOR * self._reference.stride * level_of(frame, prior.pose, self._reference, self._terrain).gsd
        map_from_motion = kept.map_at(prior.stamp_ns) if kept else prior.map_from_motion
        reckoned = map_from_motion @ motion.pose
        tilt = float(covariance[[3, 4], [3, 4]].max()) * self._height(prior.pose) ** 2
        own = Belief.of(covariance[:2, :2] + tilt * np.eye(2), cell)
        if kept is None:
            belief, yaw, height = own, np.sqrt(covariance[5, 5]), np.sqrt(covariance[2, 2])
        else:
            belief = self._moved(kept, motion, prior).around(kept.belief.middle, cell)
            own = replace(own, middle=(prior.pose.position - reckoned.position)[:2])
            doubt = motion.unsure_since(kept.motion)
            if doubt > 0:
                belief = _doubted(belief, doubt).mixed(own, BELIEVED)
            belief = belief.mixed(own, FORGOTTEN * self._options.track.risk)
            seconds = max((prior.stamp_ns - kept.fixed_ns) / 1e9, 0.0)
            yaw, height = (np.sqrt(level.later(seconds)) for level in (kept.heading, kept.height))
        best = belief.best
        shift = np.round(np.array([best.east, best.north]) / cell) * cell
        if np.abs(shift - belief.middle).max() > 8 * cell:
            belief = belief.around(shift, cell)
        east, north = reckoned.position[:2]
        pose = Pose(np.array([east + best.east, north + best.north, prior.pose.position[2]]), prior.headed(reckoned.yaw).rotation)
        return self._around(Expectation(prior, pose, belief.radius(best, UNLOOKED) + PLACE * cell, float(yaw), float(height),
                                        reckoned.position[:2], belief))

    def judge(self, candidate: Candidate) -> Fix:
        """Return the verdict on a candidate; candidates must come in the order of their stamps."""
        place = Spot(0.0, 0.0, 0.0)
        try:
            self._stamps.check(candidate)
            place = self._seen(candidate) if candidate.sought is None else self._searched(candidate, candidate.sought)
            if candidate.reason is not Reason.FIX:
                raise Refusal(candidate.reason, candidate.sentence)
            assert self._kept is not None and candidate.covariance is not None
            if candidate.sought is None:
                self._check_map(self._kept, place)
                self._check_held(self._kept, place)
        except Refusal as refusal:
            if self._stamps.anew:
                self.forget()
            self._lose()
            fix = Fix(candidate.stamp_ns, self.state, refusal.reason, str(refusal), None, None, (), candidate, place.probability)
            return self._told(fix)
        return self._held(candidate, self._kept, place)

    def forget(self) -> None:
        """Begin anew, as after a jump of the clock or a new prior by hand."""
        self._kept, self._quest, self.state = None, None, State.SEARCHING if self._start is None else State.LOST

    def _sought(self, frame: Frame, prior: Prior, motion: DeadReckoning, kept: Kept | None) -> Quest | None:
        """What is known where the aircraft is lost, None where it is not."""
        quest, sigmas = self._quest, self._options.search.sigmas
        if quest is not None and (quest.search is None or motion.doubt - quest.search.motion.doubt < ANYWHERE_M / 2):
            believed = (quest.map_from_motion @ motion.pose).position
            # who comes onto the map where it was believed all along is looked for there first
            if not quest.lean or self._on_map(quest.middle) or not self._on_map(believed):
                return quest
        if self.state is not State.LOST:
            begun = Quest.of(prior, sigmas)
            if kept is not None or (begun.reach <= MOST_REACH and begun.sigma <= self._most_sigma(frame, prior)):
                return None
            return begun
        if self._start is not None:
            return Quest.anywhere(prior, self._start)
        if kept is None:
            begun = Quest.of(prior, sigmas)
            return replace(begun, sigma=max(begun.sigma, NEAR_PX * self._reference.gsd), lean=True)
        best = kept.belief.best
        seconds = max((prior.stamp_ns - kept.stamp_ns) / 1e9, 0.0)
        place = (kept.map_from_motion @ motion.pose).position[:2] + np.array([best.east, best.north])
        told = replace(prior, covariance=np.diag([0, 0, 0, 0, 0, kept.heading.later(seconds)]))
        return Quest(kept.map_from_motion, place, NEAR_PX * self._reference.gsd, reach_of(told, sigmas), lean=True)

    def _on_map(self, place: Float64) -> bool:
        west, south, east, north = self._reference.grid.bounds
        return bool(west <= place[0] <= east and south <= place[1] <= north)

    def _most_sigma(self, frame: Frame, prior: Prior) -> float:
        """Metres of the prior's own sigma from which on it tells too little to look around it alone."""
        try:
            gsd = level_of(frame, prior.pose, self._reference, self._terrain).gsd
        except Refusal:
            return np.inf
        return self._options.search.most_radius_px / 2 * gsd

    def _searched(self, candidate: Candidate, sought: Sought) -> Spot:
        """Take in what a search has come to; where one place holds all but the risk the track begins there."""
        self._quest = sought.quest
        expected = candidate.expected
        if candidate.reason is not Reason.FIX or expected is None or candidate.pose is None or candidate.prior is None:
            return Spot(0.0, 0.0, 0.0)
        if 1 - sought.probability > self._options.track.risk:
            raise Refusal(Reason.AMBIGUOUS, f"of the whole map the place found holds {sought.probability:.1%} of the belief, not "
                                            f"all but {self._options.track.risk:g}")
        motion = candidate.prior.way
        kept = self._joined(motion)
        if kept is not None and kept.dispute is not None:
            reckoned = kept.map_from_motion @ motion.pose
            _check_dispute(kept.dispute, (candidate.pose.position - reckoned.position)[:2], motion.flown)
        correction = candidate.pose.position[:2] - expected.reckoned
        belief = Belief.at(correction, sought.probability, expected.belief.cell)
        expected = replace(expected, belief=belief)
        begun = self._begun(candidate, expected, motion)
        lift = float(expected.pose.position[2] - candidate.prior.pose.position[2])
        self._kept, self._quest, self._start = replace(begun, lift=lift), None, None
        return Spot(float(correction[0]), float(correction[1]), sought.probability)

    def _around(self, expected: Expectation) -> Expectation:
        """The expectation with how far to look, which grows with every frame that holds no place."""
        unheld = self._kept.unheld if self._kept else 0
        sigmas, unsure = self._options.search.sigmas, self.state is not State.TRACKING or unheld > 0
        wider = min(WIDER ** unheld, MOST_WIDER)
        height = self._height(expected.pose)
        yaw = max(sigmas * expected.yaw, UNSURE_YAW if unsure else LEAST_YAW)
        yaw = max(yaw, min(yaw * wider, MOST_YAW))
        scale = max(sigmas * expected.height, (UNSURE_SCALE if unsure else LEAST_SCALE) * height)
        scale = max(scale, min(scale * wider, MOST_SCALE * height))
        radius = expected.radius * wider
        if self._kept and self._kept.score < FADING * self._kept.usual:
            # what takes the ground's place may match elsewhere
            radius = max(radius, FADED_CELLS * expected.belief.cell)
        if self._kept and self._kept.dispute and self._kept.dispute.open(self._kept.motion.flown):
            # either part may be in view
            radius = max(radius, self._kept.dispute.amount + PLACE * expected.belief.cell)
        return replace(expected, radius=radius, yaw=min(yaw, np.pi), height=scale)

    def _moved(self, kept: Kept, motion: DeadReckoning, prior: Prior) -> Belief:
        """The belief after the flight since."""
        flown = motion.flown - kept.known_m
        step = min(max(motion.flown - kept.motion.flown, 0.0), flown)
        if not motion.flown:
            step = flown = float(np.linalg.norm((motion.pose.position - kept.motion.pose.position)[:2]))
        drift = self._options.track.odometry_drift
        # errors of odometry go on in their direction, so that they grow with the way since a place was known, not with its root
        variance = drift ** 2 * (flown ** 2 - (flown - step) ** 2) + (motion.loose - kept.motion.loose) ** 2
        seconds = max((prior.stamp_ns - kept.stamp_ns) / 1e9, 0.0)
        tilt = float(prior.covariance[[3, 4], [3, 4]].max()) * self._height(prior.pose) ** 2
        variance += tilt * (1 - float(np.exp(-2 * seconds / TILT_S)))
        return kept.belief.spread(float(np.sqrt(variance)))

    def _height(self, pose: Pose) -> float:
        """Metres above the ground."""
        x, y, z = pose.position
        return max(float(z - self._terrain.height(np.array([x]), np.array([y]))[0]), 0.0)

    def _seen(self, candidate: Candidate) -> Spot:
        """Take in what a candidate's frame says; the place that it found, and how probable that is now."""
        expected = candidate.expected
        if expected is None or candidate.prior is None:
            return Spot(0.0, 0.0, 0.0)
        motion = candidate.prior.way
        kept = self._joined(motion) or self._begun(candidate, expected, motion)
        belief, unheld, unseen = expected.belief, kept.unheld, kept.unseen
        place = None if candidate.pose is None else candidate.pose.position[:2] - expected.reckoned
        if candidate.reason is Reason.PRIOR_OUTSIDE_MAP:
            unheld, unseen = unheld + 1, unseen + 1
        if candidate.surface is not None and candidate.patch is not None:
            surface = replace(candidate.surface, east=candidate.surface.east + expected.correction[0],
                              north=candidate.surface.north + expected.correction[1])
            new = kept.ground.see(candidate.patch, -expected.correction)
            gone = kept.score >= STRONG and new < LITTLE and _score_at(surface, belief.best, belief.cell) < GONE * kept.score
            if gone:
                # the ground that was matched there is still in view: it is not the ground that has changed
                belief = _doubted(belief, self._options.search.most_radius_px * belief.cell / 12)
                kept = replace(kept, held=None)
            if place is not None:
                kept = replace(kept, dispute=self._dispute(kept, candidate, place, motion))
            if place is not None and kept.dispute is not None and kept.dispute.refuses(place, motion.flown):
                dispute = kept.dispute.followed(place, FOLLOWED_CELLS * belief.cell, motion.flown)
                kept = replace(kept, dispute=dispute, held=dispute.held)
                belief = replace(Belief.of(np.eye(2) * belief.cell ** 2 / 10, belief.cell), middle=dispute.held)
            else:
                belief = belief.seen(surface, new, self._likelihood).floored(FORGOTTEN * self._options.track.risk)
            # a place that is known but not yet sure enough is no reason to look further
            unheld = 0 if belief.best.probability > KNOWN else unheld + 1
            unseen = 0 if not unheld or surface.scores.max(initial=0.0) >= STRONG else unseen + 1
        elif candidate.surface is None:
            # the ground that was in view goes by unseen
            belief = belief.settled
            unheld = 0 if belief.best.probability > KNOWN else unheld + 1
        self._kept = kept = replace(
            kept, map_from_motion=kept.map_at(candidate.stamp_ns), belief=belief, motion=motion,
            stamp_ns=candidate.stamp_ns, unheld=unheld, unseen=unseen,
            known_m=motion.flown if belief.best.probability > KNOWN else kept.known_m,
            score=0.0 if unheld > 1 else kept.score, held=None if motion.unsure_since(kept.motion) > 0 else kept.held)
        if place is None:
            return Spot(0.0, 0.0, 0.0)
        east, north = place.tolist()
        return Spot(east, north, belief.probability(east, north))

    def _dispute(self, kept: Kept, candidate: Candidate, place: Float64, motion: DeadReckoning) -> Dispute | None:
        """The dispute after a candidate at a correction (2,), which may tell of one."""
        split = candidate.apart
        assert candidate.pose is not None
        if kept.held is None or split is None:
            kept.witnesses.hear(None if split is None else split.move, kept.belief.cell)
            return kept.dispute
        # the place nearer to that of the fixes before is the one that they speak for
        first, other = place, place + split.move
        if np.hypot(*(other - kept.held)) < np.hypot(*(first - kept.held)):
            first, other = other, first
        heard = kept.witnesses.hear(other - first, kept.belief.cell)
        if not heard or (kept.dispute and kept.dispute.open(motion.flown)):
            return kept.dispute
        return Dispute(first, other - first, candidate.pose.position[:2], motion.flown)

    def _joined(self, motion: DeadReckoning) -> Kept | None:
        """What is known, None where nothing is or where no motion joins it to what comes."""
        kept = self._kept
        return kept if kept and motion.doubt - kept.motion.doubt < ANYWHERE_M / 2 else None

    def _begun(self, candidate: Candidate, expected: Expectation, motion: DeadReckoning) -> Kept:
        prior = expected.prior
        heading, height = (Correction(float(prior.covariance[i, i]), float(prior.covariance[i, i])) for i in (5, 2))
        return Kept(expected.belief, prior.map_from_motion, motion,
                    candidate.stamp_ns, motion.flown, motion.flown, candidate.stamp_ns, heading, height)

    def _check_map(self, kept: Kept, place: Spot) -> None:
        """The place is not one that only a part of the map speaks for, against the flight so far."""
        correction, flown = np.array([place.east, place.north]), kept.motion.flown
        if kept.dispute is None and kept.held is not None:
            move = correction - kept.held
            allowed = PLACE * kept.belief.cell + 3 * self._options.track.odometry_drift * (flown - kept.fixed_m)
            if np.hypot(*move) > allowed and 1 - place.probability <= self._options.track.risk:
                reckoned = kept.map_from_motion @ kept.motion.pose
                kept = self._kept = replace(kept, dispute=Dispute(kept.held, move, reckoned.position[:2] + correction, flown))
        if kept.dispute is not None:
            _check_dispute(kept.dispute, correction, flown)

    def _check_held(self, kept: Kept, place: Spot) -> None:
        if 1 - place.probability <= self._options.track.risk:
            return
        best = kept.belief.best
        apart = float(np.hypot(best.east - place.east, best.north - place.north)) / self._reference.gsd
        where = f"another, {apart:.0f} px off, holds {best.probability:.1%}" if apart > PLACE * 4 else "no other is likelier"
        raise Refusal(Reason.AMBIGUOUS, f"the place found holds {place.probability:.1%} of the belief, not all but "
                                        f"{self._options.track.risk:g}; {where}")

    def _held(self, candidate: Candidate, kept: Kept, place: Spot) -> Fix:
        """A fix: the heading and the height are known, and dead reckoning goes on from them."""
        expected = candidate.expected
        assert expected and candidate.pose and candidate.covariance is not None and candidate.surface
        turn = candidate.pose.correction_from(expected.pose)[5]
        reckoned = kept.map_from_motion @ kept.motion.pose
        about = Pose.from_rpy(reckoned.position, 0.0, 0.0, turn) @ Pose(-reckoned.position, np.eye(3))
        lift, spread = candidate.height or (0.0, kept.height.variance)
        told = expected.prior.covariance
        east, north = (candidate.pose.position - expected.pose.position)[:2].tolist()
        score = _score_at(candidate.surface, Spot(east, north, 1.0), kept.belief.cell)
        held = np.array([place.east, place.north])
        self._kept = replace(
            kept, drift=kept.drift_by(held, candidate.stamp_ns), fixed_ns=candidate.stamp_ns, fixed_m=kept.motion.flown,
            known_m=kept.motion.flown, map_from_motion=about @ kept.map_from_motion, lift=kept.lift + lift, unheld=0,
            heading=Correction(float(candidate.covariance[5, 5]), float(told[5, 5])),
            height=Correction(spread, float(told[2, 2])), score=score, usual=max(0.97 * kept.usual, score), held=held)
        self.state = State.TRACKING
        if kept.dispute is not None and kept.motion.flown - max(kept.dispute.flown, kept.dispute.refused) > self._settled_m():
            # all that is in view speaks for this part: what disagreed was left behind
            kept = replace(kept, dispute=None)
            self._kept = replace(self._kept, dispute=None)
        covariance = candidate.covariance.copy()
        if kept.dispute is not None:
            covariance[:2, :2] += np.outer(kept.dispute.move, kept.dispute.move)
        fix = Fix(candidate.stamp_ns, self.state, Reason.FIX, "", candidate.pose, covariance, candidate.observed, candidate,
                  place.probability, overruled=self._overruled(candidate))
        return self._told(fix)

    def _settled_m(self) -> float:
        """Metres of flight after which nothing that was in view is in view any more."""
        return self._options.search.patch_px * self._reference.gsd

    def _lose(self) -> None:
        kept = self._kept
        if kept is None or self.state is State.LOST:
            return
        gone = self.state is State.TRACKING and kept.belief.best.probability < 0.5 and kept.unheld >= LEAST_UNHELD
        if gone or kept.unseen >= MOST_UNSEEN:
            self.state = State.LOST

    def _told(self, fix: Fix) -> Fix:
        """A verdict with what is believed at its time, as far as odometry reaches there."""
        kept, prior, sought = self._kept, fix.candidate.prior, fix.candidate.sought
        if self.seeks and sought is not None:
            return replace(fix, places=sought.places)
        if self.seeks or kept is None or prior is None:
            return fix
        motion = prior.way
        if self._joined(motion) is None:
            return fix
        belief = self._moved(kept, motion, prior) if kept.stamp_ns != fix.stamp_ns else kept.belief
        reckoned = kept.map_at(fix.stamp_ns) @ motion.pose
        places = tuple((Pose(reckoned.position + np.array([place.east, place.north, kept.lift]), reckoned.rotation),
                        place.probability) for place in belief.places(PLACES))
        return replace(fix, places=places, elsewhere=belief.elsewhere, dispute=kept.dispute)

    def _overruled(self, candidate: Candidate) -> float:
        assert candidate.pose is not None and candidate.covariance is not None and candidate.prior is not None
        delta = (candidate.pose.position - candidate.prior.pose.position)[:2]
        both = (candidate.covariance + candidate.prior.covariance)[:2, :2]
        values, vectors = np.linalg.eigh(both)
        # a full correlation leaves rounding for the narrow axis
        distance = float(np.sqrt(((vectors.T @ delta) ** 2 / np.maximum(values, LEAST_M2)).sum()))
        return distance if distance > OVERRULED else 0.0


def _lifted(pose: Pose, metres: float) -> Pose:
    return Pose(pose.position + np.array([0.0, 0.0, metres]), pose.rotation) if metres else pose


def _score_at(surface: Surface, place: Spot, cell: float) -> float:
    """The highest score of a surface at a place; 0 where it does not reach there."""
    near = np.hypot(surface.east - place.east, surface.north - place.north) <= PLACE * cell
    return float(surface.scores[near].max(initial=-np.inf)) if near.any() else 0.0


def _doubted(belief: Belief, metres: float) -> Belief:
    """The belief where the way since may be wrong by so much."""
    best = belief.best
    wide = Belief.of(np.eye(2) * metres ** 2, belief.cell)
    return belief.settled.mixed(replace(wide, middle=np.array([best.east, best.north])), 0.5)


def _check_dispute(dispute: Dispute, correction: Float64, flown: float) -> None:
    """Raise Refusal MAP_DISAGREES where a correction (2,) is that of the part of the map which the flight speaks against."""
    if dispute.refuses(correction, flown):
        east, north = dispute.place
        raise Refusal(Reason.MAP_DISAGREES, f"parts of the map lie {dispute.amount:.0f} m apart around x {east:.0f}, y "
                                            f"{north:.0f}, and the flight so far speaks against this one; check the map")
