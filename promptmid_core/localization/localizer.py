"""The pipeline of one frame: orthorectify, describe, match, solve, judge; and the track that keeps the state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Mask
from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Grid, Patch, Pose, Prior, boresight_point, ground_resolution, orthorectify
from promptmid_core.localization.fix import Candidate, Fix, Frame, GroundShift, TiePoints
from promptmid_core.localization.integrity import (
    check_frame,
    check_halves,
    check_patch,
    check_place,
    check_plausible,
    check_prior_agrees,
    check_ties,
    evidence,
)
from promptmid_core.localization.options import Options
from promptmid_core.localization.prior import check_prior
from promptmid_core.localization.solve import OBSERVED, Solution, moved_ground, solve, ties_on_ground
from promptmid_core.localization.tracker import Tracker
from promptmid_core.matching.parallel import together
from promptmid_core.matching.search import Extent, Peak, search
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.ties import BlockMatches, tie_points
from promptmid_core.matching.verification import Verification, verify
from promptmid_core.matching.window import COARSE_FACTOR, SearchWindow
from promptmid_core.prompts.prompt import Prompt
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap

WARP_LIMIT = np.deg2rad(6.0)  # oriented channels survive a turn of this size; beyond it the patch is described again
LEAST_YAW, LEAST_SCALE, MOST_SCALE = np.deg2rad(1.0), 0.01, 0.10
REFINED_PEAKS = 2
SURE = 4.0  # log-odds from which on no other peak is looked at
LEAST_BLOCKS = 6


@dataclass(frozen=True)
class Match:
    """What one heading of one frame came to, on the level of the map that the patch's grid has."""

    start: Pose
    patch: Patch
    prompt: Prompt
    peaks: list[Peak]
    ties: TiePoints
    solution: Solution
    verification: Verification

    @property
    def gsd(self) -> float:
        return self.patch.grid.gsd


class Localizer:
    """Matches frames to a reference map, each on the level that its height calls for.

    `match` is pure; `track` keeps what must be remembered between frames.
    """

    def __init__(self, reference: ReferenceMap, descriptor: Descriptor, options: Options | None = None) -> None:
        if reference.fingerprint != descriptor.fingerprint:
            raise InputError(
                f"the map was built with descriptor {reference.descriptor_name} ({reference.fingerprint}) but {descriptor.name} "
                f"({descriptor.fingerprint}) is to fly; rebuild it with: "
                f"promptmid map build SAR.tif OUT --descriptor {descriptor.name}")
        self.reference = reference
        self.descriptor = descriptor
        self.options = options or Options()
        self.terrain = reference.terrain()
        self._tracker = Tracker(self.options, reference.gsd)
        self._last_window: tuple[tuple[int, ...], SearchWindow] | None = None

    def match(self, frame: Frame, prior: Prior) -> Candidate:
        """One frame against the map, on its own: a candidate pose, or the reason why there is none."""
        clock = Stopwatch()
        scores: dict[str, float] = {}
        match: Match | None = None
        try:
            with clock("check"):
                check_frame(frame, self.options)
                check_prior(prior)
            level = self._level(frame, prior)
            extent = self._extent(frame, prior, level.gsd)
            match = self._best_heading(frame, prior, level, extent, clock)
            scores = self._scores(match, extent)
            with clock("judge"):
                self._judge(match, frame, prior, extent)
        except Refusal as refusal:
            return self._candidate(frame, prior, match, refusal, scores, clock.ms)
        return self._candidate(frame, prior, match, None, scores, clock.ms)

    def track(self, candidate: Candidate) -> Fix:
        """The verdict on a candidate among its neighbours in time."""
        return self._tracker.track(candidate)

    def reset(self) -> None:
        """Forget the track, as after a jump of the clock or a new prior by hand."""
        self._tracker = Tracker(self.options, self.reference.gsd)

    def _level(self, frame: Frame, prior: Prior) -> ReferenceMap:
        """The map at the finest level that is not finer than half the frame's own ground resolution."""
        resolution = ground_resolution(frame.camera, prior.pose, self.terrain)
        for level in range(self.reference.levels):
            if resolution <= 2 * self.reference.gsd * 2 ** level:
                return self.reference.at(level)
        coarsest = self.reference.gsd * 2 ** (self.reference.levels - 1)
        raise Refusal(Reason.FRAME_TOO_COARSE, f"the frame shows {resolution:.2f} m per pixel, more than twice the "
                                               f"{coarsest:.2f} m of the map's coarsest level")

    def _extent(self, frame: Frame, prior: Prior, gsd: float) -> Extent:
        """How far to search on a level of `gsd`, from the prior's covariance; the tilt's share grows with height."""
        options = self.options
        target = boresight_point(frame.camera, prior.pose, self.terrain)
        height = float(prior.pose.position[2] - target[2])
        variance = float(np.linalg.eigvalsh(prior.covariance[:2, :2])[-1] + height ** 2 * prior.covariance[[3, 4], [3, 4]].max())
        radius = options.sigmas * np.sqrt(variance)
        if radius > options.most_radius_px * gsd:
            px = self.reference.gsd
            raise Refusal(Reason.PRIOR_TOO_UNCERTAIN, f"{options.sigmas:g} sigma of the prior are {radius / px:.0f} px; "
                                                      f"at most {options.most_radius_px * gsd / px:.0f} px are searched")
        yaw = options.sigmas * float(np.sqrt(prior.covariance[5, 5]))
        scale = options.sigmas * float(np.sqrt(prior.covariance[2, 2])) / max(height, 1.0)
        return Extent(float(max(radius, options.least_radius_px * gsd)), float(np.clip(yaw, LEAST_YAW, np.pi)),
                      float(np.clip(scale, LEAST_SCALE, MOST_SCALE)))

    def _best_heading(self, frame: Frame, prior: Prior, level: ReferenceMap, extent: Extent, clock: Stopwatch) -> Match:
        """The heading whose tie points agree best; one heading alone where the prior knows it within WARP_LIMIT."""
        count = int(np.ceil(extent.yaw / WARP_LIMIT))
        turns = (np.arange(count) - (count - 1) / 2) * (2 * extent.yaw / count)
        near = replace(extent, yaw=extent.yaw / count)
        best: Match | None = None
        first: Refusal | None = None
        for turn in turns:
            try:
                start = prior.pose.corrected(np.array([0, 0, 0, 0, 0, turn]))
                match = self._at_heading(frame, start, prior, level, near, clock)
            except Refusal as refusal:
                first = first or refusal
                continue
            if best is None or self._evidence(match) > self._evidence(best):
                best = match
        if best is None:
            assert first is not None
            raise first
        return best

    def _at_heading(self, frame: Frame, start: Pose, prior: Prior, level: ReferenceMap, extent: Extent,
                    clock: Stopwatch) -> Match:
        with clock("orthorectify"):
            grid = self._patch_grid(frame, start, level)

        def seen() -> Patch:
            with clock("orthorectify"):
                patch = orthorectify(frame.image, frame.camera, start, self.terrain, grid)
                check_patch(patch, self.options)
                return patch

        def known() -> tuple[SearchWindow, Prompt]:
            with clock("map"):
                return self._window(grid, level, extent), self._prompt(grid, level)

        patch, (window, prompt) = together(seen, known)
        with clock("describe"):
            described = self.descriptor.describe(patch, prompt)
        with clock("search"):
            peaks = search(described, window, extent)
        matches = []
        for i, peak in enumerate(peaks[:REFINED_PEAKS]):
            with clock("solve"):
                blocks = tie_points(described, window.described, peak.similarity)
                if len(blocks) < LEAST_BLOCKS:
                    continue
                ties, solution = self._solved(blocks, frame, start, prior)
            with clock("verify"):
                moved = moved_ground(ties.seen, frame.camera, start, solution.pose)
                verification = verify(described, window.described, Similarity.between(ties.seen[:, :2], moved[:, :2]))
                # ties fix turn and scale best, the whole patch the last fraction of the shift
                solution = replace(solution, pose=solution.pose.corrected(np.array([*verification.shift, 0, 0, 0, 0])))
            matches.append(Match(start, patch, prompt, [peak, *peaks[:i], *peaks[i + 1:]], ties, solution, verification))
            if self._evidence(matches[-1]) >= SURE:
                break
        if not matches:
            raise Refusal(Reason.FEW_TIE_POINTS, "no place on the map has enough tie points for a solution")
        return max(matches, key=self._evidence)

    def _patch_grid(self, frame: Frame, start: Pose, level: ReferenceMap) -> Grid:
        """The patch around the boresight, on whole coarse cells of a level of the map."""
        finest, side = self.reference.grid, self.options.patch_px
        target = boresight_point(frame.camera, start, self.terrain)
        col, row = finest.to_pixel(target[0], target[1])
        if not (0 <= col < finest.width and 0 <= row < finest.height):
            raise Refusal(Reason.PRIOR_OUTSIDE_MAP, f"the prior looks at map pixel ({col:.0f}, {row:.0f}), "
                                                    f"outside the map of {finest.width}x{finest.height} px")
        col, row = level.grid.to_pixel(target[0], target[1])
        cell = self.descriptor.stride * COARSE_FACTOR
        return level.grid.cut(_snap(float(col) - side / 2, cell), _snap(float(row) - side / 2, cell), side, side)

    def _window(self, grid: Grid, level: ReferenceMap, extent: Extent) -> SearchWindow:
        """The map's descriptors under the patch and as far around it as the search may look."""
        cell = self.descriptor.stride * COARSE_FACTOR
        swing = (extent.yaw + extent.scale) * grid.width * grid.gsd / 2
        margin = _snap((extent.radius + swing) / grid.gsd + 6 * cell, cell)
        col, row = level.grid.to_pixel(grid.x, grid.y)
        place = (round(float(col)) - margin, round(float(row)) - margin, grid.width + 2 * margin, grid.height + 2 * margin)
        last = self._last_window
        # headings, a hover, a frame matched again: where they look into the same window, it is read and transformed once
        if last and last[0] == (level.level, *place):
            return last[1]
        window = level.descriptors(*place)
        share = float(window.valid.mean())
        if share < self.options.least_map_valid:
            if level.damaged(*place):
                raise Refusal(Reason.MAP_DAMAGED, "the map is damaged under the search; 'promptmid map verify' names the files")
            raise Refusal(Reason.MAP_NODATA, f"the map has data on {share:.0%} of the search window, "
                                             f"less than {self.options.least_map_valid:.0%}")
        self._last_window = (level.level, *place), SearchWindow(window)
        return self._last_window[1]

    def _prompt(self, grid: Grid, level: ReferenceMap) -> Prompt:
        """That of the land use under the patch."""
        col, row = level.grid.to_pixel(grid.x, grid.y)
        return level.prompt(round(float(col)), round(float(row)), grid.width, grid.height)

    def _solved(self, blocks: BlockMatches, frame: Frame, start: Pose, prior: Prior) -> tuple[TiePoints, Solution]:
        ties = ties_on_ground(blocks, self.terrain.height(*blocks.seen.T), self.terrain.height(*blocks.found.T))
        solution = self._solve(ties, frame, start, prior)
        return replace(ties, weight=solution.weight), solution

    def _solve(self, ties: TiePoints, frame: Frame, start: Pose, prior: Prior) -> Solution:
        floor = max(self.options.registration_sigma_px * self.reference.gsd, self.reference.registration_sigma_m)
        return solve(ties, frame.camera, start, prior, correlation=self.options.correlation, floor=floor)

    def _judge(self, match: Match, frame: Frame, prior: Prior, extent: Extent) -> None:
        options, gsd = self.options, match.gsd
        check_place(match.peaks[0], match.verification, options)
        check_ties(match.ties, self._agree(match), options.patch_px * gsd, options)
        height = float(prior.pose.position[2] - match.ties.found[:, 2].mean())
        check_plausible(match.solution, prior, extent, height)
        # alternate blocks of a row, so that both halves see the whole patch
        first, second = (self._solve(_pick(match.ties, slice(i, None, 2)), frame, match.start, prior).pose for i in (0, 1))
        apart = boresight_point(frame.camera, first, self.terrain) - boresight_point(frame.camera, second, self.terrain)
        check_halves(float(np.linalg.norm(apart[:2])) / gsd, options)
        check_prior_agrees(match.solution, prior, options)

    def _scores(self, match: Match, extent: Extent) -> dict[str, float]:
        agree, verification = self._agree(match), match.verification
        return {
            "peak": match.peaks[0].score, "score": verification.score, "margin": verification.margin,
            "similarity": verification.similarity, "ties": float(len(agree)), "agreeing": float(agree.sum()),
            "residual_px": match.solution.sigma / self.reference.gsd, "valid": float(match.patch.valid.mean()),
            "search_px": extent.radius / self.reference.gsd, "evidence": self._evidence(match),
        }

    def _candidate(self, frame: Frame, prior: Prior, match: Match | None, refusal: Refusal | None, scores: dict[str, float],
                   stage_ms: dict[str, float]) -> Candidate:
        reason, sentence = (refusal.reason, str(refusal)) if refusal else (Reason.FIX, "")
        if match is None:
            return Candidate(frame.stamp_ns, prior, reason, sentence, scores=scores, stage_ms=stage_ms)
        solution = match.solution
        at_prior, at_fix = (boresight_point(frame.camera, pose, self.terrain) for pose in (prior.pose, solution.pose))
        return Candidate(
            frame.stamp_ns, prior, reason, sentence, solution.pose, solution.covariance, OBSERVED,
            GroundShift((at_fix - at_prior)[:2], solution.ground_covariance), match.ties, match.patch, match.prompt, scores,
            stage_ms)

    def _agree(self, match: Match) -> Mask:
        """Which tie points (N,) agree with the solution."""
        return np.asarray(match.solution.residual <= self.options.agreement_px * match.gsd)

    def _evidence(self, match: Match) -> float:
        return evidence(match.verification, self._agree(match), self.descriptor.evidence)


class Stopwatch:
    """Milliseconds per stage, summed over repeats."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.ms[stage] = self.ms.get(stage, 0.0) + (time.perf_counter() - start) * 1e3


def _snap(value: float, cell: int) -> int:
    return round(value / cell) * cell


def _pick(ties: TiePoints, which: slice) -> TiePoints:
    return TiePoints(ties.seen[which], ties.found[which], ties.covariance[which], ties.weight[which])
