"""The track: what frames together say of where the aircraft is, and what becomes of each by that. All state between frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.descriptors.tail import UNKNOWN, Tail
from promptmid_core.errors import Refusal
from promptmid_core.geometry import DeadReckoning, Pose, Prior
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.belief import PLACE, Belief, Spot, Surface
from promptmid_core.localization.dispute import Dispute
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Beside, Candidate, Fix, Frame, GroundPoint, State
from promptmid_core.localization.ground import SeenGround
from promptmid_core.localization.independent import Moment, Repetition
from promptmid_core.localization.kept import Correction, Kept
from promptmid_core.localization.likeliest import Likeliest
from promptmid_core.localization.options import Options
from promptmid_core.localization.outlook import FORGOTTEN, Outlook
from promptmid_core.localization.overrule import check_ground, overruled
from promptmid_core.localization.parts import Parts
from promptmid_core.localization.protection import OtherPlaces, protected
from promptmid_core.localization.quest import Anywhere, Quest, Sought, Start
from promptmid_core.localization.stamps import Stamps
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap

STRONG, GONE = 6.0, 0.5  # score of a place that was there, and the share of it below which it is gone
LITTLE = 0.7  # new ground, up to which what was matched should still be in view
FOLLOWED_CELLS = 4.0  # how far the refused part of a map may seem to move from one frame to the next
KNOWN, STOOD = 0.8, 4  # probability of a place that is known, and frames in which it is the same one that make sure of that
PLACES = 16
LEAST_SPOT = 0.96  # of the belief in a place that is held by where a match has it
LEAST_UNHELD, MOST_UNSEEN = 3, 15  # frames in a row without a place: a few before it is lost, more before any was known


class Track:
    """Holds the belief over the flight: where the next frame is expected, and whether what it shows is a fix.

    SEARCHING until a place holds all but the risk, TRACKING from then on, LOST once none holds half for a few frames.
    """

    def __init__(self, options: Options, reference: ReferenceMap, terrain: Terrain, likelihood: Likelihood,
                 errors: Tail = UNKNOWN) -> None:
        self._reference, self._terrain, self._likelihood, self._errors = reference, terrain, likelihood, errors
        self.take(options)
        self._stamps = Stamps()
        self._kept: Kept | None = None
        self._quest: Quest | None = None
        self._start: Start | None = None
        self.state = State.SEARCHING

    @property
    def seeks(self) -> bool:
        """Whether the next frame is looked for on all of the map."""
        return self._quest is not None or self.state is State.LOST

    def take(self, options: Options) -> None:
        """Go by these options; what is believed stays."""
        self._options, self._outlook = options, Outlook(options, self._reference, self._terrain)

    def lose(self, start: Start) -> None:
        """Know nothing but the motion, and what `start` tells."""
        self._start, self.state = start, State.LOST

    def relocalize(self) -> None:
        """Look for the next frame on all of the map."""
        self._quest, self.state = None, State.LOST

    def expect(self, frame: Frame, prior: Prior) -> Expectation | Anywhere:
        """Return where a frame is expected; changes nothing. Raises Refusal as `level_of` does."""
        quest = self._outlook.sought(frame, prior, self._kept, self.state, self._quest, self._start)
        return self._outlook.expected(frame, prior, self._kept, self.state) if quest is None else Anywhere(prior, quest)

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
                self._check_held(self._kept, place, candidate.scores.get("evidence", 0.0))
                self._check_prior(candidate, self._kept)
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

    def _searched(self, candidate: Candidate, sought: Sought) -> Spot:
        """Take in what a search has come to; where one place holds all but the risk the track begins there."""
        self._quest = sought.quest
        expected = candidate.expected
        if candidate.reason is not Reason.FIX or expected is None or candidate.pose is None or candidate.prior is None:
            return Spot(0.0, 0.0, 0.0)
        if 1 - sought.probability > self._options.track.risk:
            raise Refusal(Reason.AMBIGUOUS, f"of the whole map the place found holds {sought.probability:.1%} of the belief, not "
                                            f"all but {self._options.track.risk:g}")
        if self._start is None and candidate.covariance is not None:
            check_ground(overruled(candidate.pose, candidate.covariance, candidate.prior), sought.footprints)
        motion = candidate.prior.way
        kept = self._joined(motion)
        if kept is not None and kept.dispute is not None:
            reckoned = kept.map_from_motion @ motion.pose
            kept.dispute.check(kept.dispute.refuses((candidate.pose.position - reckoned.position)[:2], motion.flown))
        correction = candidate.pose.position[:2] - expected.reckoned
        belief = Belief.at(correction, sought.probability, expected.belief.cell)
        expected = replace(expected, belief=belief)
        begun = self._begun(candidate, expected, motion)
        lift = float(expected.pose.position[2] - candidate.prior.pose.position[2])
        if kept is not None:
            # what a filter was told before it was lost it has not forgotten
            begun = replace(begun, by_fixes=kept.by_fixes, by_points=kept.by_points)
        self._kept, self._quest, self._start = replace(begun, lift=lift, ranged=candidate.prior.ranged), None, None
        return Spot(float(correction[0]), float(correction[1]), sought.probability)

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
            surface = candidate.surface.from_reckoned(expected.correction)
            surfaces, new, in_view = self._looks(candidate, expected, kept)
            gone = kept.score >= STRONG and new < LITTLE and _score_at(surface, belief.best, belief.cell) < GONE * kept.score
            if gone:
                # the ground that was matched there is still in view: it is not the ground that has changed
                belief = belief.doubted(self._options.search.most_radius_px * belief.cell / 12)
                kept = replace(kept, held=None)
            dispute = kept.dispute
            if place is not None:
                dispute = self._dispute(kept, candidate, place, motion)
                kept = replace(kept, dispute=dispute)
            if place is not None and dispute is not None and dispute.against:
                kept = replace(kept, held=dispute.held)
                belief = replace(Belief.of(np.eye(2) * belief.cell ** 2 / 10, belief.cell), middle=dispute.held)
            else:
                belief = belief.seen(surfaces, new, self._likelihood).floored(FORGOTTEN * self._options.track.risk)
            best = belief.best
            standing = Likeliest(_at(kept.map_at(candidate.stamp_ns) @ motion.pose, best), motion.pose, in_view)
            standing = standing.after(kept.standing, new, 2 * PLACE * belief.cell)
            kept = replace(kept, standing=standing)
            # a place that is known but not yet sure enough is no reason to look further; if it is another every time it is none
            known = best.probability > KNOWN
            unheld = 0 if known else unheld + 1
            unseen = 0 if (known and standing.frames >= STOOD) or self._strong(surface) else unseen + 1
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

    def _looks(self, candidate: Candidate, expected: Expectation, kept: Kept) -> tuple[list[Surface], float, float]:
        """What all of a frame says, the share of its ground that is new, and how much ground that is in square metres."""
        assert candidate.surface is not None and candidate.patch is not None
        shift, own = -expected.correction, SeenGround()
        looks = [Beside(candidate.patch, candidate.surface), *candidate.aside]
        shares = [own.see(look.patch, shift) for look in looks]
        unseen = [kept.ground.unseen(look.patch, shift) for look in looks]
        new = float(np.dot(shares, unseen)) / max(sum(shares), 1e-9)
        for look in looks:
            kept.ground.see(look.patch, shift)
        return [replace(look.surface.from_reckoned(expected.correction), own=share)
                for share, look in zip(shares, looks, strict=True)], new, sum(shares) * candidate.patch.area

    def _strong(self, surface: Surface) -> bool:
        """Whether a surface shows what could be the place, for the best of so many."""
        return bool(surface.scores.max(initial=0.0) - np.log(surface.among) / self._likelihood.slope >= STRONG)

    def _dispute(self, kept: Kept, candidate: Candidate, place: Float64, motion: DeadReckoning) -> Dispute | None:
        """The dispute after a candidate at a correction (2,), which may tell of one."""
        assert candidate.pose is not None
        beside = None if candidate.apart is None else candidate.apart.move
        dispute = kept.dispute
        if kept.held is None or beside is None:
            kept.witnesses.hear(beside, kept.belief.cell)
        else:
            # the place nearer to that of the fixes before is the one that they speak for
            first, other = place, place + beside
            if np.hypot(*(other - kept.held)) < np.hypot(*(first - kept.held)):
                first, other = other, first
            heard = kept.witnesses.hear(other - first, kept.belief.cell)
            if heard and not (dispute and dispute.open(motion.flown)):
                dispute = Dispute(first, other - first, candidate.pose.position[:2], motion.flown)
        return dispute and dispute.after(place, beside, FOLLOWED_CELLS * kept.belief.cell, motion.flown)

    def _joined(self, motion: DeadReckoning) -> Kept | None:
        """What is known, None where nothing is or where no motion joins it to what comes."""
        kept = self._kept
        return kept if kept and kept.joins(motion) else None

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
            kept.dispute.check(kept.dispute.against or kept.dispute.refuses(correction, flown))

    def _check_prior(self, candidate: Candidate, kept: Kept) -> None:
        """A first place that the prior speaks against is known by enough ground."""
        assert candidate.pose and candidate.prior and candidate.patch and candidate.covariance is not None
        if self.state is not State.TRACKING:
            ground = 0.0 if kept.standing is None else kept.standing.ground / candidate.patch.area
            check_ground(overruled(candidate.pose, candidate.covariance, candidate.prior), ground)

    def _check_held(self, kept: Kept, place: Spot, evidence: float) -> None:
        """The place is held; the middle of it where the match by itself, with so many log-odds, is likelier chance."""
        if 1 - place.probability <= self._options.track.risk:
            spot = kept.belief.spot(place) if evidence < 0 else 1.0
            if spot < LEAST_SPOT:
                raise Refusal(Reason.AMBIGUOUS, f"the place is found, but the match, a weak one, lies beside its middle, where "
                                                f"{spot:.1%} of the place's belief is, less than {LEAST_SPOT:.0%}")
            return
        best = kept.belief.best
        apart = float(np.hypot(best.east - place.east, best.north - place.north)) / self._reference.gsd
        where = f"another, {apart:.0f} px off, holds {best.probability:.1%}" if apart > PLACE * 4 else "no other is likelier"
        raise Refusal(Reason.AMBIGUOUS, f"the place found holds {place.probability:.1%} of the belief, not all but "
                                        f"{self._options.track.risk:g}; {where}")

    def _held(self, candidate: Candidate, kept: Kept, place: Spot) -> Fix:
        """A fix: the heading and the height are known, and dead reckoning goes on from them."""
        expected = candidate.expected
        assert expected and candidate.pose and candidate.prior and candidate.covariance is not None and candidate.surface
        turn, heading = candidate.pose.correction_from(expected.pose)[5], float(candidate.covariance[5, 5])
        if "yaw" not in candidate.observed:
            seconds = max((candidate.stamp_ns - kept.fixed_ns) / 1e9, 0.0)
            turn, heading = 0.0, kept.heading.later(seconds, float(expected.prior.covariance[5, 5]))
        reckoned = kept.map_from_motion @ kept.motion.pose
        about = Pose.from_rpy(reckoned.position, 0.0, 0.0, turn) @ Pose(-reckoned.position, np.eye(3))
        lift, spread = candidate.height or (0.0, kept.height.variance)
        told = expected.prior.covariance
        east, north = (candidate.pose.position - expected.pose.position)[:2].tolist()
        score = _score_at(candidate.surface, Spot(east, north, 1.0), kept.belief.cell)
        held = np.array([place.east, place.north])
        self._kept = replace(
            kept, drift=kept.drift_by(held, candidate.stamp_ns), fixed_ns=candidate.stamp_ns, fixed_m=kept.motion.flown,
            known_m=kept.motion.flown, map_from_motion=about @ kept.map_from_motion, unheld=0,
            lift=kept.lift_of(candidate.prior.ranged) + lift, ranged=candidate.prior.ranged,
            heading=Correction(heading, float(told[5, 5])),
            height=Correction(spread, float(told[2, 2])), score=score, usual=max(0.97 * kept.usual, score), held=held)
        self.state = State.TRACKING
        if kept.dispute is not None and kept.motion.flown - kept.dispute.last > self._settled_m():
            # all that is in view speaks for this part: what disagreed was left behind
            kept = replace(kept, dispute=None)
            self._kept = replace(self._kept, dispute=None)
        covariance, parts, ground = candidate.covariance.copy(), candidate.parts, candidate.ground
        assert parts and ground
        if kept.dispute is not None:
            parts = parts.doubted(kept.dispute.move)
            covariance[:2, :2] = parts.total
            ground = replace(ground, parts=ground.parts.doubted(kept.dispute.move))
        fix = Fix(candidate.stamp_ns, self.state, Reason.FIX, "", candidate.pose, covariance, candidate.observed, candidate,
                  place.probability, ground=ground, parts=parts,
                  overruled=overruled(candidate.pose, candidate.covariance, candidate.prior))
        fix = self._told(self._independent(fix, ground, parts))
        places = [(pose.position[:2], probability) for pose, probability in fix.places]
        others = OtherPlaces.of(candidate.pose.position[:2], places, 2 * PLACE * kept.belief.cell, fix.elsewhere)
        return replace(fix, protection=protected(ground.parts, parts, self._errors, self._options.errors.integrity_risk, others,
                                                 ground.separation))

    def _independent(self, fix: Fix, ground: GroundPoint, parts: Parts) -> Fix:
        """A fix with what its covariances are multiplied by for a filter that takes fixes for independent."""
        kept = self._kept
        assert kept is not None
        repetition = Repetition.of(self._reference.gsd, self._settled_m(), self._options.errors.attitude_correlation_s)
        fix = replace(fix, repetition=repetition)
        if not self._options.errors.independent_fixes:
            return fix
        at = Moment(fix.stamp_ns, kept.motion.flown, kept.motion.pose.yaw)
        by_fixes, of_fix = kept.by_fixes.with_fix(at, parts, repetition)
        by_points, of_point = kept.by_points.with_fix(at, ground.parts, repetition)
        self._kept = replace(kept, by_fixes=by_fixes, by_points=by_points)
        return replace(fix, inflation=of_fix, ground=replace(ground, inflation=of_point))

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
        belief = self._outlook.moved(kept, motion, prior) if kept.stamp_ns != fix.stamp_ns else kept.belief
        reckoned = kept.map_at(fix.stamp_ns) @ motion.pose
        places = tuple((_at(reckoned, place, kept.lift), place.probability) for place in belief.places(PLACES))
        return replace(fix, places=places, elsewhere=belief.elsewhere, dispute=kept.dispute)


def _at(reckoned: Pose, place: Spot, lift: float = 0.0) -> Pose:
    """A dead-reckoned pose where the belief corrects it to a place, lifted by so many metres."""
    return Pose(reckoned.position + np.array([place.east, place.north, lift]), reckoned.rotation)


def _score_at(surface: Surface, place: Spot, cell: float) -> float:
    """The highest score of a surface at a place; 0 where it does not reach there."""
    near = np.hypot(surface.east - place.east, surface.north - place.north) <= PLACE * cell
    return float(surface.scores[near].max(initial=-np.inf)) if near.any() else 0.0
