"""Localization with any prior that is let pass, and any tie points: finite, with a covariance that is one, or a reason."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from finite import ANGLES, METRES, covariances, examples, is_covariance, is_finite, no_warning, vectors
from hypothesis import example, given
from hypothesis import strategies as st
from places import Flown, flown_over

from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, Pose, Prior, Terrain
from promptmid_core.localization.anchor import Anchor, Drift
from promptmid_core.localization.fix import Candidate, Frame, GroundShift, TiePoints
from promptmid_core.localization.integrity import check_plausible, check_prior_agrees, check_ties, surplus
from promptmid_core.localization.odometer import Odometer
from promptmid_core.localization.options import Options
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.localization.reach import scope_of
from promptmid_core.localization.solve import Solution, moved_ground, solve, ties_on_ground
from promptmid_core.localization.tracker import Tracker
from promptmid_core.matching.search import Extent
from promptmid_core.matching.ties import BlockMatches
from promptmid_core.reasons import Reason
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world

pytestmark = [no_warning, pytest.mark.slow]

CAMERA = Camera(1280, 960, np.array([[1160.0, 0, 639.5], [0, 1160.0, 479.5], [0, 0, 1]]))
LEVEL = Pose.from_rpy(np.zeros(3), 0, 0, 0)
# what any filter may state that fills a covariance with ones: full correlation
ONES = np.ones((6, 6))
STAMPS = st.integers(-2**31 * 10**9, 2**32 * 10**9)


def said(refusal: Refusal | Candidate) -> str:
    """Its sentence, in which no number is none."""
    sentence = refusal.sentence if isinstance(refusal, Candidate) else str(refusal)
    assert not {"nan", "inf", "-inf"} & set(sentence.replace(",", " ").replace("%", " ").split())
    return sentence


def laid(shape: str, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = {"spread": rng.uniform(-900, 900, (count, 2)), "line": rng.uniform(-900, 900, (count, 1)) * [1.0, 0.5],
              "two": rng.integers(0, 2, (count, 1)) * [500.0, 300.0], "one": np.full((count, 2), 50.0)}
    return np.asarray(points[shape], float)


@examples(150)
@given(st.sampled_from(("spread", "line", "two", "one")), st.sampled_from(("same", "near", "one")), st.integers(1, 40),
       st.integers(0, 99), covariances(), st.sampled_from((-430.0, 0.0, 8000.0)), st.sampled_from((0.01, 1.0, 5000.0)),
       st.sampled_from((0.0, 1e-6, 1.0, 1e3)), st.floats(-0.4, 0.4))
@example("spread", "near", 12, 0, ONES, 0.0, 5000.0, 1.0, 0.0)
@example("spread", "near", 1, 0, np.eye(6), 0.0, 5000.0, 1.0, 0.0)
def test_any_tie_points_and_prior_are_solved_or_refused(shape: str, found: str, count: int, seed: int, prior: Any, ground: float,
                                                        height: float, noise: float, tilt: float) -> None:
    seen = laid(shape, count, seed) * min(height / 1000, 1.0)
    off = np.random.default_rng(seed).normal(size=seen.shape) * height / 1000
    place = {"same": seen, "near": seen + off, "one": 0 * seen}[found]
    level = np.full((count, 1), ground)
    ties = TiePoints(np.hstack([seen, level]), np.hstack([place, level]), np.tile(noise * np.eye(2), (count, 1, 1)),
                     np.zeros(count))
    pose = Pose.from_rpy(np.array([0.0, 0.0, ground + height]), 0.0, tilt, 1.0)
    believed = Prior(1, pose.corrected(np.array([1, 1, 1, 0, 0, 0.01])), prior)
    try:
        solution = solve(ties, CAMERA, pose, believed, correlation=4.0, floor=0.0)
    except Refusal as refusal:
        assert refusal.reason is Reason.TIE_POINTS_CLUSTERED and said(refusal)
        return
    assert is_finite(solution.pose.position, solution.pose.rotation, solution.ground_covariance, solution.weight,
                     solution.residual, solution.sigma, moved_ground(ties.seen, CAMERA, pose, solution.pose))
    assert is_covariance(solution.covariance)


@examples(100)
@given(st.integers(0, 12), st.integers(0, 99), st.floats(-12, 12))
def test_block_matches_of_any_sharpness_come_to_the_ground(count: int, seed: int, exponent: float) -> None:
    root = np.random.default_rng(seed).normal(size=(count, 2, 2)) * 10.0**exponent
    spread, flat = root @ root.transpose(0, 2, 1), np.zeros((count, 2))
    ties = ties_on_ground(BlockMatches(flat, flat, spread, flat[:, 0], 4.0), flat[:, 0], flat[:, 0])
    assert is_finite(ties.covariance)
    assert not count or 0.25 <= np.median(np.einsum("nii->n", ties.covariance) / 2) <= 4


@examples(100)
@given(covariances(), covariances(-3, 3), covariances(-4, 4), vectors(3, st.floats(-1e6, 1e6)), vectors(3, ANGLES),
       st.floats(0, 1e7))
@example(ONES, ONES, ONES, np.zeros(3), np.array([0.3, np.pi / 2, 0.2]), 0.0)
@example(ONES, ONES, ONES, np.zeros(3), np.array([0.0, -np.pi / 2, np.pi]), 10.0)
def test_odometry_anchored_in_any_way(odom: Any, hand: Any, fix: Any, place: np.ndarray, rpy: np.ndarray, flown: float) -> None:
    odometry = Prior(1, Pose.from_rpy(place, *rpy), odom)
    anchor = Anchor.by_hand(Prior(1, Pose.from_rpy(-2 * place, *-rpy), hand), odometry, flown, Drift(0.02, 1e-4))
    first = anchor.prior(odometry, flown + 1e4)
    moved = anchor.moved(first.pose, fix, odometry, flown).prior(replace(odometry, covariance=fix), 2 * flown)
    for prior in (first, moved):
        assert is_finite(prior.pose.position, prior.pose.rotation, prior.covariance)


@examples(100)
@given(st.lists(st.tuples(STAMPS, vectors(3, METRES)), max_size=8), STAMPS)
def test_the_way_flown_at_any_time(samples: list[tuple[int, np.ndarray]], stamp: int) -> None:
    odometer, buffer, length = Odometer(10**18), PriorBuffer(), 0.0
    for each, place in samples:
        odometer.add(each, place)
        buffer.add(Prior(each, Pose(place, np.eye(3)), np.eye(6)))
        assert 0 <= odometer.flown(stamp) < np.inf and odometer.flown(2**63) >= length
        length = odometer.flown(2**63)
    try:
        assert is_finite(buffer.at(stamp).pose.position)
    except Refusal as refusal:
        assert refusal.reason is Reason.PRIOR_MISSING and said(refusal)


@examples(150)
@given(covariances(), vectors(3, METRES), vectors(3, ANGLES))
def test_the_reach_of_any_prior(covariance: Any, place: np.ndarray, rpy: np.ndarray) -> None:
    levels = SimpleNamespace(levels=2, gsd=8.3, at=lambda level: SimpleNamespace(gsd=8.3 * 2**level))
    prior = Prior(1, Pose.from_rpy(place, *rpy), covariance)
    try:
        extent = scope_of(Frame(1, np.zeros((960, 1280), np.uint8), CAMERA), prior, levels, Terrain.flat(), Options()).extent
    except Refusal as refusal:
        assert said(refusal)
        return
    assert 0 < extent.radius < np.inf and 0 < extent.yaw <= np.pi and 0 < extent.scale <= 0.1


@examples(150)
@given(covariances(), covariances(), vectors(6, st.floats(-1e6, 1e6)), st.floats(-1e4, 1e4))
@example(ONES, ONES, np.zeros(6), 0.0)
@example(ONES, ONES, np.array([0.0, 0, 3000, 0, 0, 0]), -100.0)
def test_gates_of_any_solution(prior: Any, found: Any, delta: np.ndarray, height: float) -> None:
    solution = Solution(LEVEL.corrected(delta), found, np.eye(2), np.ones(3), np.zeros(3), 1.0)
    for gate in (lambda: check_plausible(solution, Prior(1, LEVEL, prior), Extent(100.0, 4.0, 0.1), height),
                 lambda: check_prior_agrees(solution, Prior(1, LEVEL, prior), Options())):
        try:
            gate()
        except Refusal as refusal:
            assert said(refusal)


@pytest.mark.parametrize("height", [-100.0, 0.0, 0.5])
def test_a_change_of_height_is_implausible_where_the_matched_ground_is_as_high_as_the_aircraft(height: float) -> None:
    solution = Solution(LEVEL.corrected(np.array([0.0, 0, 30, 0, 0, 0])), np.eye(6), np.eye(2), np.ones(3), np.zeros(3), 1.0)
    with pytest.raises(Refusal) as refused:
        check_plausible(solution, Prior(1, LEVEL, np.eye(6)), Extent(100.0, 0.1, 0.1), height)
    assert refused.value.reason is Reason.IMPLAUSIBLE_SCALE


@examples(100)
@given(st.lists(st.booleans(), max_size=50), st.sampled_from(("spread", "line", "two", "one")), st.integers(0, 9))
def test_any_agreement_of_tie_points_is_judged(agree: list[bool], shape: str, seed: int) -> None:
    points = np.column_stack([laid(shape, len(agree), seed), np.zeros(len(agree))])
    ties = TiePoints(points, points, np.zeros((len(agree), 2, 2)), np.ones(len(agree)))
    assert np.isfinite(surplus(np.array(agree, bool)))
    try:
        check_ties(ties, np.array(agree, bool), 2000.0, Options())
    except Refusal as refusal:
        assert refusal.reason in (Reason.FEW_TIE_POINTS, Reason.TIE_POINTS_CLUSTERED) and said(refusal)


@examples(100)
@given(st.lists(st.tuples(covariances(), vectors(2, METRES), vectors(3, METRES), st.floats(-1e6, 1e6)), min_size=1, max_size=8))
def test_the_track_of_any_candidates(all_of: list[tuple[Any, np.ndarray, np.ndarray, float]]) -> None:
    tracker = Tracker(Options(), 10.0)
    for i, (covariance, shift, place, evidence) in enumerate(all_of):
        prior = Prior(10**18 + i, Pose(place, np.eye(3)), covariance)
        fix = tracker.track(Candidate(prior.stamp_ns, prior, Reason.FIX, "", prior.pose, covariance, ("x", "y", "yaw"),
                                      GroundShift(shift, covariance[:2, :2]), scores={"evidence": evidence, "search_px": 48.0}))
        assert fix.accepted or said(Refusal(fix.reason, fix.sentence))


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Flown:
    folder = tmp_path_factory.mktemp("flown")
    return flown_over(simulate_world(folder / "world", WorldOptions.of(seed=3, size_px=512)), folder)


@examples(30)
@given(covariances(-6, 2), vectors(3, st.floats(-60, 60)), st.sampled_from((-1.0, -0.9, -0.3, 0.0, 0.5, 3.0)),
       vectors(3, st.floats(-0.3, 0.3)), st.floats(0.001, 1))
@example(np.full((6, 6), 1e-6), np.zeros(3), 0.0, np.zeros(3), 1.0)
def test_a_frame_with_any_prior_gets_a_verdict(flown: Flown, covariance: Any, shift: np.ndarray, higher: float, turn: np.ndarray,
                                               share: float) -> None:
    """Tilt and heading are held to what is searched, most of the time, so that frames get as far as a solution."""
    sigmas = np.sqrt(covariance.diagonal())
    least = np.minimum(1, share * np.array([100, 100, 100, 0.02, 0.02, 0.3]) / sigmas)
    delta = np.append(shift, share * turn)
    delta[2] += higher * flown.truths[0].position[2]
    prior = Prior(flown.frames[0].stamp_ns, flown.truths[0].corrected(delta), covariance * np.outer(least, least))
    localizer = flown.localizer()
    found = localizer.match(flown.frames[0], prior)
    assert found.reason is Reason.FIX or said(found)
    assert is_finite(list(found.scores.values()))
    if found.pose is not None and found.covariance is not None:
        assert is_finite(found.pose.position, found.pose.rotation)
        assert is_covariance(found.covariance)
    assert localizer.track(found).reason in (found.reason, Reason.AMBIGUOUS)
