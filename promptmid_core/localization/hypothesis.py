"""A frame tried at a heading: orthorectified, described, found on the map, and solved."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import Refusal
from promptmid_core.geometry import DescriptorMap, Grid, Patch, Pose, boresight_point, orthorectify
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.apart import Apart, apart
from promptmid_core.localization.belief import Agreement, Surface
from promptmid_core.localization.clouds import cleared
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.integrity import check_described, check_patch, evidence, surplus
from promptmid_core.localization.options import Options
from promptmid_core.localization.reach import Scope, margin_px, patch_grid
from promptmid_core.localization.solve import moved_ground
from promptmid_core.localization.solver import Match, Solver
from promptmid_core.localization.stopwatch import Stopwatch
from promptmid_core.localization.windows import Windows
from promptmid_core.matching.blocks import block_surfaces
from promptmid_core.matching.parallel import together
from promptmid_core.matching.search import Extent, Peak, search
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.sought import COARSE_FACTOR, SoughtPatch
from promptmid_core.matching.verification import Verification, verify
from promptmid_core.matching.window import SearchWindow
from promptmid_core.prompts.prompt import Prompt
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap

WARP_LIMIT = np.deg2rad(6.0)  # oriented channels survive a turn of this size; beyond it the patch is described again
REFINED_PEAKS = 2
SURE = 4.0  # log-odds from which on no other peak is looked at
MOST_TRIED = 36  # headings and heights of one frame, so many as a heading that nobody knows needs
WORTH = 0.5  # share of a patch aside of the middle that has to be seen
HEIGHT_LIMIT = 0.10  # share of the height by which it may be wrong before the frame is laid on the ground anew


@dataclass(frozen=True)
class Compared:
    """The descriptors of a patch and of the map around it, and where the patch was `found` there."""

    patch: DescriptorMap
    window: DescriptorMap
    found: Similarity


@dataclass(frozen=True)
class Hypothesis:
    """What one heading and height of one frame came to, on the level of the map that the patch's grid has.

    `start`: the expected pose at that heading and height; `peak`: the place that was looked at; `surface`: what the frame says
    of every place around; `match`, or the `refusal` that says why there is none; `evidence`: natural log-odds that it is true;
    `apart`: that parts of the frame lie at two places; looked for in what was `compared` of the best hypothesis alone.
    """

    start: Pose
    patch: Patch
    prompt: Prompt
    peak: Peak
    surface: Surface
    verification: Verification
    refusal: Refusal | None = None
    match: Match | None = None
    evidence: float = -np.inf
    compared: Compared | None = None
    apart: Apart | None = None

    @property
    def gsd(self) -> float:
        return self.patch.grid.gsd

    def parts(self) -> Apart | None:
        """Return whether, and where, parts of the frame lie at two places."""
        own = self.compared
        return None if own is None else apart(own.patch, own.window, own.found, self.verification)


@dataclass(frozen=True)
class FrameMatcher:
    """Tries frames at headings: with the map and its ground, the descriptor of both sides, the options."""

    reference: ReferenceMap
    terrain: Terrain
    descriptor: Descriptor
    options: Options
    windows: Windows

    @cached_property
    def solver(self) -> Solver:
        """What makes poses of what was found."""
        return Solver(self.reference, self.terrain, self.descriptor, self.options)

    def best(self, frame: Frame, expected: Expectation, scope: Scope, clock: Stopwatch) -> Hypothesis:
        """Return the heading and height whose match is likeliest; one alone where both are known well enough.

        Raises the Refusal of the first where none can be matched.
        """
        extent = scope.extent
        turns, yaw = _parts(extent.yaw, WARP_LIMIT)
        # heights after headings: a filter knows its height better, and each is a whole search
        most = max(MOST_TRIED // len(turns), 1) * HEIGHT_LIMIT
        shares, scale = _parts(min(extent.scale, most), HEIGHT_LIMIT)
        near = replace(scope, extent=replace(extent, yaw=yaw, scale=scale))
        found: list[Hypothesis] = []
        first: Refusal | None = None
        for turn, share in product(turns, shares):
            start = expected.pose.corrected(np.array([0, 0, share * scope.height, 0, 0, turn]))
            try:
                found.append(self.at(frame, start, expected, near, clock))
            except Refusal as refusal:
                first = first or refusal.anew()
        if not found:
            assert first is not None
            raise first.anew()
        best = max(found, key=lambda hypothesis: hypothesis.evidence)
        return replace(best, surface=replace(best.surface, among=len(found)), compared=None, apart=best.parts())

    def aside(self, frame: Frame, best: Hypothesis, expected: Expectation, scope: Scope, clock: Stopwatch) -> list[Hypothesis]:
        """Return what the rest of a frame whose footprint is larger than the patch comes to, patch by patch, at the heading and
        height of its `best` hypothesis."""
        limit = scope.extent
        near = replace(scope, extent=replace(limit, yaw=min(limit.yaw, WARP_LIMIT), scale=min(limit.scale, HEIGHT_LIMIT)))
        half = self.options.search.patch_px * best.gsd / 2
        turn = rotation_rpy(0.0, 0.0, best.start.yaw)[:2, :2]
        found: list[Hypothesis] = []
        for corner in product((half, -half), repeat=2):
            with suppress(Refusal):  # the rim of the footprint, or of the map
                found.append(self.at(frame, best.start, expected, near, clock, turn @ np.array(corner)))
        return found

    def at(self, frame: Frame, start: Pose, expected: Expectation, scope: Scope, clock: Stopwatch,
           aside: Float64 | None = None) -> Hypothesis:
        """Return what a frame laid on the ground from `start` comes to; of its ground the patch in the middle, or the one that
        lies `aside` (2,) of that, in metres. Raises Refusal where it cannot be matched."""
        level, extent = scope.level, scope.extent
        with clock("orthorectify"):
            target = boresight_point(frame.camera, start, self.terrain)
            if aside is not None:
                target = target + np.array([*aside, 0.0])
            grid = patch_grid(target, level, self.reference.grid, self.descriptor.stride, self.options.search.patch_px)

        def seen() -> Patch:
            with clock("orthorectify"):
                patch = cleared(orthorectify(frame.image, frame.camera, start, self.terrain, grid),
                                self.options.gates.least_valid)
                check_patch(patch, self.options)
                if aside is not None and patch.valid.mean() < WORTH:
                    raise Refusal(Reason.FOOTPRINT_SMALL, "the frame shows too little of the ground aside")
                return patch

        def known() -> tuple[SearchWindow, Prompt]:
            with clock("map"):
                return self._window(grid, level, extent), _prompt(grid, level)

        patch, (window, prompt) = together(seen, known)
        with clock("describe"):
            described = self.descriptor.describe(patch, prompt)
            check_described(described, self.descriptor.name)
            # a footprint smaller than the patch is matched as what it is
            described = SoughtPatch.of(described.trimmed(COARSE_FACTOR))
            window = window.around(described.grid)
        with clock("search"):
            peaks = search(described, window, extent)
        if not peaks:
            raise Refusal(Reason.FEW_TIE_POINTS, "too little of the frame and of the map can be compared")
        slope = self.descriptor.likelihood.slope
        order = sorted(peaks, key=lambda peak: -slope * peak.score - expected.log_weight(self._lever(peak.similarity, start)(
            np.array([peak.similarity.east, peak.similarity.north]))))
        tried: list[Hypothesis] = []
        for peak in order[:REFINED_PEAKS]:
            refusal, similarity = None, peak.similarity
            with clock("solve"):
                blocks = block_surfaces(described, window.described, similarity)
                side = min(described.grid.shape) * described.grid.gsd
                try:
                    ties, solution = self.solver.solved(blocks, side, frame, start, expected)
                    seen_at = ties.seen if solution.holds_heading else self._on_ground(blocks.seen)
                    moved = moved_ground(seen_at, frame.camera, start, solution.pose)
                    similarity = Similarity.between(seen_at[:, :2], self.reference.on_map(moved[:, :2]))
                except Refusal as refused:
                    refusal = refused.anew()
            with clock("verify"):
                verification = verify(described, window.described, similarity)
            moves = self._lever(similarity, start)(verification.moves)
            base = Hypothesis(start, patch, prompt, peak, Surface(verification.scores, *moves.T), verification, refusal,
                              compared=Compared(described, window.described, similarity))
            if refusal is None:
                # ties fix turn and scale best, the whole patch the last fraction of the shift; it errs by the map's own offset,
                # which has been taken off the ties as far as it is known
                shift = self.reference.unknown(moved[:, :2]) ** 2 * np.array(verification.shift)
                solution = replace(solution, pose=solution.pose.corrected(np.array([*shift, 0, 0, 0, 0])))
                agree = self.solver.agree(solution, patch.grid.gsd)
                move = solution.pose.position[:2] - start.position[:2]
                agreement = Agreement(float(move[0]), float(move[1]), surplus(agree))
                likely = expected.log_weight(move)
                base = replace(base, match=Match(ties, solution, agree, side, blocks),
                               surface=replace(base.surface, agreement=agreement),
                               evidence=evidence(verification, agree, self.descriptor.evidence) + likely)
            tried.append(base)
            if base.evidence >= SURE:
                break
        return max(tried, key=lambda hypothesis: hypothesis.evidence)

    def _window(self, grid: Grid, level: ReferenceMap, extent: Extent) -> SearchWindow:
        return self.windows.around(grid, level, margin_px(grid, extent, self.descriptor.stride))

    def _on_ground(self, points: Float64) -> Float64:
        return np.column_stack([points, self.terrain.height(*points.T)])

    def _lever(self, found: Similarity, start: Pose) -> Callable[[Float64], Float64]:
        """As `lever`, of moves by where the ground truly lies that is `found` on the map."""
        there = np.array([found.centre]) + np.array([found.east, found.north])
        beside = (there - self.reference.on_ground(there)[0])[0]
        move_of = lever(found, start)
        return lambda move: move_of(move) - beside

def _prompt(grid: Grid, level: ReferenceMap) -> Prompt:
    """The prompt of the land use under the patch."""
    col, row = level.grid.to_pixel(grid.x, grid.y)
    return level.prompt(round(float(col)), round(float(row)), grid.width, grid.height)


def lever(found: Similarity, start: Pose) -> Callable[[Float64], Float64]:
    """Return what takes a move (..., 2) of the similarity's centre on the map to the move of the position that makes it, once the
    turn and the scale have done their part."""
    c, s = found.scale * np.cos(found.yaw), found.scale * np.sin(found.yaw)
    ahead = np.array(found.centre) - start.position[:2]
    turned = np.array([[c, -s], [s, c]]) @ ahead - ahead
    return lambda move: move - turned


def _parts(limit: float, most: float) -> tuple[Float64, float]:
    """The middles of the fewest equal parts of -limit to limit that reach at most `most` to both sides, and that reach."""
    count = max(int(np.ceil(limit / most)), 1)
    middles = (np.arange(count) - (count - 1) / 2) * (2 * limit / count)
    return np.asarray(middles, np.float64), float(limit) / count
