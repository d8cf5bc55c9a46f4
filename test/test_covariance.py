"""A covariance is one, or the odometry, the pose by hand or the prior that states it is refused: never a crash, never NaN."""

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flights import START_NS, odometry, true_pose
from hypothesis import given
from hypothesis import strategies as st

from promptmid_core.errors import Refusal
from promptmid_core.geometry import Prior
from promptmid_core.geometry.covariance import LEAST, MOST, fault_of
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.prior import check_prior
from promptmid_core.localization.rig import Rig
from promptmid_core.reasons import Reason

SECOND = 1_000_000_000
GOOD = np.diag([100.0, 100.0, 25.0, 1e-4, 1e-4, 1e-3])
# as filters write "unknown", as memory has it that nobody wrote, and what squares or products of it come to
HOSTILE = [0.0, -1.0, 5e-324, 6.9e-310, 2.3e-308, 1e-200, 1e-20, 1e20, 1e155, 1e300, -1e300, 1.7976931348623157e308, np.inf,
           -np.inf, np.nan]
PLACES = [(axis, axis, value) for axis in (0, 2, 3, 5) for value in HOSTILE]
PLACES += [(row, col, value) for row, col in ((0, 1), (0, 5), (3, 4)) for value in HOSTILE if not abs(value) <= 1]


def with_value(row: int, col: int, value: float) -> np.ndarray:
    covariance = GOOD.copy()
    covariance[row, col] = covariance[col, row] = value
    return covariance


def by_hand(covariance: np.ndarray) -> Any:
    message = odometry(START_NS, true_pose(START_NS), covariance)
    return SimpleNamespace(header=SimpleNamespace(stamp=message.header.stamp, frame_id="map"), pose=message.pose)


@pytest.mark.parametrize(("row", "col", "value"), PLACES)
def test_one_hostile_value_refuses_its_message_alone(row: int, col: int, value: float) -> None:
    covariance = with_value(row, col, value)
    # an axis of which nothing is stated takes the parameter's
    stated = not (row == col and row in (2, 5) and value == 0.0)
    prior = Prior(START_NS, true_pose(START_NS), covariance)
    with pytest.raises(Refusal) as refused:
        check_prior(prior)
    assert refused.value.reason is Reason.PRIOR_INVALID

    kept = Odometry(Rig())
    for i, each in enumerate((GOOD, covariance, GOOD, GOOD)):
        kept.add(odometry(START_NS + i * SECOND // 10, true_pose(START_NS), each))
    if stated:
        with pytest.raises(Refusal) as refused:
            kept.at(START_NS + SECOND // 10)
        assert refused.value.reason is Reason.PRIOR_INVALID
        assert len(str(refused.value)) < 200
    prior, _ = kept.at(START_NS + SECOND // 4)
    assert np.isfinite(prior.covariance).all()


@pytest.mark.parametrize(("row", "col", "value"), [place for place in PLACES if place[:2] != (3, 3)])
def test_a_pose_by_hand_is_refused_and_the_next_is_taken(row: int, col: int, value: float) -> None:
    kept = Odometry(Rig())
    message = odometry(START_NS, true_pose(START_NS))
    message.header.frame_id = "odom"
    kept.add(message)
    with pytest.raises(Refusal) as refused:
        kept.give(by_hand(with_value(row, col, value)))
    assert refused.value.reason is Reason.PRIOR_INVALID
    kept.give(by_hand(GOOD))
    prior, anchor = kept.at(START_NS)
    assert anchor is not None
    check_prior(prior)


@given(st.lists(st.floats(width=64), min_size=36, max_size=36))
def test_any_36_numbers_are_judged(values: list[float]) -> None:
    covariance = np.array(values).reshape(6, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fault = fault_of(covariance)
    assert fault or np.isfinite(np.linalg.eigvalsh(covariance)).all()


@given(st.lists(st.floats(-8.9, 8.9), min_size=6, max_size=6), st.integers(0, 2**32 - 1))
def test_what_is_a_covariance_is_taken(exponents: list[float], seed: int) -> None:
    mixed = np.random.default_rng(seed).normal(size=(6, 8))
    correlated = mixed @ mixed.T
    sigmas = 10.0 ** np.array(exponents) / np.sqrt(np.diag(correlated))
    covariance = correlated * np.outer(sigmas, sigmas)
    assert fault_of((covariance + covariance.T) / 2) == ""


@pytest.mark.parametrize(("variance", "taken"), [(LEAST, True), (LEAST * 0.99, False), (MOST, True), (MOST * 1.01, False)])
def test_limits(variance: float, taken: bool) -> None:
    for axis in range(6):
        assert (fault_of(with_value(axis, axis, variance)) == "") is taken
