"""The belief over a flight: what a prior, frames, ground seen before and drift make of it, and that its numbers stay such."""

from typing import Any

import numpy as np
import pytest
from finite import covariances, examples, is_finite, no_warning, vectors
from hypothesis import example, given
from hypothesis import strategies as st

from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.localization.belief import HALF, PLACE, Belief, Spot, Surface

CELL = 40.0
SIDE = 2 * HALF + 1
LIKELIHOOD = Likelihood.line(2.0, 1.3, 0.3)
NEAR = (0.0, 0.0)


def prior(sigma: float = 100.0, cell: float = CELL) -> Belief:
    return Belief.of(np.diag([sigma ** 2, sigma ** 2]), cell)


def scene(*peaks: tuple[float, float, float], seed: int = 0, reach: float = 1000.0, among: int = 1) -> Surface:
    """Scores of noise, with peaks (east, north, height) that are a cell wide."""
    axis = np.arange(-reach, reach + 1, CELL / 2)
    east, north = (each.ravel() for each in np.meshgrid(axis, axis))
    scores = np.random.default_rng(seed).standard_normal(east.shape)
    for x, y, height in peaks:
        scores += height * np.exp(-((east - x) ** 2 + (north - y) ** 2) / (2 * CELL ** 2))
    return Surface(scores, east, north, among)


def total(belief: Belief) -> float:
    return float(belief.past.sum()) + belief.beyond


class TestPrior:
    def test_it_is_students_about_no_correction_and_some_of_it_beyond(self) -> None:
        belief = prior()
        assert total(belief) == pytest.approx(1) and 0.01 <= belief.beyond < 0.1
        assert float(belief.weights.sum()) + belief.elsewhere == pytest.approx(1)
        assert belief.weights == pytest.approx(belief.past)
        middle, far = belief.past[HALF, HALF], belief.past[HALF, HALF + 25]
        spread = 100.0 ** 2 + CELL ** 2 / 4
        assert far / middle == pytest.approx((1 + 1000.0 ** 2 / spread / 2) ** -2, rel=1e-6)
        assert far / middle > 1e6 * np.exp(-1000.0 ** 2 / spread / 2), "its tails are heavy"

    def test_an_ellipse_lies_north_up(self) -> None:
        belief = Belief.of(np.array([[1e4, 9e3], [9e3, 1e4]]), CELL)
        assert belief.past[HALF - 5, HALF + 5] > 3 * belief.past[HALF + 5, HALF + 5], "to the north-east"

    def test_a_wide_one_lies_beyond_the_rim_by_its_share(self) -> None:
        shares = [prior(sigma).beyond for sigma in (100.0, 1000.0, 1e4, 1e6)]
        assert shares == sorted(shares) and shares[-1] > 0.999
        assert prior(1e4).beyond == pytest.approx(1 - 0.99 * (1 - 1 / (1 + (HALF * CELL / 1e4) ** 2 / 2)), abs=1e-3)


class TestFrames:
    def test_a_peak_takes_the_belief(self) -> None:
        belief = prior().seen([scene((200.0, -120.0, 9.0))], 1.0, LIKELIHOOD)
        best = belief.best
        assert np.hypot(best.east - 200, best.north + 120) < CELL
        assert best.probability > 0.99 and belief.probability(200.0, -120.0) > 0.99
        assert belief.probability(-200.0, 120.0) < 0.01
        assert total(belief) == pytest.approx(1)

    def test_a_frame_of_nothing_changes_little(self) -> None:
        before, after = prior(), prior().seen([scene()], 1.0, LIKELIHOOD)
        assert after.best.probability < 3 * before.best.probability

    def test_a_sure_and_wrong_prior_is_outvoted(self) -> None:
        """Four hundred metres off, of which it says a sigma of fifteen: by one clear frame, or by several weak ones."""
        clear = prior(15.0).seen([scene((400.0, 0.0, 12.0))], 1.0, LIKELIHOOD)
        assert clear.probability(400.0, 0.0) > 0.99
        weak, held = prior(15.0), []
        for frame in range(12):
            weak = weak.seen([scene((400.0, 0.0, 4.5), seed=frame)], 1.0, LIKELIHOOD)
            held.append(weak.probability(400.0, 0.0))
        assert held[0] < 0.5 < 0.99 < held[-1]

    def test_ground_counts_once(self) -> None:
        """A hover: the same ground forty times over is worth one look, and the newest one."""
        once = prior().seen([scene((200.0, 0.0, 4.0))], 1.0, LIKELIHOOD)
        hovering = once
        for _ in range(40):
            hovering = hovering.seen([scene((200.0, 0.0, 4.0))], 0.0, LIKELIHOOD)
        flying = prior()
        for frame in range(40):
            flying = flying.seen([scene((200.0, 0.0, 4.0), seed=frame)], 1.0, LIKELIHOOD)
        assert hovering.weights == pytest.approx(once.weights)
        assert hovering.probability(200.0, 0.0) < 0.95 < 0.999 < flying.probability(200.0, 0.0)
        other = once.seen([scene((-200.0, 0.0, 9.0), seed=1)], 0.0, LIKELIHOOD)
        assert other.probability(-200.0, 0.0) > other.probability(200.0, 0.0), "a clearer look takes the place of the one before"

    @pytest.mark.parametrize("new", [0.0, 0.05, 0.5, 1.0])
    def test_the_look_before_counts_by_the_share_of_its_ground_that_has_left_the_view(self, new: float) -> None:
        first, second = scene((200.0, 0.0, 4.0)), scene((200.0, 0.0, 4.0), seed=1)
        told = [prior().seen([each], 1.0, LIKELIHOOD).told for each in (first, second)]
        belief = prior().seen([first], 1.0, LIKELIHOOD).seen([second], new, LIKELIHOOD)
        expected = prior().past * np.exp(new * told[0] + told[1])
        assert belief.weights / belief.weights.sum() == pytest.approx(expected / expected.sum())

    def test_places_that_a_frame_does_not_reach_keep_what_was_told_of_them(self) -> None:
        belief = prior().seen([scene((600.0, 0.0, 6.0))], 1.0, LIKELIHOOD)
        after = belief.seen([scene(reach=200.0)], 0.0, LIKELIHOOD)
        assert after.probability(600.0, 0.0) == pytest.approx(belief.probability(600.0, 0.0), rel=0.1)

    def test_equal_places_stay_equal_until_something_tells_them_apart(self) -> None:
        lattice = [(x, y, 9.0) for x in (-400.0, 0.0, 400.0) for y in (-400.0, 0.0, 400.0)]
        belief = prior(400.0)
        for _ in range(30):
            surface = scene(*lattice)
            belief = belief.seen([Surface(np.where(surface.scores > 4, 9.0, 0.0), surface.east, surface.north)], 1.0, LIKELIHOOD)
        probabilities = [belief.probability(x, y) for x, y, _ in lattice]
        assert sum(probabilities) > 0.95 and max(probabilities) < 0.5
        assert len(belief.places(16)) >= 9
        one = belief.seen([scene((-400.0, 400.0, 12.0))], 1.0, LIKELIHOOD)
        assert one.probability(-400.0, 400.0) > 0.99

    def test_the_best_of_many_headings_is_worth_less(self) -> None:
        one, many = (prior().seen([scene((400.0, 0.0, 5.0), among=among)], 1.0, LIKELIHOOD).probability(400.0, 0.0)
                     for among in (1, 60))
        assert many < one / 2

    def test_what_lies_beyond_the_cells_says_nothing(self) -> None:
        beyond = Surface(np.array([30.0, 30.0, np.nan]), np.array([1e4, -1e9, 2e4]), np.array([0.0, 0.0, 1e4]))
        assert prior().seen([beyond], 1.0, LIKELIHOOD).weights == pytest.approx(prior().weights)

    def test_the_highest_score_of_a_cell_counts(self) -> None:
        scores, at = np.array([9.0, -3.0, 2.0]), np.array([200.0, 203.0, 197.0])
        alone, all_of = (prior().seen([Surface(scores[:n], at[:n], np.zeros(n))], 1.0, LIKELIHOOD) for n in (1, 3))
        assert all_of.weights == pytest.approx(alone.weights)

    def test_scores_beyond_all_measure_are_sure_and_no_more(self) -> None:
        """Of a map that is flat everywhere else: standard deviations of nearly nothing."""
        belief = prior().seen([Surface(np.array([1e12]), np.array([200.0]), np.zeros(1))], 1.0, LIKELIHOOD)
        assert belief.probability(200.0, 0.0) == pytest.approx(1)
        assert is_finite(belief.past, belief.weights, belief.beyond)


class TestDrift:
    def test_the_variance_grows_by_that_of_the_drift_and_now_and_then_by_more(self) -> None:
        point = Belief(np.zeros((SIDE, SIDE)), 0.0, np.zeros((SIDE, SIDE)), CELL, np.zeros(2))
        point.past[HALF, HALF] = 1.0
        spread = point.spread(2 * CELL)
        steps = np.arange(-HALF, HALF + 1)
        variance = float((spread.past.sum(axis=0) * steps ** 2).sum())
        assert 4 < variance < 40
        within = float((spread.past.sum(axis=0) * (np.abs(steps) <= 6)).sum())
        assert 0.9 < within < 0.995, "a normal distribution has 0.997"
        assert total(spread) == pytest.approx(1)

    @pytest.mark.parametrize("sigma", [0.0, 0.01, 1.0, 30.0, 300.0, 1e4, 1e9, 1e300])
    def test_any_drift_leaves_probabilities(self, sigma: float) -> None:
        belief = prior().seen([scene((200.0, -120.0, 9.0))], 1.0, LIKELIHOOD).spread(sigma)
        assert total(belief) == pytest.approx(1) and belief.past.min() >= 0 and belief.beyond >= 0
        assert (belief.elsewhere > 0.99) is (sigma > 1e5)

    def test_ground_in_view_drifts_with_the_rest_of_the_belief(self) -> None:
        """However sure it was of its place; and what it never told of it does not tell of now."""
        sure = prior().seen([scene((200.0, -120.0, 12.0), reach=400.0)], 1.0, LIKELIHOOD)
        assert sure.probability(200.0, -120.0) > 0.999
        settled = sure.settled.spread(5 * CELL)
        spread = sure.spread(5 * CELL)
        assert spread.weights == pytest.approx(settled.weights)
        assert spread.probability(200.0, -120.0) < 0.3 and spread.radius(spread.best, 0.1) > 4 * CELL
        assert not sure.spread(0.3 * CELL).told[:20].any()

    def test_small_drifts_add_up_as_their_variances_do(self) -> None:
        often, once = prior(), prior().spread(0.5 * CELL)
        for _ in range(100):
            often = often.spread(0.05 * CELL)
        assert float(np.abs(often.past - once.past).sum()) < 0.02


class TestPlaces:
    def test_places_are_apart_and_the_best_comes_first(self) -> None:
        peaks = ((200.0, 0.0, 9.0), (-400.0, 320.0, 8.5), (0.0, -600.0, 8.0))
        belief = prior(300.0).seen([scene(*peaks)], 1.0, LIKELIHOOD)
        places = belief.places(3)
        assert len(places) == 3
        assert [place.probability for place in places] == sorted((place.probability for place in places), reverse=True)
        for i, place in enumerate(places):
            assert min(np.hypot(place.east - x, place.north - y) for x, y, _ in peaks) < CELL
            assert all(np.hypot(place.east - other.east, place.north - other.north) > PLACE * CELL for other in places[:i])
        assert sum(place.probability for place in places) <= 1

    def test_the_best_place_is_a_point_between_cells(self) -> None:
        one, other = 200.0 + CELL * np.array([0.0, 1.0])
        belief = prior(3000.0).seen([Surface(np.array([9.0, 9.0]), np.array([one, other]), np.zeros(2))], 1.0, LIKELIHOOD)
        assert belief.best.east == pytest.approx((one + other) / 2, abs=0.1 * CELL)
        assert belief.best.north == pytest.approx(0, abs=0.1 * CELL)

    def test_a_radius_holds_all_but_a_share(self) -> None:
        belief = prior(200.0)
        best = belief.best
        for but in (0.5, 0.1, 0.01):
            radius = belief.radius(best, but)
            steps = np.arange(-HALF, HALF + 1) * CELL
            near = np.hypot(steps - best.east, (-steps - best.north)[:, None]) <= radius + 1e-9
            held = float(belief.weights[near].sum()) / float(belief.weights.sum())
            assert 1 - but <= held < 1 - but + 0.02

    def test_a_radius_is_the_distance_of_the_cell_that_completes_the_share(self) -> None:
        belief = prior(300.0).seen([scene((200.0, -120.0, 8.0))], 1.0, LIKELIHOOD)
        steps = np.arange(-HALF, HALF + 1) * CELL
        for place in (belief.best, Spot(-700.0, 333.0, 0.0), Spot(9000.0, 0.0, 0.0)):
            distance = np.hypot(steps - place.east, (-steps - place.north)[:, None]).ravel()
            order = np.argsort(distance)
            held = np.cumsum(belief.weights.ravel()[order])
            for but in (0.3, 0.01, 1e-4):
                last = order[np.searchsorted(held, (1 - but) * held[-1])]
                assert belief.radius(place, but) == pytest.approx(distance[last], abs=1e-9)

    def test_no_belief_at_all_has_a_radius_and_a_best_place(self) -> None:
        nothing = Belief(np.zeros((SIDE, SIDE)), 1.0, np.zeros((SIDE, SIDE)), CELL, np.zeros(2))
        assert nothing.best.probability == 0 and nothing.places(5) == []
        assert is_finite(nothing.best.east, nothing.best.north, nothing.radius(Spot(0.0, 0.0, 0.0), 0.01), nothing.weights)


class TestAround:
    belief = prior().seen([scene((200.0, -120.0, 9.0))], 1.0, LIKELIHOOD)

    @pytest.mark.parametrize("cell", [CELL / 2, CELL, 2 * CELL])
    @pytest.mark.parametrize("middle", [(0.0, 0.0), (400.0, -200.0), (410.0, 130.0)], ids=str)
    def test_other_cells_hold_the_same(self, cell: float, middle: tuple[float, float]) -> None:
        """As where a climb takes the frames to a coarser level of the map, and back."""
        there = self.belief.around(np.array(middle), cell)
        assert there.cell == cell and there.middle.tolist() == list(middle)
        assert total(there) == pytest.approx(1)
        assert np.hypot(there.best.east - 200, there.best.north + 120) < max(cell, CELL)
        assert there.best.probability > 0.95
        back = there.around(np.zeros(2), CELL)
        assert back.probability(200.0, -120.0) == pytest.approx(self.belief.probability(200.0, -120.0), abs=0.1)

    def test_whole_cells_lose_nothing(self) -> None:
        back = self.belief.around(np.array([3 * CELL, -2 * CELL]), CELL).around(np.zeros(2), CELL)
        inner = np.s_[4:-4, 4:-4]
        assert back.weights[inner] == pytest.approx(self.belief.weights[inner], abs=1e-4)
        assert self.belief.around(np.zeros(2), CELL) is self.belief

    def test_what_falls_off_the_rim_is_beyond(self) -> None:
        far = self.belief.around(np.array([1e6, 0.0]), CELL)
        assert far.beyond == pytest.approx(1) and not far.weights.any()


class TestMixed:
    def test_a_share_of_another_belief(self) -> None:
        one, other = prior().seen([scene((200.0, 0.0, 9.0))], 1.0, LIKELIHOOD).settled, prior(400.0)
        mixed = one.mixed(other, 0.25)
        assert mixed.past == pytest.approx(0.75 * one.past + 0.25 * other.past)
        assert total(mixed) == pytest.approx(1)

    def test_settled_it_is_the_same_belief_with_nothing_in_view(self) -> None:
        belief = prior().seen([scene((200.0, 0.0, 9.0))], 0.3, LIKELIHOOD)
        assert belief.settled.weights == pytest.approx(belief.weights) and not belief.settled.told.any()
        assert belief.settled.beyond == pytest.approx(belief.elsewhere)

    def test_a_floor_leaves_something_beyond(self) -> None:
        sure = prior().seen([scene((200.0, 0.0, 30.0))], 1.0, LIKELIHOOD).settled
        assert sure.beyond < 1e-6
        floored = sure.floored(1e-3)
        assert floored.beyond == 1e-3 and total(floored) == pytest.approx(1)
        assert floored.floored(1e-4) is floored


SCORES = st.floats(-1e12, 1e12) | st.floats(-5, 40)
METRES = st.floats(-1e7, 1e7) | st.floats(-5e3, 5e3)
STEPS: Any = st.one_of(
    st.tuples(st.just("seen"), st.lists(st.tuples(SCORES, METRES, METRES), max_size=6), st.floats(0, 1), st.integers(1, 1000)),
    st.tuples(st.just("spread"), st.floats(0, 1e12) | st.floats(0, 1e3)),
    st.tuples(st.just("around"), vectors(2, METRES), st.sampled_from((0.1, 4.0, CELL, 80.0, 1e4))),
    st.tuples(st.just("mixed"), covariances(-3, 9), st.floats(0, 1)),
    st.tuples(st.just("floored"), st.floats(0, 0.5)), st.tuples(st.just("settled")))


@no_warning
@examples(150)
@given(covariances(-9, 9), st.sampled_from((0.1, CELL, 1e4)), st.lists(STEPS, max_size=6))
@example(np.ones((6, 6)), CELL, [])
@example(1e18 * np.ones((6, 6)), CELL, [("spread", 1e12)])
def test_any_finite_history_leaves_probabilities(covariance: Any, cell: float, steps: list[Any]) -> None:
    belief = Belief.of(covariance[:2, :2], cell)
    for step in [("settled",), *steps]:
        if step[0] == "seen":
            scores, east, north = np.array(step[1], float).reshape(-1, 3).T
            belief = belief.seen([Surface(scores, east, north, step[3])], step[2], LIKELIHOOD)
        elif step[0] == "mixed":
            belief = belief.mixed(Belief.of(step[1][:2, :2], cell), step[2])
        elif step[0] == "settled":
            belief = belief.settled
        else:
            belief = getattr(belief, step[0])(*step[1:])
        assert is_finite(belief.past, belief.told, belief.beyond, belief.weights)
        assert belief.past.min() >= 0 and -1e-9 <= belief.beyond <= 1 + 1e-9
        assert total(belief) == pytest.approx(1, abs=1e-6) and -1e-6 <= belief.elsewhere <= 1 + 1e-6
        best = belief.best
        assert is_finite(best.east, best.north, best.probability, belief.radius(best, 0.01))
        assert all(0 <= place.probability <= 1 + 1e-6 for place in belief.places(4))


@pytest.mark.parametrize("cells", [0.9, 1.1, 2.0])
def test_ground_that_stays_in_view_counts_once_however_far_the_odometry_may_have_drifted(cells: float) -> None:
    cell, likelihood = 40.0, Likelihood.line(2.5, 1.6, 0.3)
    east, north = (axis.ravel() for axis in np.meshgrid(np.arange(-2000.0, 2001, 40), np.arange(-2000.0, 2001, 40)))
    scores = np.where(np.hypot(east - 800, north) < 20, 6.0, 0.0)
    look = Surface(scores, east, north)
    once = Belief.of(np.eye(2) * 160.0 ** 2, cell).seen([look], 1.0, likelihood)
    again = once.spread(cells * cell).seen([look], 0.0, likelihood)
    assert 0.3 < once.probability(800, 0) < 0.95
    assert again.probability(800, 0) < 1.05 * once.probability(800, 0)


def test_of_a_place_a_spot_holds_what_lies_within_a_cell_and_a_half_of_it() -> None:
    """Beside the middle the place is the same, and the spot another."""
    belief = Belief.at(np.array([2 * CELL, 0.0]), 0.999, CELL)
    for aside, least, most in ((0.0, 0.98, 1.0), (1.0, 0.8, 0.98), (2.0, 0.1, 0.4)):
        place = Spot((2 + aside) * CELL, 0.0, 1.0)
        assert least <= belief.spot(place) <= most, aside
    assert belief.probability(4 * CELL, 0.0) > 0.8
    assert Belief.at(np.zeros(2), 0.3, CELL).spot(Spot(0.0, 0.0, 1.0)) > 0.98, "however little it holds of all"
    assert belief.spot(Spot(-40 * CELL, 0.0, 1.0)) == 0.0
