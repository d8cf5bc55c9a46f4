"""A plain filter of fixes: honest where they are independent, too sure where their errors repeat."""

import json
from dataclasses import replace

import numpy as np
import pytest
from flights import GSD
from judged import SIGMA_M, fix_at, flight_of, refused_at, repeating

from promptmid_core.replay.metrics import summarise, table
from promptmid_core.replay.plainfilter import SHARE, STRETCH_PX, followed
from promptmid_core.replay.run import ReplayedFrame

STEP = np.array([60.0, 80.0])
PER_METRE = SHARE ** 2 * STRETCH_PX * GSD
COUNT = 1500


def flown(errors: np.ndarray) -> list[ReplayedFrame]:
    """Fixes with `errors` (n, 2) in metres, one each STEP of the way."""
    return [fix_at(i, STEP * i, error) for i, error in enumerate(errors)]


def test_independent_errors_leave_it_honest() -> None:
    plain = followed(flown(repeating(np.random.default_rng(1), COUNT, 0.0) * SIGMA_M), GSD)
    assert plain["coverage95"] == pytest.approx(0.95, abs=0.025)
    assert plain["nees"] == pytest.approx(2.0, abs=0.35)
    # the filter is better than its fixes, and says so
    assert plain["stated_px"] < 0.6 * np.sqrt(2) * SIGMA_M / GSD
    assert plain["error_px"]["median"] == pytest.approx(plain["stated_px"] * np.sqrt(np.log(2)), rel=0.12)
    assert plain["error_px"]["p95"] == pytest.approx(plain["stated_px"] * np.sqrt(np.log(20)), rel=0.12)


def test_errors_that_repeat_make_it_sure_of_a_wrong_place() -> None:
    errors = repeating(np.random.default_rng(1), COUNT, 0.95) * SIGMA_M
    frames = flown(errors)
    summary = summarise(flight_of(frames))
    # of each fix the covariance is right all the same
    assert summary["coverage95"] == pytest.approx(0.95, abs=0.04)
    assert summary["filter"]["coverage95"] < 0.6
    assert summary["filter"]["nees"] > 6
    assert f"{100 * summary['filter']['coverage95']:.1f} %   NEES {summary['filter']['nees']:.2f}, honest is 2" in table(summary)


def test_two_fixes_by_hand() -> None:
    frames = [fix_at(0, np.zeros(2), np.array([30.0, 0.0])), fix_at(1, STEP, np.array([-10.0, 20.0]), sigma_m=10.0)]
    noise = PER_METRE * 100.0
    before, fix = SIGMA_M ** 2 + noise, 100.0
    gain, variance = before / (before + fix), before * fix / (before + fix)
    error = (1 - gain) * np.array([30.0, 0.0]) + gain * np.array([-10.0, 20.0])
    scatter = (1 - gain) ** 2 * noise
    plain = followed(frames, GSD)
    assert plain["stated_px"] == pytest.approx(np.sqrt(2 * variance) / GSD, rel=1e-5)
    # the filters differ by the noise of their odometry
    assert plain["nees"] == pytest.approx((error @ error + 2 * scatter) / variance, rel=0.03)
    assert plain["error_px"]["median"] == pytest.approx(np.hypot(*error) / GSD, rel=0.03)
    assert plain["error_px"]["p95"] == pytest.approx((np.hypot(*error) + 1.645 * np.sqrt(scatter)) / GSD, rel=0.03)
    assert plain["coverage95"] == 0.0


def test_it_is_the_same_each_time() -> None:
    frames = flown(repeating(np.random.default_rng(1), 30, 0.0) * SIGMA_M)
    assert followed(frames, GSD) == followed(frames, GSD)


def test_frames_without_a_fix_or_a_truth_do_not_break_it() -> None:
    frames = flown(repeating(np.random.default_rng(1), 40, 0.0) * SIGMA_M)
    strays = [refused_at(0, np.zeros(2)), fix_at(0, STEP * 20, np.array([900.0, 0.0]), with_truth=False)]
    stamped = [replace(stray, fix=replace(stray.fix, stamp_ns=frames[19].fix.stamp_ns + 1)) for stray in strays]
    told = [replace(frame, index=index) for index, frame in enumerate([*frames[:20], *stamped, *frames[20:]])]
    assert followed(told, GSD) == followed(frames, GSD)
    # a refused frame of another time is no end of the flight
    told[20] = replace(told[20], fix=replace(told[20].fix, stamp_ns=0))
    assert followed(told, GSD) == followed(frames, GSD)


def test_what_it_states_of_the_way_does_not_depend_on_how_many_images_there_are() -> None:
    # fixes after the first that say nothing
    first, middle, last = (fix_at(i, STEP * i / 2, np.zeros(2), sigma_m=1.0 if i == 0 else 1e5) for i in range(3))
    half, whole = (np.sqrt(2 * (1.0 + PER_METRE * way)) / GSD for way in (50.0, 100.0))
    assert followed([first, last], GSD)["stated_px"] == pytest.approx(whole, rel=1e-5)
    assert followed([first, middle, last], GSD)["stated_px"] == pytest.approx((half + whole) / 2, rel=1e-5)


def test_flights_beside_each_other_begin_anew() -> None:
    one, other = (flown(repeating(np.random.default_rng(seed), 50, 0.0) * SIGMA_M) for seed in (3, 4))
    together, apart = followed(one + other, GSD), [followed(flight, GSD) for flight in (one, other)]
    assert together["nees"] == pytest.approx(np.mean([flight["nees"] for flight in apart]), abs=1e-5)


def test_what_is_not_known_is_null() -> None:
    nothing = {"coverage95": None, "nees": None, "error_px": {"median": None, "p95": None}, "stated_px": None}
    blind = [fix_at(i, np.zeros(2), np.zeros(2), with_truth=False) for i in range(5)]
    once = [refused_at(0, np.zeros(2)), fix_at(1, np.zeros(2), np.zeros(2))]
    for frames in ([], blind, once, [*once, *once]):
        assert followed(frames, GSD) == nothing
        assert json.loads(json.dumps(summarise(flight_of(frames)), allow_nan=False))["filter"] == nothing
        assert "None" not in table(summarise(flight_of(frames)))


