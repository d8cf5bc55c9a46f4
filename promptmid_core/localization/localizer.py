"""The pipeline of one frame, and the track that keeps what must be remembered between frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from promptmid_core.arrays import Float64
from promptmid_core.descriptors import Descriptor
from promptmid_core.descriptors.tail import UNKNOWN
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import ChannelGroup, Measure, Prior, Terrain, boresight_point
from promptmid_core.localization.closely import Closely
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Beside, Candidate, Fix, Frame, GroundPoint, State
from promptmid_core.localization.hypothesis import FrameMatcher, Hypothesis
from promptmid_core.localization.integrity import check_frame, check_halves, check_place, check_plausible
from promptmid_core.localization.options import PARAMETERS, Options
from promptmid_core.localization.overrule import overruled
from promptmid_core.localization.prior import check_prior
from promptmid_core.localization.quest import Anywhere, Start
from promptmid_core.localization.reach import Scope, scope_of
from promptmid_core.localization.seek import Seeker
from promptmid_core.localization.separation import Separation, spread
from promptmid_core.localization.solver import Match
from promptmid_core.localization.stopwatch import Stopwatch
from promptmid_core.localization.track import Track
from promptmid_core.localization.windows import Windows
from promptmid_core.matching.sought import COARSE_FACTOR
from promptmid_core.prompts.prompt import Modality
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap

Expect = Callable[[Frame, Prior], Expectation | Anywhere]


class Localizer:
    """Matches frames to a reference map, each on the level that its height calls for.

    `expect` says where a frame should be, `match` looks for it there, `track` gives the verdict and keeps what must be remembered
    between frames.
    """

    def __init__(self, reference: ReferenceMap, descriptor: Descriptor, options: Options | None = None) -> None:
        if reference.fingerprint != descriptor.fingerprint:
            raise InputError(
                f"the map was built with descriptor {reference.descriptor_name} ({reference.fingerprint}) but {descriptor.name} "
                f"({descriptor.fingerprint}) is to fly; rebuild it with: "
                f"promptmid map build SAR.tif OUT --descriptor {descriptor.name}")
        told, own = (reference.stride, reference.header.descriptor.groups), (descriptor.stride, descriptor.groups(Modality.SAR))
        if _compared(*told) != _compared(*own):
            raise InputError(f"{reference.path} has channels that its descriptor {descriptor.name} does not make, although the "
                             "fingerprint is the same; build the map again")
        options = options or Options()
        cell, patch_px = reference.stride * COARSE_FACTOR, options.search.patch_px
        if patch_px % (2 * cell):
            raise InputError(f"parameter patch_px is {patch_px}, not a multiple of {2 * cell} as the map's descriptor needs")
        self.reference = reference
        self.descriptor = descriptor
        self.terrain = reference.terrain() if reference.has_dem else Terrain.flat(options.track.ground_height_m)
        self._equip(options)
        self._track = self._new_track()

    @property
    def searching(self) -> bool:
        """Whether the next frame is looked for on all of the map."""
        return self._track.seeks

    @property
    def lost(self) -> bool:
        """Whether the aircraft is lost, so that whoever goes on in place of this has to search all of the map too."""
        return self._track.state is State.LOST

    def expect(self, frame: Frame, prior: Prior) -> Expectation | Anywhere:
        """Return where a frame is expected, by the prior and by all frames before. Raises Refusal where that is nowhere."""
        return self._track.expect(frame, prior)

    def match(self, frame: Frame, prior: Prior, expect: Expect | None = None) -> Candidate:
        """Match one frame to the map where `expect` says, without it where the prior alone does: a candidate pose, or the reason
        why there is none. Depends on nothing but its arguments."""
        clock = Stopwatch()
        candidate = Candidate(frame.stamp_ns, prior, Reason.FIX, "", stage_ms=clock.ms)
        try:
            with clock("check"):
                check_frame(frame, self.options)
                check_prior(prior)
            expected = (expect or self._new_track().expect)(frame, prior)
            if isinstance(expected, Anywhere):
                sought, closeup = self.seeker.seek(frame, expected, clock)
                candidate = replace(candidate, sought=sought)
                if closeup is None:
                    raise Refusal(Reason.AMBIGUOUS, "no place of the map could be looked at closely")
                expected, scope, best = closeup.expected, closeup.scope, closeup.best
                candidate = replace(candidate, expected=expected)
            else:
                candidate = replace(candidate, expected=expected)
                scope = scope_of(frame, expected, self.reference, self.terrain, self.options)
                best = self._matcher.best(frame, expected, scope, clock)
                if not self._sure(expected, best):
                    aside = self._matcher.aside(frame, best, expected, scope, clock)
                    candidate = replace(candidate, aside=tuple(Beside(each.patch, each.surface) for each in aside))
            candidate = replace(candidate, patch=best.patch, prompt=best.prompt, surface=best.surface,
                                apart=best.apart, laid=best.start)
            if best.match is None:
                assert best.refusal is not None
                raise best.refusal.anew()
            separation = self._separation(best, best.match, expected, frame)
            solution = best.match.solution.wider(spread(separation))
            lift = float(solution.pose.position[2] - expected.pose.position[2]), solution.height_variance
            candidate = replace(
                candidate, pose=solution.pose, covariance=solution.covariance, parts=solution.place, lever=solution.lever,
                observed=solution.observed, ties=best.match.ties, height=lift, scores=self._scores(best, best.match, scope))
            with clock("judge"):
                point = self._judge(best, best.match, expected, scope, frame)
                sight = frame.camera.mount.rotation @ frame.camera.boresight()
                candidate = replace(candidate, ground=GroundPoint(point, solution.ground, sight, separation=separation))
        except Refusal as refusal:
            return replace(candidate, reason=refusal.reason, sentence=str(refusal))
        return candidate

    def track(self, candidate: Candidate) -> Fix:
        """Give the verdict on a candidate among all frames so far."""
        return self._track.judge(candidate)

    def anew(self) -> Localizer:
        """Return a localizer of the same map, descriptor and options that shares nothing that changes but the map's cache."""
        return Localizer(self.reference, self.descriptor, self.options)

    def take(self, options: Options) -> None:
        """Go by other options from the next frame on; what is believed of the flight stays.

        Raises InputError where a parameter differs that cannot change in flight, and then changes nothing.
        """
        now = self.options.values
        fixed = next((name for name, value in options.values.items() if value != now[name] and not PARAMETERS[name].live), None)
        if fixed is not None:
            raise InputError(f"parameter {fixed} cannot change in flight, from {now[fixed]} to {options.values[fixed]}; make "
                             "another localizer")
        self._equip(options)
        self._track.take(options)

    def reset(self) -> None:
        """Forget the flight so far, as after a jump of the clock or a new prior by hand."""
        self._track = self._new_track()

    def lose(self, start: Start) -> None:
        """Begin with nothing known but the motion, and what `start` tells of place and heading."""
        self._track = self._new_track()
        self._track.lose(start)

    def relocalize(self) -> None:
        """Look for the next frames on all of the map, whatever is believed."""
        self._track.relocalize()

    def _equip(self, options: Options) -> None:
        """What depends on the options and remembers nothing of the flight."""
        self.options = options
        map_and_ground = self.reference, self.terrain
        self._matcher = FrameMatcher(*map_and_ground, self.descriptor, options, Windows(options.gates.least_map_valid))
        self.seeker = Seeker(*map_and_ground, options, Closely(*map_and_ground, self.descriptor, options, self._matcher))

    def _new_track(self) -> Track:
        calibration = self.descriptor.calibration
        return Track(self.options, self.reference, self.terrain, self.descriptor.likelihood,
                     calibration.errors if calibration else UNKNOWN)

    def _sure(self, expected: Expectation, best: Hypothesis) -> bool:
        """Whether the patch in the middle of a frame tells all that it takes."""
        if best.match is None:
            return False
        solution = best.match.solution
        if not expected.tracked and overruled(solution.pose, solution.covariance, expected.prior):
            return False
        belief = expected.belief.seen([best.surface.from_reckoned(expected.correction)], 0.0, self.descriptor.likelihood)
        place = solution.pose.position[:2] - expected.reckoned
        return 1 - belief.probability(*place.tolist()) <= self.options.track.risk

    def _separation(self, best: Hypothesis, match: Match, expected: Expectation, frame: Frame) -> tuple[Separation, ...]:
        """Where parts of a frame by themselves have the ground; nothing where only all together hold the place."""
        return self._matcher.solver.separation(match, best.start, frame, expected.prior) if match.solution.holds_heading else ()

    def _judge(self, best: Hypothesis, match: Match, expected: Expectation, scope: Scope, frame: Frame) -> Float64:
        """Where the boresight meets the ground (3,). Raises the Refusal of the first gate that the match does not pass."""
        # a solution that looks past the ground has no place there
        point = boresight_point(frame.camera, match.solution.pose, self.terrain)
        check_place(best.peak)
        check_plausible(match.solution, expected.pose, scope.extent, scope.height)
        if match.solution.holds_heading:
            check_halves(self._matcher.solver.halves(match, best.start, frame, expected.prior) / best.gsd, self.options)
        return point

    def _scores(self, best: Hypothesis, match: Match, scope: Scope) -> dict[str, float]:
        verification = best.verification
        return {
            "peak": best.peak.score, "score": verification.score, "margin": verification.margin,
            "similarity": verification.similarity, "ties": float(len(match.agree)), "agreeing": float(match.agree.sum()),
            "residual_px": match.solution.sigma / self.reference.gsd, "valid": float(best.patch.valid.mean()),
            "search_px": scope.extent.radius / self.reference.gsd, "evidence": best.evidence,
        }


def _compared(stride: int, groups: tuple[ChannelGroup, ...]) -> tuple[int, list[tuple[str, int, Measure]]]:
    """What has to be the same of two descriptors for their maps to be compared."""
    return stride, [(group.name, group.channels, group.measure) for group in groups]
