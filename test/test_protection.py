"""The protection level of a fix: what its error exceeds with a stated risk at most."""

from dataclasses import replace
from math import inf, log, sqrt

import numpy as np
import pytest
from judged import parts_of
from sightings import Sightings, track

from promptmid_core.descriptors.tail import UNKNOWN, Tail
from promptmid_core.localization.parts import Parts
from promptmid_core.localization.protection import SHARE, OtherPlaces, protected

NOWHERE = OtherPlaces(np.zeros(0), np.zeros(0), 0.0)
RAYLEIGH = Tail(tuple(sorted(np.sqrt(-2 * np.log(np.random.default_rng(1).uniform(size=5000))).tolist())))


class TestTail:
    def test_a_level_is_exceeded_by_no_more_than_the_risk_however_errors_are_distributed(self) -> None:
        """The share of the next errors beyond it, over many tails, of a distribution with no mean."""
        rng = np.random.default_rng(2)
        beyond = []
        for _ in range(4000):
            drawn = np.abs(rng.standard_cauchy(60))
            beyond.append(drawn[-1] > Tail(tuple(sorted(drawn[:59].tolist()))).level(0.05))
        assert np.mean(beyond) == pytest.approx(0.05, abs=0.01)

    def test_by_hand(self) -> None:
        tail = Tail(tuple(float(i) for i in range(1, 100)))
        assert tail.level(0.01) == 99.0 and tail.certified(0.01)
        assert tail.level(0.1) == 90.0
        assert not tail.certified(0.009)

    def test_beyond_what_was_seen_the_tail_goes_on(self) -> None:
        tail = Tail(tuple(float(i) for i in range(1, 101)))
        edge, excess = 90.0, 5.5
        assert tail.level(1e-3) == pytest.approx(max(edge + excess * log(0.1 / 1e-3), 100.0))
        levels = [tail.level(risk) for risk in (1e-2, 3e-3, 1e-3, 1e-4, 1e-6)]
        assert levels == sorted(levels)

    def test_of_a_normal_error_the_followed_tail_lies_on_the_safe_side(self) -> None:
        few = Tail(RAYLEIGH.scores[::20])
        assert not few.certified(1e-4) and few.level(1e-4) > sqrt(-2 * log(1e-4))

    def test_too_few_errors_tell_nothing(self) -> None:
        assert UNKNOWN.level(0.01) == inf and Tail((1.0,) * 19).level(1e-3) == inf

    @pytest.mark.parametrize("values", [None, "1", [1, "2"], [True], [-1.0], [2.0, 1.0], [float("nan")], [1e9]])
    def test_what_is_no_tail_is_refused(self, values: object) -> None:
        with pytest.raises(ValueError, match="errors are"):
            Tail.from_list(values)


def test_it_holds_the_risk_of_normal_errors() -> None:
    """Of ground and attitude that err as they are said to."""
    rng = np.random.default_rng(5)
    none = np.zeros((2, 2))
    level = Parts(none, np.diag([9.0, 1.0]), np.array([[4.0, 1.0], [1.0, 2.0]]), none)
    found = protected(level, level, RAYLEIGH, 0.05, NOWHERE)
    errors = rng.multivariate_normal([0, 0], level.ground, 20000) + rng.multivariate_normal([0, 0], level.attitude, 20000)
    share = float((np.hypot(*errors.T) > found.position).mean())
    assert share <= 0.05
    # and is not so wide that it says nothing
    assert found.position < 2.2 * np.quantile(np.hypot(*errors.T), 0.95)
    assert found.position == found.ground


def test_the_attitude_has_no_part_in_that_of_the_ground_point() -> None:
    tilted = replace(parts_of(3.0), attitude=100.0 * np.eye(2))
    found = protected(parts_of(3.0), tilted, RAYLEIGH, 1e-3, NOWHERE)
    assert found.ground == pytest.approx(3.0 * RAYLEIGH.level(SHARE * 1e-3))
    assert found.position == pytest.approx(found.ground + 10.0 * sqrt(-2 * log(SHARE * 1e-3)))


def test_it_reaches_to_the_places_that_are_as_probable_as_the_risk() -> None:
    places = OtherPlaces(np.array([400.0, 900.0, 5000.0]), np.array([0.02, 4e-4, 1e-5]), 1e-5)
    assert protected(parts_of(), parts_of(), RAYLEIGH, 1e-3, places).ground == 900.0
    assert protected(parts_of(), parts_of(), RAYLEIGH, 3e-3, places).ground == 400.0
    assert protected(parts_of(), parts_of(), RAYLEIGH, 0.09, places).ground < 10.0
    assert protected(parts_of(), parts_of(), RAYLEIGH, 1e-5, places).ground == inf, "elsewhere is more than that"


def test_the_places_around_a_fix_are_its_own() -> None:
    at = np.array([100.0, 0.0])
    others = OtherPlaces.of(at, [(np.array([130.0, 0.0]), 0.9), (np.array([100.0, 300.0]), 0.05)], 50.0, 0.05)
    assert others.distance.tolist() == [300.0] and others.probability.tolist() == [0.05]


def test_a_fix_of_a_descriptor_that_nobody_calibrated_has_no_level() -> None:
    fix = Sightings(track()).clear(3)[-1]
    assert fix.accepted and fix.protection is not None
    assert fix.protection.position == inf and not fix.protection.certified
