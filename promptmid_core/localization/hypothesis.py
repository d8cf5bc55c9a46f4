"""A frame tried at a heading: orthorectified, described, found on the map, and solved."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Mask
from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Grid, Patch, Pose, Prior, boresight_point, orthorectify
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.fix import Frame, TiePoints
from promptmid_core.localization.integrity import check_patch, evidence
from promptmid_core.localization.options import Options
from promptmid_core.localization.reach import Scope, margin_px, patch_grid
from promptmid_core.localization.solve import Solution, moved_ground, solve, ties_on_ground
from promptmid_core.localization.stopwatch import Stopwatch
from promptmid_core.matching.parallel import together
from promptmid_core.matching.search import Extent, Peak, search
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.ties import BlockMatches, tie_points
from promptmid_core.matching.verification import Verification, verify
from promptmid_core.matching.window import SearchWindow
from promptmid_core.prompts.prompt import Prompt
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap

WARP_LIMIT = np.deg2rad(6.0)  # oriented channels survive a turn of this size; beyond it the patch is described again
REFINED_PEAKS = 2
SURE = 4.0  # log-odds from which on no other peak is looked at
LEAST_BLOCKS = 6


@dataclass(frozen=True)
class Hypothesis:
    """What one heading of one frame came to, on the level of the map that the patch's grid has.

    `start`: the prior's pose turned to the heading; `peaks`: places, the one that was solved first; `agree` (N,): which tie
    points agree with the solution; `evidence`: natural log-odds that the match is true.
    """

    start: Pose
    patch: Patch
    prompt: Prompt
    peaks: list[Peak]
    ties: TiePoints
    solution: Solution
    verification: Verification
    agree: Mask
    evidence: float

    @property
    def gsd(self) -> float:
        return self.patch.grid.gsd


class Windows:
    """The map's descriptors where frames look for themselves.

    Headings, a hover, a frame matched again: where they look into the same window, it is read and transformed once.
    """

    def __init__(self, least_valid: float) -> None:
        self._least_valid = least_valid
        self._last: tuple[tuple[int, ...], SearchWindow] | None = None

    def around(self, grid: Grid, level: ReferenceMap, margin: int) -> SearchWindow:
        """Return what the map has under a patch and `margin` pixels around it.

        Raises Refusal MAP_NODATA or MAP_DAMAGED where that is too little.
        """
        col, row = level.grid.to_pixel(grid.x, grid.y)
        place = (round(float(col)) - margin, round(float(row)) - margin, grid.width + 2 * margin, grid.height + 2 * margin)
        last = self._last
        if last and last[0] == (level.level, *place):
            return last[1]
        window = level.descriptors(*place)
        share = float(window.valid.mean())
        if share < self._least_valid:
            if level.lost(*place):
                raise Refusal(Reason.MAP_DAMAGED, "the map is damaged under the search; 'promptmid map verify' names the files")
            raise Refusal(Reason.MAP_NODATA, f"the map has data on {share:.0%} of the search window, "
                                             f"less than {self._least_valid:.0%}")
        self._last = (level.level, *place), SearchWindow(window)
        return self._last[1]


@dataclass(frozen=True)
class FrameMatcher:
    """Tries frames at headings: with the map and its ground, the descriptor of both sides, the options."""

    reference: ReferenceMap
    terrain: Terrain
    descriptor: Descriptor
    options: Options
    windows: Windows

    def best_heading(self, frame: Frame, prior: Prior, scope: Scope, clock: Stopwatch) -> Hypothesis:
        """Return the heading whose match is likeliest; one heading alone where the prior knows it within WARP_LIMIT.

        Raises the Refusal of the first heading where none gives a solution.
        """
        extent = scope.extent
        count = int(np.ceil(extent.yaw / WARP_LIMIT))
        turns = (np.arange(count) - (count - 1) / 2) * (2 * extent.yaw / count)
        near = replace(extent, yaw=extent.yaw / count)
        best: Hypothesis | None = None
        first: Refusal | None = None
        for turn in turns:
            try:
                start = prior.pose.corrected(np.array([0, 0, 0, 0, 0, turn]))
                hypothesis = self.at_heading(frame, start, prior, Scope(scope.level, near), clock)
            except Refusal as refusal:
                first = first or refusal
                continue
            if best is None or hypothesis.evidence > best.evidence:
                best = hypothesis
        if best is None:
            assert first is not None
            raise first
        return best

    def at_heading(self, frame: Frame, start: Pose, prior: Prior, scope: Scope, clock: Stopwatch) -> Hypothesis:
        """Return what a frame laid on the ground from `start` comes to. Raises Refusal where that is nothing."""
        level, extent = scope.level, scope.extent
        with clock("orthorectify"):
            target = boresight_point(frame.camera, start, self.terrain)
            grid = patch_grid(target, level, self.reference.grid, self.descriptor.stride, self.options.search.patch_px)

        def seen() -> Patch:
            with clock("orthorectify"):
                patch = orthorectify(frame.image, frame.camera, start, self.terrain, grid)
                check_patch(patch, self.options)
                return patch

        def known() -> tuple[SearchWindow, Prompt]:
            with clock("map"):
                return self._window(grid, level, extent), _prompt(grid, level)

        patch, (window, prompt) = together(seen, known)
        with clock("describe"):
            described = self.descriptor.describe(patch, prompt)
        with clock("search"):
            peaks = search(described, window, extent)
        tried: list[Hypothesis] = []
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
            agree = np.asarray(solution.residual <= self.options.gates.agreement_px * grid.gsd)
            tried.append(Hypothesis(start, patch, prompt, [peak, *peaks[:i], *peaks[i + 1:]], ties, solution, verification, agree,
                                    evidence(verification, agree, self.descriptor.evidence)))
            if tried[-1].evidence >= SURE:
                break
        if not tried:
            raise Refusal(Reason.FEW_TIE_POINTS, "no place on the map has enough tie points for a solution")
        return max(tried, key=lambda hypothesis: hypothesis.evidence)

    def halves(self, hypothesis: Hypothesis, frame: Frame, prior: Prior) -> float:
        """Return how far apart, in metres on the ground, two halves of the tie points put the boresight."""
        # alternate blocks of a row, so that both halves see the whole patch
        first, second = (self._solve(_pick(hypothesis.ties, slice(i, None, 2)), frame, hypothesis.start, prior).pose
                         for i in (0, 1))
        apart = boresight_point(frame.camera, first, self.terrain) - boresight_point(frame.camera, second, self.terrain)
        return float(np.linalg.norm(apart[:2]))

    def _window(self, grid: Grid, level: ReferenceMap, extent: Extent) -> SearchWindow:
        return self.windows.around(grid, level, margin_px(grid, extent, self.descriptor.stride))

    def _solved(self, blocks: BlockMatches, frame: Frame, start: Pose, prior: Prior) -> tuple[TiePoints, Solution]:
        ties = ties_on_ground(blocks, self.terrain.height(*blocks.seen.T), self.terrain.height(*blocks.found.T))
        solution = self._solve(ties, frame, start, prior)
        return replace(ties, weight=solution.weight), solution

    def _solve(self, ties: TiePoints, frame: Frame, start: Pose, prior: Prior) -> Solution:
        floor = max(self.options.errors.registration_sigma_px * self.reference.gsd, self.reference.registration_sigma_m)
        return solve(ties, frame.camera, start, prior, correlation=self.options.errors.correlation, floor=floor)


def _prompt(grid: Grid, level: ReferenceMap) -> Prompt:
    """The prompt of the land use under the patch."""
    col, row = level.grid.to_pixel(grid.x, grid.y)
    return level.prompt(round(float(col)), round(float(row)), grid.width, grid.height)


def _pick(ties: TiePoints, which: slice) -> TiePoints:
    return TiePoints(ties.seen[which], ties.found[which], ties.covariance[which], ties.weight[which])
