"""Solution separation: where parts of a frame by themselves put the ground."""

from dataclasses import replace

import numpy as np
import pytest
from judged import parts_of
from overflight import Overflight, overflight  # noqa: F401

from promptmid_core.arrays import Mask
from promptmid_core.descriptors.tail import Tail
from promptmid_core.geometry import boresight_point
from promptmid_core.localization.fix import TiePoints
from promptmid_core.localization.protection import FAULTY, SHARE, OtherPlaces, protected
from promptmid_core.localization.separation import Separation, alternate, sides
from promptmid_core.localization.solve import Left, solve
from promptmid_core.localization.solver import Match
from promptmid_core.matching.blocks import BlockSurfaces

NOWHERE = OtherPlaces(np.zeros(0), np.zeros(0), 0.0)
TAIL = Tail(tuple(sorted(np.sqrt(-2 * np.log(np.random.default_rng(1).uniform(size=5000))).tolist())))


class Seen:
    """A frame, its prior, and the hypothesis that fits it."""

    def __init__(self, over: Overflight) -> None:
        truth = over.truth(-800.0, 300.0)
        self.over, self.frame, self.prior = over, over.frame(truth), over.prior(truth=truth)
        self.best = over.hypothesis(self.prior, self.frame)
        assert self.best.match is not None
        self.match = self.best.match

    def separation(self, match: Match) -> tuple[Separation, ...]:
        return self.over.matcher().solver.separation(match, self.best.start, self.frame, self.prior)


@pytest.fixture(scope="module")
def seen(overflight: Overflight) -> Seen:  # noqa: F811
    return Seen(overflight)


def some(ties: TiePoints, which: Mask) -> TiePoints:
    return TiePoints(ties.seen[which], ties.found[which], ties.covariance[which], ties.weight[which])


def test_one_step_finds_what_a_whole_solution_by_a_part_does(seen: Seen) -> None:
    ties, solution = seen.match.ties, seen.match.solution
    budget = seen.over.matcher().solver._budget(seen.frame, ties.found[:, :2])
    here = boresight_point(seen.frame.camera, solution.pose, seen.over.view.terrain)
    for mask in (*sides(ties.seen[:, :2]), *alternate(len(ties.seen))):
        whole = solve(some(ties, mask), seen.frame.camera, seen.best.start, seen.prior, budget)
        there = boresight_point(seen.frame.camera, whole.pose, seen.over.view.terrain)
        left = Left.of(ties, seen.frame.camera, seen.best.start, solution, seen.prior, budget)
        part = left.parted(mask, budget)
        assert part.move == pytest.approx((there - here)[:2], abs=0.25 * seen.best.gsd)
        # no surer than that one, which is refined by the whole patch and has the smaller residuals
        own, refined = (float(np.trace(each)) for each in (part.covariance, whole.ground.matching + whole.ground.ground))
        assert refined < own < 4 * refined


def test_a_side_that_lies_elsewhere_is_told_by_the_others(seen: Seen) -> None:
    """Of a patch whose east the map has 4 px further north; the fix lies between the two."""
    ties, gsd = seen.match.ties, seen.best.gsd
    west, east, south, north = sides(ties.seen[:, :2])
    found = ties.found + np.outer(east, [0.0, 4 * gsd, 0.0])
    before, after = (seen.separation(replace(seen.match, ties=replace(ties, found=each))) for each in (ties.found, found))
    moved = [(new.move - old.move)[1] / gsd for old, new in zip(before[:4], after[:4], strict=True)]
    assert moved[0] == pytest.approx(0.0, abs=0.1) and moved[1] == pytest.approx(4.0, abs=0.5)
    assert np.array_equal(west, ~east) and np.array_equal(south, ~north)
    assert max(part.length for part in after) > max(part.length for part in before) + 2 * gsd


def test_a_group_of_channels_has_a_part_of_its_own(seen: Seen) -> None:
    blocks = seen.match.blocks
    assert not blocks.groups and len(seen.separation(seen.match)) == 4, "structural compares one group by correlation"
    # one that says the same, and one that says it a cell further east
    beside = np.roll(blocks.scores, 1, axis=2)
    two = replace(seen.match, blocks=BlockSurfaces(blocks.seen, blocks.scores, blocks.start, blocks.cell,
                                                   by_group=(blocks.scores, beside)))
    same, other = seen.separation(two)[4:]
    assert (other.move - same.move) / blocks.cell == pytest.approx([1.0, 0.0], abs=0.15)


def test_too_few_tie_points_tell_nothing(seen: Seen) -> None:
    few = replace(seen.match, ties=some(seen.match.ties, np.arange(len(seen.match.ties.seen)) < 8))
    assert seen.separation(few) == ()


def test_the_protection_level_reaches_as_far_as_the_sound_part_may_have_it() -> None:
    near, far = Separation(np.array([1.0, 0.0]), 4.0 * np.eye(2)), Separation(np.array([0.0, 30.0]), 4.0 * np.eye(2))
    alone = protected(parts_of(3.0), parts_of(3.0), TAIL, 1e-3, NOWHERE)
    assert protected(parts_of(3.0), parts_of(3.0), TAIL, 1e-3, NOWHERE, [near]) == alone
    with_both = protected(parts_of(3.0), parts_of(3.0), TAIL, 1e-3, NOWHERE, [near, far])
    assert with_both.ground == pytest.approx(30.0 + 2.0 * TAIL.level(SHARE * 1e-3 / (2 * FAULTY)))


def test_a_fix_has_it(seen: Seen) -> None:
    candidate = seen.over.localizer().match(seen.frame, seen.prior)
    assert candidate.ground is not None and len(candidate.ground.separation) == 4
    assert max(part.length for part in candidate.ground.separation) < 2 * seen.best.gsd
