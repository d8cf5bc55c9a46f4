"""Poses and rotations against SciPy and against their definitions."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from promptmid_core.geometry import Pose, Prior, interpolate
from promptmid_core.geometry.pose import log_rotation, rotation_rpy, rotation_vector, skew

ANGLES = [(0, 0, 0), (180, 0, 0), (0, 180, 0), (0, 0, 180), (90, 0, 0), (0, 90, 0), (0, 0, -90), (179, 1, 2), (1, 179.5, 0),
          (2, 1, 179.9)]
TURNS = [*Rotation.random(40, rng=5).as_matrix(), *Rotation.from_euler("xyz", ANGLES, degrees=True).as_matrix()]
ZERO = np.zeros(3)


@pytest.mark.parametrize("turn", TURNS, ids=range(len(TURNS)))
def test_rotations_are_those_of_scipy(turn: np.ndarray) -> None:
    pose, known = Pose(ZERO, turn), Rotation.from_matrix(turn)
    quaternion = pose.quaternion()
    assert quaternion[3] >= 0
    assert abs(quaternion @ known.as_quat()) == pytest.approx(1, abs=1e-12)
    for sign in (1, -1):
        assert Pose.from_quaternion(ZERO, 1.009 * sign * known.as_quat()).rotation == pytest.approx(turn, abs=1e-12)
    assert rotation_vector(known.as_rotvec()) == pytest.approx(turn, abs=1e-12)
    vector = log_rotation(turn)
    assert np.linalg.norm(vector) == pytest.approx(known.magnitude(), abs=1e-9)
    assert rotation_vector(vector) == pytest.approx(turn, abs=1e-9)
    assert rotation_rpy(*pose.rpy()) == pytest.approx(turn, abs=1e-9)
    assert pose.yaw == pose.rpy()[2]


def test_fixed_axis_angles_turn_about_x_then_y_then_z() -> None:
    roll, pitch, yaw = 0.3, -0.5, 2.1
    expected = Rotation.from_euler("xyz", (roll, pitch, yaw)).as_matrix()
    assert rotation_rpy(roll, pitch, yaw) == pytest.approx(expected)
    pose = Pose.from_rpy([1, 2, 3], roll, pitch, yaw)
    assert pose.rpy() == pytest.approx((roll, pitch, yaw))
    assert pose.position.dtype == float


@pytest.mark.parametrize("length", [0.9901, 1.0099])
def test_a_quaternion_of_about_unit_length_is_made_one(length: float) -> None:
    rotation = Pose.from_quaternion(ZERO, length * np.array([0.1, -0.2, 0.3, np.sqrt(0.86)])).rotation
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-12)


@pytest.mark.parametrize("length", [0.0, 0.9899, 1.0101, -np.inf, np.nan])
def test_a_quaternion_of_another_length_is_none(length: float) -> None:
    with pytest.raises(ValueError, match="is not a rotation"):
        Pose.from_quaternion(ZERO, np.array([0.0, 0, 0, length]))


@pytest.mark.parametrize("angle", [0.0, 1e-15, 1e-13, 1e-11, 1e-8, 1e-4])
def test_small_turns_come_back(angle: float) -> None:
    vector = angle * np.array([0.6, 0.0, -0.8])
    turn = rotation_vector(vector)
    assert turn == pytest.approx(np.eye(3) + skew(vector), abs=1e-8)
    assert log_rotation(turn) == pytest.approx(vector, rel=1e-7, abs=1e-16)


def test_skew_is_the_cross_product() -> None:
    a, b = np.array([1.0, 2, 3]), np.array([-4.0, 5, 7])
    assert skew(a) @ b == pytest.approx(np.cross(a, b))


def test_poses_compose_and_invert() -> None:
    a, b = Pose.from_rpy([1.0, 2, 3], 0.1, 0.2, 0.3), Pose.from_rpy([-4.0, 5, 6], -0.4, 0.1, 2.0)
    point = np.array([0.5, -0.25, 2.0])
    inner = b.position + b.rotation @ point
    assert (a @ b).position + (a @ b).rotation @ point == pytest.approx(a.position + a.rotation @ inner)
    assert (a @ b @ b.inverse()).position == pytest.approx(a.position)
    assert (a.inverse() @ a).position == pytest.approx(ZERO, abs=1e-12)


def test_a_correction_is_along_and_about_the_axes_of_the_map() -> None:
    pose = Pose.from_rpy([10.0, 20, 30], 0.3, 0.2, 1.0)
    delta = np.array([1.0, -2, 3, 0.2, -0.1, 0.05])
    moved = pose.corrected(delta)
    assert moved.position == pytest.approx([11, 18, 33])
    assert moved.rotation == pytest.approx(Rotation.from_rotvec(delta[3:]).as_matrix() @ pose.rotation)
    assert moved.correction_from(pose) == pytest.approx(delta)


def test_a_prior_between_two_is_as_far_as_its_time() -> None:
    first = Prior(1000, Pose.from_rpy([0.0, 0, 0], 0, 0, 0.2), np.eye(6))
    last = Prior(1400, Pose.from_rpy([40.0, -8, 4], 0.0, 0.0, 0.6), 5 * np.eye(6))
    quarter = interpolate(first, last, 1100)
    assert quarter.stamp_ns == 1100
    assert quarter.pose.position == pytest.approx([10, -2, 1])
    assert quarter.pose.yaw == pytest.approx(0.3)
    assert quarter.covariance == pytest.approx(2 * np.eye(6))
    assert interpolate(first, Prior(1000, last.pose, last.covariance), 1000).pose.position == pytest.approx(ZERO)
