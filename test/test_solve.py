"""Pose and covariance from tie points of known truth."""

import numpy as np
import pytest

from promptmid_core.geometry import NADIR, Camera, Pose, Prior
from promptmid_core.localization.fix import UNOBSERVED_VARIANCE, TiePoints
from promptmid_core.localization.solve import moved_ground, solve

CAMERA = Camera(1280, 960, np.array([[1160.0, 0, 639.5], [0, 1160.0, 479.5], [0, 0, 1]]))
HEIGHT, GSD = 5000.0, 8.3
SIGMAS = np.array([130.0, 130.0, 40.0, 0.0015, 0.0015, 0.02])


def case(seed: int, noise_px: float = 1.0, outliers: float = 0.0, count: int = 49) -> tuple[TiePoints, Prior, Pose]:
    """Ties that a true pose would give, seen from a prior that is off by a draw from its covariance."""
    rng = np.random.default_rng(seed)
    truth = Pose.from_rpy(np.array([3000.0, -2000.0, HEIGHT]), 0.03, -0.04, rng.uniform(-3, 3))
    prior = Prior(1, truth.corrected(SIGMAS * rng.standard_normal(6)), np.diag(SIGMAS**2))
    middle = truth.position[:2] + HEIGHT * np.array([0.04, 0.03])
    found = np.column_stack([middle + rng.uniform(-900, 900, (count, 2)), rng.uniform(0, 60, count)])
    seen = moved_ground(found, CAMERA, truth, prior.pose)
    bad = rng.random(count) < outliers
    found[:, :2] += np.where(bad[:, None], rng.uniform(-8, 8, (count, 2)), noise_px * rng.standard_normal((count, 2))) * GSD
    return TiePoints(seen, found, np.tile(np.eye(2), (count, 1, 1)), np.ones(count)), prior, truth


def solved(ties: TiePoints, prior: Prior):
    return solve(ties, CAMERA, prior.pose, prior, correlation=1.0, floor=0.0)


def test_exact_ties_give_the_ground_back() -> None:
    """Roll, pitch and height are not seen apart from x and y, but what the camera looks at is."""
    ties, prior, truth = case(1, noise_px=0.0)
    solution = solved(ties, prior)
    again = moved_ground(ties.found, CAMERA, truth, solution.pose)
    assert np.abs(again - ties.found)[:, :2].max() < 1.0
    assert solution.residual.max() < 1.0


def test_a_known_attitude_gives_position_and_yaw() -> None:
    ties, _, truth = case(2, noise_px=0.0)
    exact = Prior(
        1, truth.corrected(np.array([200.0, -150, 0, 0, 0, 0.03])), np.diag(np.array([130, 130, 0.1, 1e-6, 1e-6, 0.02]) ** 2)
    )
    seen = moved_ground(ties.found, CAMERA, truth, exact.pose)
    pose = solved(TiePoints(seen, ties.found, ties.covariance, ties.weight), exact).pose
    assert np.abs(pose.position - truth.position).max() < 0.2
    assert abs(pose.correction_from(truth)[5]) < 1e-4


def test_a_third_of_wrong_ties_hardly_moves_it() -> None:
    errors = []
    for seed in range(20):
        ties, prior, truth = case(seed, noise_px=0.7, outliers=0.35)
        middle = ties.found.mean(axis=0)[None]
        errors.append(np.linalg.norm((moved_ground(middle, CAMERA, truth, solved(ties, prior).pose) - middle)[0, :2]) / GSD)
    assert np.median(errors) < 0.35
    assert max(errors) < 1.2


def test_the_covariance_covers() -> None:
    """Squared Mahalanobis distances of x, y over many draws behave like chi-squared of 2."""
    d2 = []
    for seed in range(300):
        ties, prior, truth = case(seed)
        solution = solved(ties, prior)
        delta = solution.pose.correction_from(truth)[:2]
        d2.append(delta @ np.linalg.solve(solution.covariance[:2, :2], delta))
    assert 0.90 <= np.mean(np.array(d2) <= 5.99) <= 0.98
    assert 0.42 <= np.mean(np.array(d2) <= 1.39) <= 0.60


def test_the_prior_says_nothing_about_x_y_and_yaw() -> None:
    ties, prior, _ = case(4)
    wide = prior.covariance.copy()
    wide[:2, :2] *= 2
    wide[5, 5] *= 9
    once, twice = solved(ties, prior), solved(ties, Prior(1, prior.pose, wide))
    assert np.abs(once.pose.position - twice.pose.position).max() < 1e-6
    assert np.allclose(once.covariance, twice.covariance)


def test_attitude_uncertainty_stays_in_the_position() -> None:
    """0.0015 rad at 5000 m are 7.5 m, which no number of ties takes away."""
    ties, prior, _ = case(5, count=400)
    level = prior.covariance.copy()
    level[[3, 4], [3, 4]] = 1e-12
    unsure, sure = solved(ties, prior), solved(ties, Prior(1, prior.pose, level))
    added = np.diag(unsure.covariance - sure.covariance)[:2]
    assert np.sqrt(added) == pytest.approx([7.5, 7.5], rel=0.15)


def test_unobserved_components_say_so() -> None:
    ties, prior, _ = case(6)
    covariance = solved(ties, prior).covariance
    assert np.diag(covariance)[2:5].tolist() == [UNOBSERVED_VARIANCE] * 3
    assert (covariance[2:5, [0, 1, 5]] == 0).all()
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    assert np.allclose(covariance, covariance.T)


def test_moved_ground_follows_the_camera() -> None:
    start = Pose.from_rpy(np.array([0.0, 0, 1000]), 0, 0, 0)
    points = np.array([[10.0, 20, 0], [-300, 100, 50]])
    moved = moved_ground(points, CAMERA, start, start.corrected(np.array([5.0, -7, 0, 0, 0, 0])))
    assert np.allclose(moved - points, (5, -7, 0))
    assert CAMERA.mount is NADIR
