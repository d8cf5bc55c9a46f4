"""An audit's figures on errors that are known: places count once, what is alike is measured, and the offset is found with a sigma
that holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from refusals import told

from promptmid_core.audit.audit import concluded
from promptmid_core.audit.covariance import Covariance, fitted
from promptmid_core.audit.field import field_of, foretold, grid_over
from promptmid_core.audit.places import Places, Sightings, places_of
from promptmid_core.geometry import Grid

GSD, CELL = 10.0, 320.0


def over(places: np.ndarray, errors: np.ndarray, times: np.ndarray | float = 0.0, bag: str = "flight") -> Sightings:
    """Sightings of one frame."""
    count = len(places)
    return Sightings(bag, places, errors, np.broadcast_to(times, count).astype(float), np.zeros(count, int),
                     np.ones(count, bool), 1)


def ground(cols: int, rows: int) -> np.ndarray:
    """The middles (n, 2) of cells."""
    return (np.stack(np.meshgrid(np.arange(cols), np.arange(rows)), axis=-1).reshape(-1, 2) + 0.5) * CELL


def drawn(at: np.ndarray, covariance: Covariance, rng: np.random.Generator) -> np.ndarray:
    """A field (n, 2) of this covariance."""
    lower = np.linalg.cholesky(covariance.between(at, at) + 1e-6 * covariance.variance * np.eye(len(at)))
    return np.asarray(lower @ rng.normal(size=(len(at), 2)))


def seen(at: np.ndarray, error: np.ndarray, looks: float = 1.0) -> Places:
    return Places(at, error, np.full(len(at), looks), np.floor(at / CELL).astype(np.int64))


def reference(side: int = 3200) -> Any:
    grid = Grid(5.0, side * GSD - 5.0, GSD, side, side)
    return SimpleNamespace(path="the map", gsd=GSD, grid=grid)


def test_frames_that_share_ground_are_one_look_and_another_pass_or_flight_is_another() -> None:
    at = np.tile([[100.0, 100.0]], (20, 1))
    errors = np.tile([[3.0, -4.0]], (20, 1))
    first = over(at, errors, np.arange(20.0))
    assert places_of([first], CELL).looks.tolist() == [1]
    again = over(np.tile(at, (2, 1)), np.tile(errors, (2, 1)), np.concatenate([np.arange(20.0), 100 + np.arange(20.0)]))
    assert places_of([again], CELL).looks.tolist() == [2]
    both = places_of([first, again], CELL)
    assert both.looks.tolist() == [3]
    assert both.error == pytest.approx(np.array([[3.0, -4.0]]))
    assert both.cells.tolist() == [[0, 0]]


def test_how_many_frames_a_look_has_does_not_weigh() -> None:
    often = over(np.tile([[100.0, 100.0]], (50, 1)), np.tile([[4.0, 0.0]], (50, 1)))
    seldom = over(np.tile([[100.0, 100.0]], (2, 1)), np.tile([[0.0, 0.0]], (2, 1)))
    assert places_of([often, seldom], CELL).error == pytest.approx(np.array([[2.0, 0.0]]))


def test_one_wrong_look_of_three_does_not_count() -> None:
    at, right, wrong = np.tile([[100.0, 100.0]], (3, 1)), np.tile([[1.0, 1.0]], (3, 1)), np.tile([[70.0, -60.0]], (3, 1))
    assert places_of([over(at, right), over(at, wrong), over(at, right)], CELL).error == pytest.approx(np.array([[1.0, 1.0]]))


def test_a_single_tie_point_is_no_look() -> None:
    assert len(places_of([over(np.array([[100.0, 100.0]]), np.zeros((1, 2)))], CELL)) == 0


@pytest.mark.parametrize(("reach", "noise"), [(2.0, 0.05), (6.0, 0.4)])
def test_range_variance_and_noise_are_found(reach: float, noise: float) -> None:
    true, rng, at = Covariance(64.0, reach * CELL, noise * 64.0), np.random.default_rng(3), ground(30, 30)
    errors = drawn(at, true, rng) + rng.normal(0, np.sqrt(true.noise), (len(at), 2))
    found = fitted(seen(at, errors), CELL)
    assert found.range_m == pytest.approx(true.range_m, rel=0.6)
    assert found.variance == pytest.approx(true.variance, rel=0.5)
    assert found.noise == pytest.approx(true.noise, rel=0.6)


def test_the_offset_is_found_between_places_and_its_sigma_is_as_large_as_its_error() -> None:
    true, rng = Covariance(64.0, 4 * CELL, 6.4), np.random.default_rng(5)
    at, grid = ground(24, 24), Grid(CELL / 2, 23.5 * CELL, CELL, 24, 24)
    field = drawn(at, true, rng)
    flown = rng.random(len(at)) < 0.5
    errors = field[flown] + rng.normal(0, np.sqrt(true.noise), (int(flown.sum()), 2))
    found = field_of(seen(at[flown], errors), true, grid, 1.0)
    truth = field.reshape(24, 24, 2)[::-1].transpose(2, 0, 1)  # rows run south
    left = found.values[:2] - truth
    assert np.sqrt((left ** 2).mean()) < 0.6 * np.sqrt((truth ** 2).mean())
    # of the means over nine nodes, which sigma is of
    means = np.lib.stride_tricks.sliding_window_view(left, (9, 9), axis=(1, 2)).mean(axis=(3, 4))
    stated = found.values[2, 4:-4, 4:-4]
    assert 0.5 < np.sqrt((means ** 2 / stated ** 2).mean()) < 1.6


def test_away_from_all_flights_there_is_no_offset_and_the_registration_sigma() -> None:
    at = ground(12, 12)
    places = seen(at, np.tile([[8.0, -5.0]], (len(at), 1)), looks=2.0)
    covariance = Covariance(64.0, 2 * CELL, 1.0)
    found = field_of(places, covariance, Grid(-60 * CELL + CELL / 2, 11.5 * CELL, CELL, 75, 12), 50.0)
    assert np.abs(found.values[:2, 6, 0]).max() < 1e-3
    assert found.values[2, 6, 0] == pytest.approx(50.0) and found.away_m == pytest.approx(50.0)
    assert found.values[:2, 6, 66] == pytest.approx(np.array([8.0, -5.0]), abs=0.7)
    assert found.values[2, 6, 66] < 15
    assert found.values[3, 6].tolist() == [0.0] * 60 + [2.0] * 12 + [0.0] * 3


def test_more_looks_make_it_surer() -> None:
    at, covariance, grid = ground(16, 16), Covariance(64.0, 2 * CELL, 60.0), Grid(CELL / 2, 15.5 * CELL, CELL, 16, 16)
    once, often = (field_of(seen(at, np.zeros((len(at), 2)), looks), covariance, grid, 8.0).values[2] for looks in (1.0, 9.0))
    assert (often < once).all() and (often < 0.6 * once)[6:10, 6:10].all()


def test_errors_that_are_larger_around_make_it_less_sure() -> None:
    covariance, grid = Covariance(64.0, 2 * CELL, 6.0), Grid(CELL / 2, 7.5 * CELL, CELL, 8, 8)
    at = ground(8, 8)
    errors = drawn(at, covariance, np.random.default_rng(1))
    flat, hills = (field_of(seen(at, size * errors), covariance, grid, 0.01).values[2] for size in (0.2, 5.0))
    assert (hills > 3 * flat).all()


def test_places_found_at_a_wrong_place_do_not_bend_it() -> None:
    rng, at = np.random.default_rng(7), ground(16, 16)
    truth = np.column_stack([6 * np.sin(at[:, 0] / 2000), 6 * np.cos(at[:, 1] / 2000)])
    errors = truth + rng.normal(0, 1.0, truth.shape)
    wrong = rng.random(len(at)) < 0.08
    errors[wrong] += rng.choice([-60.0, 60.0], (int(wrong.sum()), 2))
    covariance = Covariance(18.0, 6 * CELL, 1.0)
    left = foretold(seen(at, errors), covariance, at[wrong]) - truth[wrong]
    assert np.median(np.hypot(*left.T)) < 3.0


def test_nodes_lie_around_all_places_and_on_the_map() -> None:
    places = seen(ground(4, 3), np.zeros((12, 2)))
    grid = grid_over(places, CELL, 2 * CELL, (0.0, 0.0, 1e5, 1e5))
    assert (grid.width, grid.height) == (6, 5)
    assert (grid.x, grid.y) == (CELL / 2, 4.5 * CELL)


def test_each_flight_is_told_how_much_of_its_errors_the_others_foretell() -> None:
    rng, at = np.random.default_rng(2), ground(12, 12)
    field = drawn(at, Covariance(64.0, 3 * CELL, 0.0), rng)
    twice = np.repeat(at, 2, axis=0), np.repeat(field, 2, axis=0)
    flights = [over(twice[0], twice[1] + rng.normal(0, 0.5, twice[1].shape), time, bag)
               for time, bag in enumerate(("one", "two"))]
    apart = over(twice[0] + 50 * CELL, twice[1], bag="apart")
    found = concluded([*flights, apart], reference(), 5.0)
    one, two, far = found.held_out
    assert one is not None and two is not None and far is not None
    for held in (one, two):
        assert held.covered == 1.0 and held.explained is not None and held.explained > 0.9
    assert far.covered == 0.0 and far.explained is None
    alone = concluded(flights[:1], reference(), 5.0)
    assert alone.held_out == (None,)


def test_what_cannot_be_fitted_is_refused() -> None:
    at = np.repeat(ground(6, 6), 2, axis=0)
    flight = over(at, np.ones_like(at), bag="one")
    again = over(at, np.ones_like(at), bag="a copy")
    assert "one and a copy are the same flight" in told(concluded, [flight, again], reference(), 5.0)
    few = over(at[:6], np.ones((6, 2)))
    assert "show 3 places of the map" in told(concluded, [few], reference(), 5.0)
    far = over(at + 3e6, np.ones_like(at), np.arange(len(at)), bag="far")
    assert "lie so far apart" in told(concluded, [flight, far], reference(320_000), 5.0)
