"""Poses: quaternions, angles and logarithms agree, and what lies between two priors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptmid_core.geometry import Pose, Prior, interpolate
from promptmid_core.geometry.pose import log_rotation, rotation_vector

small = st.floats(-0.12, 0.12)


@settings(max_examples=40, deadline=None)
@given(small, small, st.floats(-3.1, 3.1))
def test_quaternion_rpy_and_logarithm_agree(roll: float, pitch: float, yaw: float) -> None:
    pose = Pose.from_rpy(np.array([1.0, 2.0, 3.0]), roll, pitch, yaw)
    assert np.allclose(Pose.from_quaternion(pose.position, pose.quaternion()).rotation, pose.rotation)
    assert np.allclose(pose.rpy(), (roll, pitch, yaw))
    assert np.allclose(rotation_vector(log_rotation(pose.rotation)), pose.rotation)
    assert np.allclose((pose @ pose.inverse()).rotation, np.eye(3))
    delta = np.array([3.0, -2, 1, 0.02, -0.01, 0.3])
    assert np.allclose(pose.corrected(delta).correction_from(pose), delta)


def test_a_quaternion_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"length 1\.2"):
        Pose.from_quaternion(np.zeros(3), np.array([0, 0, 0, 1.2]))


def test_interpolation_meets_its_ends_and_takes_the_short_way_round() -> None:
    first = Prior(1_000, Pose.from_rpy(np.zeros(3), 0, 0, 3.1), np.eye(6))
    last = Prior(2_000, Pose.from_rpy(np.array([10.0, 0, 0]), 0, 0, -3.1), 3 * np.eye(6))
    middle = interpolate(first, last, 1_500)
    assert np.allclose(middle.pose.position, (5, 0, 0))
    assert abs(abs(middle.pose.yaw) - np.pi) < 1e-9
    assert np.allclose(middle.covariance, 2 * np.eye(6))
    assert np.allclose(interpolate(first, last, 2_000).pose.rotation, last.pose.rotation)
