"""All blocks of a patch together, where few of them say on their own where they lie."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from overflight import STAMP, Overflight, overflight  # noqa: F401

from promptmid_core.localization import solver
from promptmid_core.localization.expectation import Expectation
from promptmid_core.matching.blocks import RADIUS, BlockSurfaces
from promptmid_core.matching.joint import jointly
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.ties import BlockMatches, tie_points
from promptmid_core.reasons import Reason

CELL = 20.0
START = Similarity((500.0, 300.0), 40.0, -60.0, 0.02, 1.01)
KNOWN = (0.02, 0.02)


def blocks(shift: tuple[float, float] = (0.0, 0.0), turn: float = 0.0, scale: float = 0.0, height: float = 0.3,
           noise: float = 0.1, side: int = 6, seed: int = 0) -> BlockSurfaces:
    """Blocks of 16 cells, each with a peak where a shift in cells (east, south), a turn and a scale put it, in noise."""
    at = (np.arange(side) - (side - 1) / 2) * 16
    across, down = (each.ravel() for each in np.meshgrid(at, at))
    col, row = shift[0] + turn * down + scale * across, shift[1] + scale * down - turn * across
    rows, cols = np.mgrid[-RADIUS:RADIUS + 1, -RADIUS:RADIUS + 1]
    peaks = height * np.exp(-((cols - col[:, None, None]) ** 2 + (rows - row[:, None, None]) ** 2) / 2)
    noisy = peaks + np.random.default_rng(seed).normal(0, noise, peaks.shape)
    seen = np.column_stack([500.0 + across * CELL, 300.0 - down * CELL])
    return BlockSurfaces(seen, noisy, START, CELL, 1.0)


@pytest.mark.parametrize(("shift", "turn", "scale"), [((0.0, 0.0), 0.0, 0.0), ((1.3, -0.7), 0.0, 0.0), ((0.4, 0.9), 0.012, -0.01),
                                                      ((-1.1, 0.2), -0.015, 0.015)])
def test_the_place_turn_and_scale_are_found(shift: tuple[float, float], turn: float, scale: float) -> None:
    found = jointly(blocks(shift, turn, scale), *KNOWN)
    assert found is not None
    across, south = ((found.seen - found.middle) * (1, -1)).T
    expected = found.seen + np.column_stack([shift[0] * CELL + turn * south + scale * across,
                                             -(shift[1] * CELL + scale * south - turn * across)])
    assert np.abs(found.found - START.apply(expected)).max() < 0.4 * CELL


def test_it_is_as_exact_as_it_says() -> None:
    """The errors of many draws of noise in which hardly a block has a peak of its own."""
    errors, sigmas = [], []
    for seed in range(60):
        found = jointly(blocks((0.6, -0.4), noise=0.25, seed=seed), *KNOWN)
        assert found is not None
        middle = (START.undone(found.found) - found.seen).mean(axis=0) / CELL - (0.6, 0.4)
        errors.append(middle)
        sigmas.append(np.sqrt(np.diag(found.covariance)[:2]) / CELL)
    spread, said = np.sqrt((np.array(errors) ** 2).mean(axis=0)), np.mean(sigmas, axis=0)
    assert (spread < 0.3).all()
    assert (spread / said > 0.5).all() and (spread / said < 2).all()


def test_what_is_known_of_turn_and_scale_counts() -> None:
    surfaces = blocks(side=2, noise=0.02)
    loose, tight = jointly(surfaces, 0.05, 0.05), jointly(surfaces, 0.002, 0.002)
    assert loose is not None and tight is not None
    assert np.sqrt(tight.covariance[2, 2]) < 0.4 * np.sqrt(loose.covariance[2, 2])
    assert np.sqrt(tight.covariance[3, 3]) < 0.4 * np.sqrt(loose.covariance[3, 3])


def test_noise_alone_two_blocks_and_a_place_too_far_are_none() -> None:
    assert jointly(BlockSurfaces(np.zeros((2, 2)), np.ones((2, 9, 9)), START, CELL), *KNOWN) is None
    assert jointly(BlockSurfaces(np.zeros((9, 2)), np.ones((9, 9, 9)), START, CELL), *KNOWN) is None
    beyond = jointly(blocks((3.5, 0.0), noise=0.001), *KNOWN)
    assert beyond is None


@pytest.mark.parametrize("lacking", [{"least_ties": 1000}, {"least_spread": 1.0}], ids=str)
def test_a_frame_is_placed_without_a_heading_where_tie_points_do_not_hold_it(
        overflight: Overflight, lacking: dict[str, Any]) -> None:  # noqa: F811
    by_ties, placed = overflight.match(), overflight.match(**lacking)
    assert by_ties.observed == ("x", "y", "yaw") and placed.observed == ("x", "y")
    assert placed.reason is Reason.FIX and placed.covariance is not None and by_ties.covariance is not None
    assert overflight.ground_error_px(placed, overflight.truth()) < 0.7
    assert placed.covariance[5, 5] == 1e6 and not placed.covariance[5, :5].any()
    assert (np.sqrt(np.diag(placed.covariance)[:2]) < 0.75 * overflight.reference.gsd).all()


def test_a_track_keeps_the_heading_that_it_knew(overflight: Overflight) -> None:  # noqa: F811
    """A fix without one neither turns dead reckoning nor forgets how well the heading is known."""
    at = overflight.localizer(least_ties=1000)
    prior, frame = overflight.prior(20.0, 0.0), overflight.frame()
    before = at.expect(frame, prior)
    assert at.track(at.match(frame, prior, at.expect)).observed == ("x", "y")
    later = STAMP + 1_000_000_000
    after = at.expect(overflight.frame(stamp_ns=later), overflight.prior(20.0, 0.0, stamp_ns=later))
    assert isinstance(before, Expectation) and isinstance(after, Expectation)
    assert after.pose.yaw == pytest.approx(before.pose.yaw, abs=1e-6)
    assert after.yaw == pytest.approx(before.prior.covariance[5, 5] ** 0.5 * 3, rel=0.2)


def test_a_frame_without_a_tie_point_of_its_own_is_placed_all_the_same(
        overflight: Overflight, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def none(blocks: BlockSurfaces) -> BlockMatches:
        return tie_points(replace(blocks, seen=blocks.seen[:0], scores=blocks.scores[:0]))

    monkeypatch.setattr(solver, "tie_points", none)
    placed = overflight.match()
    assert placed.reason is Reason.FIX and placed.observed == ("x", "y") and placed.scores["ties"] == 0
    assert overflight.ground_error_px(placed, overflight.truth()) < 0.7
