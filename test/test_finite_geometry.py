"""Geometry of any finite input: finite numbers, masked where they mean nothing, or a refusal."""

from typing import Any

import numpy as np
import pytest
from finite import ANGLES, ANY, METRES, covariances, examples, is_finite, no_warning, vectors
from hypothesis import example, given
from hypothesis import strategies as st

from promptmid_core.errors import Refusal
from promptmid_core.geometry import (
    Camera,
    Grid,
    Pose,
    Prior,
    Terrain,
    boresight_point,
    ground_resolution,
    interpolate,
    orthorectify,
)
from promptmid_core.geometry.covariance import LEAST, MOST, information_of
from promptmid_core.geometry.heights import filled
from promptmid_core.geometry.lens import COEFFICIENTS
from promptmid_core.geometry.pose import log_rotation, rotation_vector
from promptmid_core.reasons import Reason

pytestmark = no_warning

CAMERA = Camera(64, 48, np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]]))
STAMPS = st.integers(-2**31 * 10**9, 2**32 * 10**9)


def hills(width: int, height: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 100, (height, width)).astype(np.float32)


@examples(150)
@given(vectors(4), vectors(3))
@example(np.array([0.0, 0.0, 0.0, 1.4e154]), np.zeros(3))
@example(np.array([0.0, 0.0, 0.0, 1.7e308]), np.zeros(3))
def test_four_numbers_are_a_rotation_or_refused(quaternion: np.ndarray, position: np.ndarray) -> None:
    try:
        pose = Pose.from_quaternion(position, quaternion)
    except ValueError:
        return
    assert is_finite(pose.rotation, pose.quaternion(), pose.rpy())


@examples(100)
@given(vectors(3, METRES), vectors(3, ANGLES), vectors(3, METRES), vectors(3, ANGLES))
def test_poses_and_their_corrections(position: np.ndarray, rpy: np.ndarray, shift: np.ndarray, turn: np.ndarray) -> None:
    pose = Pose.from_rpy(position, *rpy)
    moved = pose.corrected(np.append(shift, turn))
    back = moved.correction_from(pose)
    assert is_finite(pose.quaternion(), pose.rpy(), moved.position, back, pose.inverse().position, (pose @ moved).position)
    assert moved.rotation @ moved.rotation.T == pytest.approx(np.eye(3), abs=1e-9)
    assert pose.corrected(back).rotation == pytest.approx(moved.rotation, abs=1e-7)
    assert np.linalg.norm(back[3:]) <= np.pi + 1e-9


@examples(100)
@given(st.one_of(vectors(3, st.floats(-1e-7, 1e-7)), vectors(3, ANGLES)))
@example(np.array([np.pi, 0.0, 0.0]))
@example(np.array([0.0, np.pi - 1e-9, 0.0]))
def test_rotation_vectors_come_back(vector: np.ndarray) -> None:
    rotation = rotation_vector(vector)
    assert rotation_vector(log_rotation(rotation)) == pytest.approx(rotation, abs=1e-7)


@examples(100)
@given(STAMPS, STAMPS, STAMPS, vectors(3, METRES), vectors(3, ANGLES), covariances())
def test_priors_between_any_stamps(before: int, after: int, at: int, shift: np.ndarray, turn: np.ndarray,
                                   covariance: Any) -> None:
    pose = Pose.from_rpy(np.zeros(3), 0, 0, 0)
    there = interpolate(Prior(before, pose, np.eye(6)), Prior(after, pose.corrected(np.append(shift, turn)), covariance), at)
    assert is_finite(there.pose.position, there.pose.rotation, there.covariance)


@examples(100)
@given(covariances())
def test_information_is_the_inverse_of_a_covariance_even_of_one_that_is_singular(covariance: np.ndarray) -> None:
    information = information_of(covariance)
    assert is_finite(information)
    scale = np.sqrt(covariance.diagonal())
    told = np.linalg.eigvalsh(information * np.outer(scale, scale))
    assert told.min() > 0 and told.max() < 1.01e6


def test_information_of_a_covariance_with_an_inverse_is_that() -> None:
    root = np.random.default_rng(0).normal(size=(6, 9)) * np.array([[100.0], [100], [20], [1e-3], [1e-3], [1e-2]])
    covariance = root @ root.T
    assert information_of(covariance) @ covariance == pytest.approx(np.eye(6), abs=1e-6)
    assert information_of(np.diag([LEAST, MOST])).tolist() == [[1 / LEAST, 0], [0, 1 / MOST]]


@st.composite
def cameras(draw: Any) -> Camera | None:
    model = draw(st.sampled_from(sorted(COEFFICIENTS)))
    count = draw(st.sampled_from(COEFFICIENTS[model]))
    some = st.one_of(ANY, st.floats(-2, 2), st.sampled_from([-1.0, 1.0, 0.0]))
    fx, fy, cx, cy = draw(vectors(4, st.one_of(ANY, st.floats(-3000, 3000))))
    size = draw(st.tuples(st.integers(-1, 5000), st.integers(-1, 5000)))
    try:
        return Camera(*size, np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), model, draw(vectors(count, some)))
    except ValueError as error:
        assert str(error).startswith("camera_info has")
        return None


POLE = Camera(640, 480, np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]), "rational_polynomial",
              np.array([0.0, 0, 0, 0, 0, -1, 0, 0]))


@examples(200)
@given(cameras(), st.lists(vectors(3, st.floats(-1e9, 1e9)), min_size=1, max_size=3), vectors(2, st.floats(-5000, 5000)))
@example(POLE, [np.array([1.0, 0.0, 1.0])], np.zeros(2))
def test_lenses(camera: Camera | None, points: list[np.ndarray], pixel: np.ndarray) -> None:
    if camera is None:
        return
    places, seen = camera.project(np.array(points))
    assert is_finite(places, camera.boresight())
    assert (places[seen] >= -0.5).all() and (places[seen] <= np.array([camera.width, camera.height]) - 0.5).all()
    try:
        rays = camera.rays(pixel[None])
    except ValueError:
        return
    assert np.linalg.norm(rays, axis=1) == pytest.approx(1.0)


def test_beyond_the_pole_of_a_rational_lens_nothing_is_seen() -> None:
    """1 - r2 is zero at 45 degrees off the axis."""
    _, seen = POLE.project(np.array([[0.1, 0.0, 1.0], [1.0, 0.0, 1.0], [1.2, 0.0, 1.0]]))
    assert seen.tolist() == [True, False, False]


def test_a_lens_without_a_ray_for_the_middle_of_its_image_is_none() -> None:
    with pytest.raises(ValueError, match="no ray"):
        Camera(640, 480, np.array([[1e-3, 0, 0], [0, 1e-3, 0], [0, 0, 1]]), "plumb_bob", np.array([0.0, 0.0, 1e8, 1e8, 0.0]))


@examples(100)
@given(vectors(3, METRES), vectors(3, ANGLES), st.integers(1, 5), st.integers(1, 5), st.integers(0, 9), st.floats(1e-3, 1e4),
       vectors(4, METRES))
def test_the_ground_anywhere(origin: np.ndarray, rpy: np.ndarray, width: int, height: int, seed: int, gsd: float,
                             places: np.ndarray) -> None:
    for terrain in (Terrain.flat(), Terrain.of(hills(width, height, seed), Grid(0.0, 0.0, gsd, width, height))):
        assert is_finite(terrain.height(places[:2], places[2:]))
        points, hit = terrain.intersect(origin, Pose.from_rpy(origin, *rpy).rotation)
        assert np.isfinite(points).all(axis=1).tolist() == hit.tolist()


@examples(100)
@given(vectors(3, st.floats(-1e6, 1e6)), vectors(3, ANGLES), st.integers(1, 4), st.integers(1, 4), st.integers(0, 9))
def test_frames_laid_on_any_ground_from_anywhere(position: np.ndarray, rpy: np.ndarray, width: int, height: int,
                                                 seed: int) -> None:
    pose, image = Pose.from_rpy(position, *rpy), np.full((48, 64), 77, np.uint8)
    for terrain in (Terrain.flat(), Terrain.of(hills(width, height, seed), Grid(0.0, 0.0, 30.0, width, height))):
        try:
            point = boresight_point(CAMERA, pose, terrain)
            resolution = ground_resolution(CAMERA, pose, terrain)
        except Refusal as refusal:
            assert refusal.reason in (Reason.VIEW_NOT_DOWN, Reason.FOOTPRINT_SMALL)
            continue
        assert is_finite(point) and 0 <= resolution < np.inf
        patch = orthorectify(image, CAMERA, pose, terrain, Grid(point[0] - 16, point[1] + 16, 1.0, 32, 32))
        assert (patch.image[patch.valid] == 77).all()


@examples(50)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_gaps_of_heights_are_filled(width: int, height: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    heights, known = hills(width, height, seed), rng.random((height, width)) < 0.3
    known.flat[rng.integers(known.size)] = True
    heights[~known] = np.nan
    whole = filled(heights, known)
    assert is_finite(whole) and set(whole.ravel()) == set(heights[known])
