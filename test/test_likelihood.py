"""What a score says of a place."""

from typing import Any

import numpy as np
import pytest
from finite import examples, is_finite, no_warning
from hypothesis import given
from hypothesis import strategies as st

from promptmid_core.descriptors import load
from promptmid_core.descriptors.likelihood import CAUTIOUS, Likelihood

SOUND = {"scores": [0, 4, 9], "nats": [-3.0, 0.5, 6], "flank": 0.1, "surplus": 1.2, "surplus_even": -0.3}


def test_it_is_a_line_between_scores_and_goes_on_beyond_the_last() -> None:
    likelihood = Likelihood.from_dict(SOUND)
    scores = np.array([[-9.0, 0.0, 2.0], [4.0, 6.5, 14.0]])
    assert likelihood.log_ratio(scores) == pytest.approx(np.array([[-3.0, -3.0, -1.25], [0.5, 3.25, 11.5]]))
    assert likelihood.slope == pytest.approx(1.1)


def test_no_score_rules_a_place_out() -> None:
    likelihood = Likelihood.line(2.0, 1.3, 0.3)
    assert likelihood.log_ratio(np.array([-1e3, -1e9])) == pytest.approx(np.log(0.3))
    assert likelihood.log_ratio(np.array([1.3, 10.0])) == pytest.approx(np.array([0.0, 2.0 * 8.7]))
    assert likelihood.log_ratio(np.array([0.0]), np.array([30.0])) == pytest.approx(np.log(0.3))


def test_the_flank_of_a_higher_peak_says_less_than_its_score() -> None:
    likelihood, scores = Likelihood.from_dict(SOUND), np.array([6.0, 6.0])
    peak, flank = likelihood.log_ratio(scores, np.array([6.0, 8.0]))
    assert flank == pytest.approx(peak - 0.1 * 2.0 * (7.0 - likelihood.slope))


@no_warning
@examples(60)
@given(st.lists(st.floats(-1e15, 1e15), min_size=2, max_size=9), st.floats(0.1, 10), st.floats(-5, 9), st.floats(1e-9, 1 - 1e-9))
def test_it_grows_with_the_score_and_is_a_number(scores: list[float], slope: float, even: float, void: float) -> None:
    told = Likelihood.line(slope, even, void).log_ratio(np.sort(scores))
    assert is_finite(told) and (np.diff(told) >= 0).all()


def test_what_is_written_is_read() -> None:
    likelihood = Likelihood.from_dict(SOUND)
    assert Likelihood.from_dict(likelihood.to_dict()) == likelihood


@pytest.mark.parametrize(("changes", "told"), [
    ({"scores": [0, 4, 4]}, "scores are .*do not rise"), ({"nats": [0, 2, 1]}, "nats are .*do not rise"),
    ({"nats": [1, 1, 1]}, "nats are .*do not rise"), ({"scores": [0, 4]}, "2 scores and 3 nats"), ({"scores": [0]}, "scores are"),
    ({"nats": [0, 1, float("nan")]}, "nats are"), ({"nats": [0, 1, 1e9]}, "nats are"), ({"nats": [0, True, 2]}, "nats are"),
    ({"nats": "012"}, "nats are"), ({"flank": -0.1}, "flank is -0.1"), ({"surplus": float("inf")}, "surplus is inf"),
    ({"surplus_even": "0"}, "surplus_even is '0'"), ({"slope": 1}, "has to state"),
])
def test_what_is_no_likelihood_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Likelihood.from_dict(SOUND | changes)


@pytest.mark.parametrize("name", ["structural", "promptmid"])
def test_no_descriptor_that_is_shipped_is_more_cautious_than_one_that_is_not_calibrated(name: str) -> None:
    scores = np.arange(-2.0, 30.0, 0.5)
    fitted, cautious = (each.log_ratio(scores) for each in (load(name).likelihood, CAUTIOUS))
    assert (np.diff(cautious) <= np.diff(fitted) + 1e-9).all()
    assert (cautious <= fitted)[scores >= 2].all()
    assert CAUTIOUS.surplus == CAUTIOUS.flank == 0
