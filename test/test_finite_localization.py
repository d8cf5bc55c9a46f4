"""Localization with any prior that is let pass, and any tie points: finite, with a covariance that is one, or a reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from finite import ANGLES, METRES, covariances, examples, is_covariance, is_finite, no_warning, vectors
from hypothesis import example, given
from hypothesis import strategies as st
from judged import parts_of
from places import Flown, flown_over_a_small_world
from sightings import GSD, REFERENCE, track

from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, DeadReckoning, Grid, Patch, Pose, Prior, Terrain
from promptmid_core.localization.anchor import Anchor, Drift
from promptmid_core.localization.apart import Apart
from promptmid_core.localization.belief import Surface
from promptmid_core.localization.fix import Candidate, Frame, GroundPoint, TiePoints
from promptmid_core.localization.integrity import check_plausible, check_ties, surplus
from promptmid_core.localization.options import Options
from promptmid_core.localization.parts import ErrorBudget
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.localization.quest import Anywhere
from promptmid_core.localization.reach import scope_of
from promptmid_core.localization.solve import Solution, moved_ground, solve, ties_on_ground
from promptmid_core.matching.search import Extent
from promptmid_core.matching.ties import BlockMatches
from promptmid_core.reasons import Reason

pytestmark = [no_warning, pytest.mark.slow]

CAMERA = Camera(1280, 960, np.array([[1160.0, 0, 639.5], [0, 1160.0, 479.5], [0, 0, 1]]))
LEVEL = Pose.from_rpy(np.zeros(3), 0, 0, 0)
# what any filter may state that fills a covariance with ones: full correlation
ONES = np.ones((6, 6))
ROUND = parts_of()
FOUND = np.diag([50.0, 50.0, 1e6, 1e6, 1e6, 1e-5])
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
        solution = solve(ties, CAMERA, pose, believed, ErrorBudget(4.0, 0.0))
    except Refusal as refusal:
        assert refusal.reason is Reason.TIE_POINTS_CLUSTERED and said(refusal)
        return
    assert is_finite(solution.pose.position, solution.pose.rotation, solution.height_variance, solution.weight,
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
    buffer = PriorBuffer()
    for each, place in samples:
        buffer.add(Prior(each, Pose(place, np.eye(3)), np.eye(6)))
    try:
        found = buffer.at(stamp)
        assert found.motion is not None and is_finite(found.pose.position, found.motion.pose.position, found.motion.flown)
    except Refusal as refusal:
        assert refusal.reason is Reason.PRIOR_MISSING and said(refusal)


@examples(150)
@given(covariances(), vectors(3, METRES), vectors(3, ANGLES))
def test_the_reach_of_any_prior(covariance: Any, place: np.ndarray, rpy: np.ndarray) -> None:
    prior, frame = Prior(1, Pose.from_rpy(place, *rpy), covariance), Frame(1, np.zeros((960, 1280), np.uint8), CAMERA)
    try:
        expected = track().expect(frame, prior)
        if isinstance(expected, Anywhere):
            return
        extent = scope_of(frame, expected, REFERENCE, Terrain.flat(), Options()).extent
    except Refusal as refusal:
        assert said(refusal)
        return
    assert 0 < extent.radius <= 512 * GSD and 0 < extent.yaw <= np.pi and 0 < extent.scale < 1
    assert is_finite(expected.pose.position, expected.pose.rotation, expected.radius, expected.yaw, expected.height)


@examples(150)
@given(covariances(), vectors(6, st.floats(-1e6, 1e6)), st.floats(-1e4, 1e4))
@example(ONES, np.zeros(6), 0.0)
@example(ONES, np.array([0.0, 0, 3000, 0, 0, 0]), -100.0)
def test_gates_of_any_solution(found: Any, delta: np.ndarray, height: float) -> None:
    try:
        solution = Solution(LEVEL.corrected(delta), found, ROUND, ROUND, np.eye(2), 1.0, np.ones(3), np.zeros(3), 1.0)
        check_plausible(solution, LEVEL, Extent(100.0, 4.0, 0.1), height)
    except Refusal as refusal:
        assert said(refusal)


@pytest.mark.parametrize("height", [-100.0, 0.0, 0.5])
def test_a_change_of_height_is_implausible_where_the_matched_ground_is_as_high_as_the_aircraft(height: float) -> None:
    solution = Solution(LEVEL.corrected(np.array([0.0, 0, 30, 0, 0, 0])), np.eye(6), ROUND, ROUND, np.eye(2), 1.0, np.ones(3),
                        np.zeros(3), 1.0)
    with pytest.raises(Refusal) as refused:
        check_plausible(solution, LEVEL, Extent(100.0, 0.1, 0.1), height)
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


@st.composite
def sightings(draw: Any) -> tuple[Any, ...]:
    """Of a frame: when, the prior and the motion of its time, what it finds beside the place that is expected, its scores, and
    what else lies where."""
    covariance, place = draw(covariances(-6, 6)), draw(vectors(2, METRES | st.floats(-2000, 2000)))
    motion = draw(st.none() | st.builds(
        lambda at, flown, loose, doubt: DeadReckoning(Pose(at, np.eye(3)), flown, loose, doubt), vectors(3, METRES),
        st.floats(0, 1e9), st.floats(0, 1e9), st.sampled_from((0.0, 10.0, 1e5, 1e9))))
    scores = draw(st.lists(st.tuples(st.floats(-1e9, 1e9) | st.floats(-3, 20), st.floats(-3000, 3000), st.floats(-3000, 3000)),
                           max_size=5))
    return (draw(st.integers(1, 10**11)), covariance, place, motion, draw(vectors(6, st.floats(-200, 200))), scores,
            draw(st.none() | vectors(2, st.floats(-3000, 3000))))


@examples(100)
@given(st.lists(sightings(), min_size=1, max_size=6))
def test_the_track_of_any_candidates(all_of: list[tuple[Any, ...]]) -> None:
    kept, stamp = track(), 10**18
    for after, covariance, place, motion, off, scores, apart in all_of:
        stamp += after
        prior = Prior(stamp, Pose(np.append(place, 2000.0), np.eye(3)), covariance, motion)
        try:
            expected = kept.expect(Frame(stamp, np.zeros((960, 1280), np.uint8), CAMERA), prior)
            if isinstance(expected, Anywhere):
                continue
        except Refusal as refusal:
            assert said(refusal)
            continue
        found = expected.pose.corrected(off * [1, 1, 1, 0, 0, 1e-2])
        values = np.array(scores, float).reshape(-1, 3).T
        grid = Grid(found.position[0], found.position[1], GSD, 64, 64)
        fix = kept.judge(Candidate(
            stamp, prior, Reason.FIX, "", found, FOUND, ROUND, observed=("x", "y", "yaw"), height=(float(off[2]), 10.0),
            ground=GroundPoint(found.position, ROUND, -np.eye(3)[2]), expected=expected, surface=Surface(*values),
            apart=None if apart is None else Apart(apart, 2.0),
            patch=Patch(np.zeros((64, 64), np.uint8), np.ones((64, 64), bool), grid)))
        assert fix.accepted or said(Refusal(fix.reason, fix.sentence))
        assert is_finite(fix.probability, fix.overruled, [probability for _, probability in fix.places])
        assert all(is_finite(pose.position, pose.rotation) for pose, _ in fix.places)
        assert fix.covariance is None or (is_finite(fix.covariance) and is_covariance(fix.covariance))


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Flown:
    return flown_over_a_small_world(tmp_path_factory)


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
