"""From what blocks of a frame found on the map to its pose, and to where parts of the frame have the ground."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float64, Mask
from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Frame, TiePoints
from promptmid_core.localization.integrity import check_ties
from promptmid_core.localization.options import Options
from promptmid_core.localization.parts import ErrorBudget
from promptmid_core.localization.separation import Separation, alternate, sides
from promptmid_core.localization.solve import Left, Solution, solve, solve_jointly, ties_on_ground
from promptmid_core.matching.blocks import BlockSurfaces
from promptmid_core.matching.joint import jointly
from promptmid_core.matching.ties import BlockMatches, tie_points
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.age import changed_px

LEAST_BLOCKS = 6


@dataclass(frozen=True)
class Match:
    """Tie points of blocks, and the pose that they give. `agree` (N,): which of them agree with it; `side`: metres of the matched
    ground."""

    ties: TiePoints
    solution: Solution
    agree: Mask
    side: float
    blocks: BlockSurfaces


@dataclass(frozen=True)
class Solver:
    """Makes poses of what was found: with the map and its ground, the descriptor of both sides, the options."""

    reference: ReferenceMap
    terrain: Terrain
    descriptor: Descriptor
    options: Options

    def solved(self, blocks: BlockSurfaces, side: float, frame: Frame, start: Pose,
               expected: Expectation) -> tuple[TiePoints, Solution]:
        """Return tie points, and the pose by them, or by all blocks together where the tie points do not hold it.

        Raises the Refusal of the tie points where neither does.
        """
        matches, gsd = tie_points(blocks), blocks.cell / self.descriptor.stride
        budget = self._budget(frame, matches.found)
        ties = self._lifted(matches)
        try:
            if len(matches) < LEAST_BLOCKS:
                raise Refusal(Reason.FEW_TIE_POINTS, "no place on the map has enough tie points for a solution")
            solution = solve(ties, frame.camera, start, expected.prior, budget)
            check_ties(ties, self.agree(solution, gsd), side, self.options)
        except Refusal:
            joint = jointly(blocks, *self._known(expected))
            if joint is None:
                raise
            budget = self._budget(frame, joint.found)
            joint = replace(joint, found=self.reference.on_ground(joint.found)[0])
            solution = solve_jointly(joint, ties, frame.camera, start, expected.prior, terrain=self.terrain, budget=budget)
            worst = float(np.sqrt(np.linalg.eigvalsh(solution.covariance[:2, :2])[-1]))
            if worst > self.options.gates.agreement_px * gsd:
                raise
        return replace(ties, weight=solution.weight), solution

    def agree(self, solution: Solution, gsd: float) -> Mask:
        """Return which tie points agree with a solution, on a map of that gsd."""
        return np.asarray(solution.residual <= self.options.gates.agreement_px * gsd)

    def halves(self, match: Match, start: Pose, frame: Frame, prior: Prior) -> float:
        """Return how far apart, in metres on the ground, two halves of the tie points put the boresight."""
        part = self._parts_of(match.ties, match, start, frame, prior)
        first, second = (part(half) for half in alternate(len(match.ties.seen)))
        return float(np.linalg.norm(first.move - second.move))

    def separation(self, match: Match, start: Pose, frame: Frame, prior: Prior) -> tuple[Separation, ...]:
        """Return where sides of the patch, and groups of channels, by themselves put the ground that the boresight meets; a part
        that holds no place by itself is left out."""
        own = self._parts_of(match.ties, match, start, frame, prior)
        parts = [(own, side) for side in sides(match.ties.seen[:, :2])]
        for group in match.blocks.groups:
            ties = self._lifted(tie_points(group))
            parts.append((self._parts_of(ties, match, start, frame, prior), np.ones(len(ties.seen), bool)))
        found = []
        for part, some in parts:
            with suppress(Refusal):
                if some.sum() >= LEAST_BLOCKS:
                    found.append(part(some))
        return tuple(found)

    def _parts_of(self, ties: TiePoints, match: Match, start: Pose, frame: Frame, prior: Prior) -> Callable[[Mask], Separation]:
        """What tells where some of the tie points by themselves put the ground."""
        left = Left.of(ties, frame.camera, start, match.solution, prior, self._budget(frame, ties.found[:, :2]))
        return lambda some: left.parted(some, self._budget(frame, ties.found[some, :2]))

    def _lifted(self, matches: BlockMatches) -> TiePoints:
        """Tie points on the terrain, where the map lies truly."""
        matches = replace(matches, found=self.reference.on_ground(matches.found)[0])
        return ties_on_ground(matches, self.terrain.height(*matches.seen.T), self.terrain.height(*matches.found.T))

    def _known(self, expected: Expectation) -> tuple[float, float]:
        """Standard deviations of heading and scale before a frame is looked at."""
        sigmas = self.options.search.sigmas
        height = max(float(expected.pose.position[2] - self.terrain.height(*expected.pose.position[:2])), 1.0)
        return expected.yaw / sigmas, expected.height / sigmas / height

    def _budget(self, frame: Frame, points: Float64) -> ErrorBudget:
        """What a solution may be wrong by that found the ground of a frame at points (N, 2) of the map."""
        own = max(self.options.errors.registration_sigma_px * self.reference.gsd, self.reference.registration_sigma_m)
        left = self.reference.on_ground(points)[1]
        floor = min(float(np.sqrt(np.mean(left ** 2))), own) if len(points) else own
        changed = changed_px(self.reference.header.acquired, frame.stamp_ns) * self.reference.gsd
        return self.options.errors.budget(self.descriptor.evidence.refined, float(np.hypot(floor, changed)), frame.camera)
