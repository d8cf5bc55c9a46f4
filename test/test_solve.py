"""Pose and covariance from tie points of known truth."""

from dataclasses import replace

import numpy as np
import pytest

from promptmid_core.geometry import NADIR, Camera, DeadReckoning, Pose, Prior
from promptmid_core.localization.fix import UNOBSERVED_VARIANCE, TiePoints
from promptmid_core.localization.parts import ErrorBudget
from promptmid_core.localization.solve import _residuals, ground_jacobian, moved_ground, solve, ties_on_ground
from promptmid_core.matching.ties import BlockMatches

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
    return solve(ties, CAMERA, prior.pose, prior, ErrorBudget(1.0, 0.0))


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


def on_ground(pose: Pose, height: float = 30.0) -> np.ndarray:
    """Where the boresight meets level ground."""
    eye = pose @ CAMERA.mount
    ray = eye.rotation @ CAMERA.boresight()
    return (eye.position + ray * (height - eye.position[2]) / ray[2])[:2]


def test_the_ground_moves_with_the_pose_as_its_jacobian_says() -> None:
    pose = Pose.from_rpy(np.array([100.0, -50.0, 4000.0]), 0.2, -0.3, 2.0)
    jacobian = ground_jacobian(CAMERA, pose, 30.0)
    for i, step in enumerate((1.0, 1.0, 1.0, 1e-4, 1e-4, 1e-4)):
        delta = np.zeros(6)
        delta[i] = step
        moved = (on_ground(pose.corrected(delta)) - on_ground(pose.corrected(-delta))) / (2 * step)
        assert jacobian[:, i] == pytest.approx(moved, rel=1e-4, abs=1e-3)


def test_the_covariance_of_the_ground_covers_and_has_no_attitude_in_it() -> None:
    """0.0015 rad of tilt from 5,000 m are 7.5 m of the position, and none of the ground."""
    d2, sigma, of_position = [], [], []
    for seed in range(300):
        ties, prior, truth = case(seed)
        solution = solved(ties, prior)
        delta = on_ground(solution.pose) - on_ground(truth)
        d2.append(delta @ np.linalg.solve(solution.ground.total, delta))
        sigma.append(np.sqrt(np.trace(solution.ground.total)))
        of_position.append(np.sqrt(np.trace(solution.covariance[:2, :2])))
    assert 0.90 <= np.mean(np.array(d2) <= 5.99) <= 0.98
    assert 0.42 <= np.mean(np.array(d2) <= 1.39) <= 0.60
    assert np.median(sigma) < 0.3 * np.median(of_position)


def test_a_boresight_that_looks_level_leaves_numbers() -> None:
    level = Pose.from_rpy(np.array([0.0, 0.0, 1000.0]), np.pi / 2, 0.0, 0.0)
    assert np.isfinite(ground_jacobian(CAMERA, level, 0.0)).all()


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


def from_start(ties: TiePoints, truth: Pose, start: Pose) -> TiePoints:
    """The same ties as they would be seen from another pose than the prior's."""
    seen = moved_ground(ties.found, CAMERA, truth, start)
    return TiePoints(seen, ties.found, ties.covariance, ties.weight)


def test_where_it_starts_does_not_matter() -> None:
    """The prior pulls height, roll and pitch towards its own, not towards the start's."""
    ties, prior, truth = case(7, noise_px=0.0)
    start = prior.pose.corrected(np.array([40.0, -60.0, 30.0, 1e-3, -8e-4, 0.02]))
    found = solve(from_start(ties, truth, start), CAMERA, start, prior, ErrorBudget(1.0, 0.0))
    plain = solved(ties, prior)
    for pose in (found.pose, plain.pose):
        assert pose.correction_from(prior.pose)[[3, 4]] == pytest.approx([0, 0], abs=1.5e-3)
    assert found.pose.correction_from(plain.pose) == pytest.approx([0] * 6, abs=0.15)
    assert abs(found.pose.correction_from(plain.pose)[[3, 4, 5]]).max() < 3e-5


def test_a_sure_prior_of_height_and_tilt_is_kept() -> None:
    ties, prior, truth = case(8, noise_px=0.5)
    sure = Prior(1, prior.pose, np.diag(np.array([130, 130, 1e-3, 1e-8, 1e-8, 0.02]) ** 2))
    start = prior.pose.corrected(np.array([0, 0, 20.0, 1e-3, -1e-3, 0]))
    found = solve(from_start(ties, truth, start), CAMERA, start, sure, ErrorBudget(1.0, 0.0))
    assert found.pose.correction_from(prior.pose)[[2, 3, 4]] == pytest.approx([0, 0, 0], abs=1e-3)


def test_the_covariance_is_that_of_weighted_least_squares() -> None:
    """Straight down over flat ground, of attitude and height that are known: 4 sigma^2 / N, and for yaw by the lever."""
    rng = np.random.default_rng(3)
    pose = Pose.from_rpy(np.array([0.0, 0, HEIGHT]), 0, 0, 0)
    found = np.column_stack([rng.uniform(-900, 900, (400, 2)), np.zeros(400)])
    found[:, :2] -= found[:, :2].mean(axis=0)
    seen = found.copy()
    found[:, :2] += 5.0 * rng.standard_normal((400, 2))
    prior = Prior(1, pose, np.diag(np.array([100, 100, 1e-4, 1e-9, 1e-9, 0.1]) ** 2))
    ties = TiePoints(seen, found, np.tile(np.eye(2), (400, 1, 1)), np.ones(400))
    solution = solve(ties, CAMERA, pose, prior, ErrorBudget(4.0, 3.0))
    assert solution.sigma == pytest.approx(5.0, rel=0.08)
    assert solution.residual == pytest.approx(np.linalg.norm((found - seen)[:, :2], axis=1), abs=1.2)
    weight = (1 + (solution.residual / (3 * solution.sigma)) ** 2) ** -2
    assert solution.weight == pytest.approx(weight, abs=0.01)
    place = 4 * solution.sigma ** 2 / weight.sum()
    assert np.diag(solution.covariance)[:2] == pytest.approx([place + 9] * 2, rel=0.02)
    lever = (weight * (found[:, :2] ** 2).sum(axis=1)).sum()
    assert solution.covariance[5, 5] == pytest.approx(4 * solution.sigma ** 2 / lever, rel=0.02)
    # the height is known by the prior alone, and by the ties' scale
    assert 0 < solution.height_variance <= 1e-8


def test_the_height_is_known_by_the_scale_of_the_ties() -> None:
    """Of a height that nobody knows: sigma over the root of the sum of squares, by the lever of the height."""
    rng = np.random.default_rng(3)
    pose = Pose.from_rpy(np.array([0.0, 0, HEIGHT]), 0, 0, 0)
    found = np.column_stack([rng.uniform(-900, 900, (400, 2)), np.zeros(400)])
    seen = found.copy()
    found[:, :2] += 5.0 * rng.standard_normal((400, 2))
    prior = Prior(1, pose, np.diag(np.array([100, 100, 1e4, 1e-9, 1e-9, 0.1]) ** 2))
    ties = TiePoints(seen, found, np.tile(np.eye(2), (400, 1, 1)), np.ones(400))
    solution = solve(ties, CAMERA, pose, prior, ErrorBudget(4.0, 3.0))
    lever = (solution.weight * (found[:, :2] ** 2).sum(axis=1)).sum() / HEIGHT ** 2
    assert solution.height_variance == pytest.approx(4 * solution.sigma ** 2 / lever, rel=0.05)


def test_a_long_ellipse_counts_by_its_short_axis() -> None:
    """Half of the ties are sure of east, half of north, and wrong in the other: the solution has what each is sure of."""
    rng = np.random.default_rng(4)
    pose = Pose.from_rpy(np.array([0.0, 0, HEIGHT]), 0, 0, 0.5)
    seen = np.column_stack([rng.uniform(-900, 900, (200, 2)), np.zeros(200)])
    found = seen + np.array([20.0, -30.0, 0])
    covariance = np.tile(np.diag([0.04, 25.0]), (200, 1, 1))
    covariance[100:] = np.diag([25.0, 0.04])
    found[:100, 1] += rng.normal(0, 40, 100)
    found[100:, 0] += rng.normal(0, 40, 100)
    prior = Prior(1, pose, np.diag(np.array([100, 100, 1e-4, 1e-9, 1e-9, 0.1]) ** 2))
    moved = solve(TiePoints(seen, found, covariance, np.ones(200)), CAMERA, pose, prior, ErrorBudget(1.0, 0.0))
    assert (moved.pose.position - pose.position)[:2] == pytest.approx([20, -30], abs=0.5)


def test_ties_that_agree_exactly_have_a_scale_of_a_millimetre() -> None:
    pose = Pose.from_rpy(np.array([0.0, 0, HEIGHT]), 0, 0, 0)
    points = np.random.default_rng(1).uniform(-900, 900, (50, 3)) * (1, 1, 0)
    ties = TiePoints(points, points, np.tile(np.eye(2), (50, 1, 1)), np.ones(50))
    solution = solve(ties, CAMERA, pose, Prior(1, pose, np.diag(SIGMAS ** 2)), ErrorBudget(1.0, 0.0))
    assert solution.sigma == 1e-3
    assert np.isfinite(solution.covariance).all()


def test_block_surfaces_are_believed_within_a_factor_of_four() -> None:
    """The median block has 1 m2 an axis; shapes stay, sizes are held."""
    shape = np.array([[2.0, 0.5], [0.5, 1.0]])
    sizes = np.array([0.01, 0.5, 1.0, 2.0, 400.0])
    seen, found = np.arange(10.0).reshape(5, 2), np.arange(10.0, 20).reshape(5, 2)
    matches = BlockMatches(seen, found, shape * sizes[:, None, None], np.ones(5), 4.0)
    ties = ties_on_ground(matches, np.arange(5.0), np.arange(5.0, 10))
    assert np.einsum("nii->n", ties.covariance) / 2 == pytest.approx([0.25, 0.5, 1, 2, 4])
    for each in ties.covariance:
        assert each / np.trace(each) == pytest.approx(shape / 3)
    assert (ties.seen == np.column_stack([seen, range(5)])).all() and (ties.found == np.column_stack([found, range(5, 10)])).all()
    assert ties.weight.tolist() == [1.0] * 5
    none = ties_on_ground(BlockMatches(seen[:0], found[:0], np.zeros((0, 2, 2)), np.zeros(0), 1.0), np.zeros(0), np.zeros(0))
    assert none.seen.shape == none.found.shape == (0, 3) and none.covariance.shape == (0, 2, 2) and none.weight.shape == (0,)


def test_residuals_have_the_derivatives_that_differences_show() -> None:
    """Of a pose, with a camera that is mounted askew and off the middle, whitened."""
    rng = np.random.default_rng(2)
    camera = replace(CAMERA, mount=Pose.from_rpy(np.array([3.0, -2, 1]), 0.05, 0.1, 0.3) @ NADIR)
    pose = Pose.from_rpy(np.array([10.0, 20, 1000]), 0.02, -0.03, 1.0)
    found = np.column_stack([rng.uniform(-300, 300, (6, 2)), rng.uniform(0, 50, 6)])
    observed, whiten = rng.uniform(-0.2, 0.2, (6, 2)), rng.standard_normal((6, 2, 2))
    residual, jacobian = _residuals(found, observed, camera, pose, whiten)
    for axis, step in enumerate([1e-3] * 3 + [1e-6] * 3):
        delta = np.zeros(6)
        delta[axis] = step
        ahead, behind = (_residuals(found, observed, camera, pose.corrected(sign * delta), whiten)[0] for sign in (1, -1))
        assert jacobian[:, :, axis] == pytest.approx((ahead - behind) / (2 * step), rel=1e-4, abs=1e-4)
    eye = pose @ camera.mount
    seen = (found - eye.position) @ eye.rotation
    plain, _ = _residuals(found, observed, camera, pose)
    assert plain == pytest.approx(seen[:, :2] - observed * seen[:, 2:])
    assert residual == pytest.approx(np.einsum("nij,nj->ni", whiten, plain))


def test_moved_ground_looks_the_same_from_both_poses() -> None:
    rng = np.random.default_rng(5)
    start, pose = Pose.from_rpy([0.0, 0, 1000], 0.05, 0.02, 0.3), Pose.from_rpy([60.0, -40, 1080], -0.03, 0.04, 0.5)
    points = np.column_stack([rng.uniform(-300, 300, (20, 2)), rng.uniform(0, 80, 20)])
    moved = moved_ground(points, CAMERA, start, pose)
    assert moved[:, 2] == pytest.approx(points[:, 2])
    one, other = ((p - eye.position) @ eye.rotation for p, eye in ((points, start @ NADIR), (moved, pose @ NADIR)))
    assert one[:, :2] / one[:, 2:] == pytest.approx(other[:, :2] / other[:, 2:])


def with_budget(ties: TiePoints, prior: Prior, **budget: float):
    return solve(ties, CAMERA, prior.pose, prior, ErrorBudget(1.0, 2.0, **budget))


def test_the_parts_add_up_to_the_covariance() -> None:
    ties, prior, _ = case(7)
    found = with_budget(ties, prior, tilt=0.001, turn=0.01, delay=0.5)
    assert found.covariance[:2, :2] == pytest.approx(found.place.total)
    for part in (found.place.matching, found.place.ground, found.place.attitude, found.place.camera):
        assert np.linalg.eigvalsh((part + part.T) / 2)[0] > -1e-9
    # the map's own place is ground that every fix there shares
    bare = solve(ties, CAMERA, prior.pose, prior, ErrorBudget(1.0, 0.0, tilt=0.001, turn=0.01, delay=0.5))
    assert found.place.ground - bare.place.ground == pytest.approx(4.0 * np.eye(2))


def test_the_attitude_is_a_part_of_the_position_and_not_of_the_ground() -> None:
    """0.0015 rad from 5,000 m are 7.5 m, of which ties over a wide patch tell a little."""
    ties, prior, _ = case(7)
    found = with_budget(ties, prior)
    assert 5.5 < np.sqrt(np.trace(found.place.attitude) / 2) <= 7.6
    assert np.trace(found.ground.attitude) < 0.02 * np.trace(found.place.attitude)
    assert not found.place.camera.any()


def test_a_mount_that_is_not_known_counts_as_attitude_does_and_always_the_same() -> None:
    ties, prior, _ = case(7)
    level = prior.covariance.copy()
    level[[3, 4], [3, 4]] = 1e-14
    sure = Prior(1, prior.pose, level)
    mounted, tilted = with_budget(ties, sure, tilt=0.0015, turn=0.02), with_budget(ties, prior)
    assert mounted.place.camera == pytest.approx(tilted.place.attitude, rel=0.02, abs=0.05)
    assert mounted.covariance[5, 5] - with_budget(ties, sure, tilt=0.0015).covariance[5, 5] == pytest.approx(0.02 ** 2)


def test_a_delay_that_is_not_known_moves_position_and_ground_along_the_way() -> None:
    ties, prior, _ = case(7)
    motion = DeadReckoning(prior.pose, 0.0, velocity=(60.0, 80.0))
    late = with_budget(ties, replace(prior, motion=motion), delay=0.1)
    assert late.place.camera == pytest.approx(np.outer([6.0, 8.0], [6.0, 8.0]), abs=1e-6)
    assert late.ground.camera == pytest.approx(late.place.camera)


def test_the_lever_says_how_far_a_wrong_attitude_moves_the_place() -> None:
    """Against a prior that is tilted by a little more."""
    ties, prior, _ = case(8, noise_px=0.3)
    before = with_budget(ties, prior)
    for axis in (3, 4):
        delta = np.zeros(6)
        delta[axis] = 1e-4
        # the ties stay where they are, seen from where they were seen
        after = solve(ties, CAMERA, prior.pose, replace(prior, pose=prior.pose.corrected(delta)), ErrorBudget(1.0, 2.0))
        moved = (after.pose.position - before.pose.position)[:2] / 1e-4
        assert before.lever[:, axis - 3] == pytest.approx(moved, rel=0.05, abs=150.0)
