"""What a score says of a place."""

import numpy as np
import pytest
from finite import examples, is_finite, no_warning
from hypothesis import given
from hypothesis import strategies as st

from promptmid_core.descriptors import load
from promptmid_core.descriptors.likelihood import Likelihood


def test_it_is_a_mixture_of_a_frame_that_tells_and_one_that_does_not() -> None:
    likelihood = Likelihood(2.0, 1.3, 0.3)
    scores = np.array([[-9.0, 0.0, 1.3], [2.0, 5.0, 12.0]])
    assert likelihood.log_ratio(scores) == pytest.approx(np.log(0.3 + 0.7 * np.exp(2.0 * (scores - 1.3))))
    assert likelihood.log_ratio(np.array(1.3)) == pytest.approx(0.0)


def test_no_score_rules_a_place_out() -> None:
    likelihood = Likelihood(2.0, 1.3, 0.3)
    assert likelihood.log_ratio(np.array([-1e3, -1e9])) == pytest.approx(np.log(0.3))
    assert likelihood.log_ratio(np.array([10.0, 20.0])) == pytest.approx(np.log(0.7) + 2.0 * np.array([8.7, 18.7]), rel=1e-6)


@no_warning
@examples(60)
@given(st.lists(st.floats(-1e15, 1e15), min_size=2, max_size=9), st.floats(0.1, 10), st.floats(-5, 9), st.floats(1e-9, 1 - 1e-9))
def test_it_grows_with_the_score_and_is_a_number(scores: list[float], slope: float, even: float, void: float) -> None:
    told = Likelihood(slope, even, void).log_ratio(np.sort(scores))
    assert is_finite(told) and (np.diff(told) >= 0).all()


@pytest.mark.parametrize("name", ["structural", "promptmid"])
def test_a_descriptor_has_one(name: str) -> None:
    likelihood = load(name).likelihood
    assert 0 < likelihood.slope < 20 and 0 < likelihood.void < 1
    assert float(likelihood.log_ratio(np.array(0.0))) < 0 < float(likelihood.log_ratio(np.array(6.0)))
