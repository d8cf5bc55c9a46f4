"""The pipeline of one frame, and the track that keeps what must be remembered between frames."""

from __future__ import annotations

from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import ChannelGroup, Measure, Prior, boresight_point
from promptmid_core.localization.fix import Candidate, Fix, Frame, GroundShift
from promptmid_core.localization.hypothesis import FrameMatcher, Hypothesis, Windows
from promptmid_core.localization.integrity import (
    check_frame,
    check_halves,
    check_place,
    check_plausible,
    check_prior_agrees,
    check_ties,
)
from promptmid_core.localization.options import Options
from promptmid_core.localization.prior import check_prior
from promptmid_core.localization.reach import Scope, scope_of
from promptmid_core.localization.solve import OBSERVED
from promptmid_core.localization.stopwatch import Stopwatch
from promptmid_core.localization.tracker import Tracker
from promptmid_core.matching.window import COARSE_FACTOR
from promptmid_core.prompts.prompt import Modality
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap


class Localizer:
    """Matches frames to a reference map, each on the level that its height calls for.

    `match` depends on nothing but its arguments; `track` keeps what must be remembered between frames.
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
        cell, patch_px = reference.stride * COARSE_FACTOR, (options or Options()).search.patch_px
        if patch_px % (2 * cell):
            raise InputError(f"parameter patch_px is {patch_px}, not a multiple of {2 * cell} as the map's descriptor needs")
        self.reference = reference
        self.descriptor = descriptor
        self.options = options or Options()
        self.terrain = reference.terrain()
        windows = Windows(self.options.gates.least_map_valid)
        self._matcher = FrameMatcher(reference, self.terrain, descriptor, self.options, windows)
        self._tracker = Tracker(self.options, reference.gsd)

    def match(self, frame: Frame, prior: Prior) -> Candidate:
        """Match one frame to the map, on its own: a candidate pose, or the reason why there is none."""
        clock = Stopwatch()
        scores: dict[str, float] = {}
        best: Hypothesis | None = None
        try:
            with clock("check"):
                check_frame(frame, self.options)
                check_prior(prior)
            scope = scope_of(frame, prior, self.reference, self.terrain, self.options)
            best = self._matcher.best_heading(frame, prior, scope, clock)
            scores = self._scores(best, scope)
            with clock("judge"):
                self._judge(best, frame, prior, scope)
        except Refusal as refusal:
            return self._candidate(frame, prior, best, refusal, scores, clock.ms)
        return self._candidate(frame, prior, best, None, scores, clock.ms)

    def track(self, candidate: Candidate) -> Fix:
        """Give the verdict on a candidate among its neighbours in time."""
        return self._tracker.track(candidate)

    def reset(self) -> None:
        """Forget the track, as after a jump of the clock or a new prior by hand."""
        self._tracker = Tracker(self.options, self.reference.gsd)

    def _judge(self, best: Hypothesis, frame: Frame, prior: Prior, scope: Scope) -> None:
        options, gsd = self.options, best.gsd
        check_place(best.peaks[0], best.verification, options)
        check_ties(best.ties, best.agree, options.search.patch_px * gsd, options)
        height = float(prior.pose.position[2] - best.ties.found[:, 2].mean())
        check_plausible(best.solution, prior, scope.extent, height)
        check_halves(self._matcher.halves(best, frame, prior) / gsd, options)
        check_prior_agrees(best.solution, prior, options)

    def _scores(self, best: Hypothesis, scope: Scope) -> dict[str, float]:
        verification = best.verification
        return {
            "peak": best.peaks[0].score, "score": verification.score, "margin": verification.margin,
            "similarity": verification.similarity, "ties": float(len(best.agree)), "agreeing": float(best.agree.sum()),
            "residual_px": best.solution.sigma / self.reference.gsd, "valid": float(best.patch.valid.mean()),
            "search_px": scope.extent.radius / self.reference.gsd, "evidence": best.evidence,
        }

    def _candidate(self, frame: Frame, prior: Prior, best: Hypothesis | None, refusal: Refusal | None, scores: dict[str, float],
                   stage_ms: dict[str, float]) -> Candidate:
        reason, sentence = (refusal.reason, str(refusal)) if refusal else (Reason.FIX, "")
        if best is None:
            return Candidate(frame.stamp_ns, prior, reason, sentence, scores=scores, stage_ms=stage_ms)
        solution = best.solution
        at_prior, at_fix = (boresight_point(frame.camera, pose, self.terrain) for pose in (prior.pose, solution.pose))
        return Candidate(
            frame.stamp_ns, prior, reason, sentence, solution.pose, solution.covariance, OBSERVED,
            GroundShift((at_fix - at_prior)[:2], solution.ground_covariance), best.ties, best.patch, best.prompt, scores,
            stage_ms)


def _compared(stride: int, groups: tuple[ChannelGroup, ...]) -> tuple[int, list[tuple[str, int, Measure]]]:
    """What has to be the same of two descriptors for their maps to be compared."""
    return stride, [(group.name, group.channels, group.measure) for group in groups]
