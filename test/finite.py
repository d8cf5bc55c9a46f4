"""Finite inputs of every size, for the tests that nothing but finite numbers comes of them. The same in every run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st

from promptmid_core.bags.messages import FURTHEST_M
from promptmid_core.geometry.covariance import fault_of

# what NumPy warns of is a fault of the code that it warns in, or of what that calls
no_warning = pytest.mark.filterwarnings("error::RuntimeWarning")
ANY = st.floats(allow_nan=False, allow_infinity=False)
METRES = st.floats(-FURTHEST_M, FURTHEST_M)
ANGLES = st.floats(-7.0, 7.0)


SHORT = False  # whether the run leaves out what is long


def share(count: int) -> int:
    """Of so many examples those that a run takes: a third where it leaves out what is long."""
    return max(count // 3, 10) if SHORT else count


def examples(count: int) -> Any:
    return settings(max_examples=share(count), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def vectors(length: int, each: st.SearchStrategy[float] = ANY) -> st.SearchStrategy[Any]:
    return st.lists(each, min_size=length, max_size=length).map(lambda values: np.array(values, np.float64))


@st.composite
def covariances(draw: Any, least: float = -9.0, most: float = 9.0) -> Any:
    """Covariances (6, 6) that `fault_of` lets pass, sigmas from 10^least to 10^most; of a rank of 1 to 8, so often with full
    correlations."""
    exponents = np.array(draw(st.lists(st.floats(least, most), min_size=6, max_size=6)))
    mixed = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(6, draw(st.integers(1, 8))))
    correlated = mixed @ mixed.T
    sigmas = 10.0**exponents / np.sqrt(correlated.diagonal())
    covariance = correlated * np.outer(sigmas, sigmas)
    covariance = (covariance + covariance.T) / 2
    assume(not fault_of(covariance))
    return covariance


def is_finite(*values: Any) -> bool:
    return all(bool(np.isfinite(value).all()) for value in values)


def is_covariance(matrix: Any) -> bool:
    """Whether a matrix is symmetric and positive definite, its axes brought to one scale."""
    sigmas = np.sqrt(matrix.diagonal())
    return bool((matrix == matrix.T).all() and np.linalg.eigvalsh(matrix / np.outer(sigmas, sigmas)).min() > 0)
