"""What a replay tells of protection levels."""

import json
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from flights import GSD
from judged import fix_at, flight_of, repeating

from promptmid_core.localization.protection import Protection
from promptmid_core.replay import figures
from promptmid_core.replay.metrics import summarise, table
from promptmid_core.replay.run import Flight
from promptmid_core.replay.shares import bound95


def flown(level_m: float, count: int = 120) -> Flight:
    """Fixes 5 m off an axis, all of one protection level."""
    errors = repeating(np.random.default_rng(3), count, 0.0) * 5.0
    frames = [fix_at(i, np.array([100.0 * i, 0.0]), error) for i, error in enumerate(errors)]
    level = Protection(level_m, level_m, True)
    return flight_of([replace(frame, fix=replace(frame.fix, protection=level)) for frame in frames])


def test_errors_beyond_their_level_are_counted_and_bounded_by_the_independent_samples() -> None:
    flight = flown(2.0 * 5.0)
    summary = summarise(flight)
    found = summary["protection"]
    beyond = sum(frame.error_m > 10.0 for frame in flight.frames)
    assert found["exceeded"] == beyond > 0
    assert found["level_px_median"] == pytest.approx(10.0 / GSD)
    samples = summary["independent_samples"]
    assert found["bound"] == bound95(beyond / 120 * samples, samples)
    assert beyond / 120 < found["bound"] < 0.5
    assert f"exceeded by {beyond} fixes" in table(summary)
    json.dumps(found, allow_nan=False)


def test_a_level_that_holds_is_bounded_all_the_same() -> None:
    found = summarise(flown(60.0))["protection"]
    assert found["exceeded"] == 0
    # 3 / n, as of so many trials without a failure
    assert found["bound"] == pytest.approx(3.0 / summarise(flown(60.0))["independent_samples"], rel=0.05)


def test_fixes_without_a_level_are_told() -> None:
    summary = summarise(flown(inf))
    assert summary["protection"] == {"level_px_median": None, "exceeded": None, "bound": None, "unbounded": 120}
    assert "120 fixes have none" in table(summary)
    assert figures.stanford(flown(inf)) is None
    assert figures.stanford(flown(60.0)) is not None


def test_the_bound_of_a_share() -> None:
    assert bound95(0, 0) is None
    assert bound95(0, 10) == pytest.approx(1 - 0.05 ** 0.1, abs=1e-6)
    assert bound95(10, 10) == 1.0
    assert bound95(0.5, 10) > bound95(0, 10)
