"""The clock of a truth against that of the odometry, by when the aircraft changes its speed and its course."""

import numpy as np
import pytest

from promptmid_core.replay.timing import time_offset

START = 1_700_000_000


def flight(seconds=120.0, rate=20.0, straight=False):
    """(n,) seconds and (n, 3) positions of an aircraft that turns and speeds up without a period."""
    times = np.arange(0.0, seconds, 1 / rate)
    speed = 40.0 + (0 if straight else 5) * np.sin(times / 11)
    course = np.zeros_like(times) if straight else 0.6 * np.sin(times / 7) + 0.4 * np.sin(times / 3.1)
    way = np.column_stack([speed * np.cos(course), speed * np.sin(course), np.zeros_like(times)])
    return times, np.cumsum(way, axis=0) / rate


def stamped(times, places, offset=0.0):
    return np.round((START + times + offset) * 1e9).astype(np.int64), places


@pytest.mark.parametrize("late", [0.0, 0.35, -1.27, 18.0])
@pytest.mark.parametrize("rate", [20.0, 1.0])
def test_the_offset_of_a_truth_is_found(late, rate):
    times, places = flight()
    every = round(20 / rate)
    noise = np.random.default_rng(3).normal(0, 0.2, places.shape)
    turned = places @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    found = time_offset(stamped(times[::every], (places + noise)[::every], late), stamped(times, turned))
    assert found is not None
    assert found.seconds == pytest.approx(-late, abs=0.06)
    assert found.speed == pytest.approx(40, abs=3)
    assert ("late" in str(found)) == (found.seconds < 0)


def test_an_offset_that_is_no_better_than_none_but_by_chance_is_not_told():
    times, places = flight(60.0)
    for seed in range(8):
        walk = np.cumsum(np.random.default_rng(seed).normal(0, 0.5, places.shape), axis=0)
        found = time_offset(stamped(times, places), stamped(times, places + walk))
        assert found is None or abs(found.seconds) < 0.06


def test_clocks_that_share_no_time_are_laid_over_each_other_first():
    times, places = flight()
    relative = np.round(times * 1e9).astype(np.int64), places
    found = time_offset(relative, stamped(times, places, 3.3))
    assert found is not None and found.seconds == pytest.approx(START + 3.3, abs=0.05)


def test_what_flies_straight_or_briefly_tells_nothing():
    times, places = flight(straight=True)
    noisy = places + np.random.default_rng(1).normal(0, 0.5, places.shape)
    assert time_offset(stamped(times, noisy), stamped(times, places)) is None
    times, places = flight(10.0)
    assert time_offset(stamped(times, places), stamped(times, places)) is None
    assert time_offset((np.zeros(0, np.int64), np.zeros((0, 3))), stamped(times, places)) is None
