"""A plain filter of fixes: honest where they are independent, too sure where their errors repeat."""

import json
from dataclasses import replace

import numpy as np
import pytest
from flights import GSD
from judged import SIGMA_M, fix_at, flight_of, prior_at, refused_at, repeating

from promptmid_core.replay.metrics import summarise, table
from promptmid_core.replay.plainfilter import SHARE, STRETCH_PX, followed
from promptmid_core.replay.run import ReplayedFrame

STEP = np.array([60.0, 80.0])
PER_METRE = SHARE ** 2 * STRETCH_PX * GSD
COUNT = 1500


def flown(errors: np.ndarray, seed: int = 2) -> list[ReplayedFrame]:
    """Fixes with `errors` (n, 2) in metres each STEP of the way, and odometry that is as wrong as the filter believes."""
    places = STEP * np.arange(len(errors))[:, None]
    noise = np.random.default_rng(seed).normal(size=(len(errors), 2)) * np.sqrt(PER_METRE * 100.0)
    return [fix_at(i, place, error, prior=prior_at(i, place, place + off))
            for i, (place, error, off) in enumerate(zip(places, errors, np.cumsum(noise, axis=0), strict=True))]


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
    frames = [fix_at(0, np.zeros(2), np.array([3.0, 0.0]), prior=prior_at(0, np.zeros(2), np.zeros(2))),
              fix_at(1, STEP, np.array([-1.0, 2.0]), sigma_m=10.0, prior=prior_at(1, STEP, STEP))]
    before, fix = SIGMA_M ** 2 + PER_METRE * 100.0, 100.0
    gain, variance = before / (before + fix), before * fix / (before + fix)
    error = (1 - gain) * np.array([3.0, 0.0]) + gain * np.array([-1.0, 2.0])
    plain = followed(frames, GSD)
    assert plain["nees"] == pytest.approx(error @ error / variance, rel=1e-5)
    assert plain["error_px"] == pytest.approx({"median": np.hypot(*error) / GSD, "p95": np.hypot(*error) / GSD}, rel=1e-5)
    assert plain["stated_px"] == pytest.approx(np.sqrt(2 * variance) / GSD, rel=1e-5)
    assert plain["coverage95"] == 1.0


def test_flights_beside_each_other_begin_anew() -> None:
    one, other = (flown(repeating(np.random.default_rng(seed), 50, 0.0) * SIGMA_M) for seed in (3, 4))
    together, apart = followed(one + other, GSD), [followed(flight, GSD) for flight in (one, other)]
    assert together["nees"] == pytest.approx(np.mean([flight["nees"] for flight in apart]), abs=1e-5)


def test_what_is_not_known_is_null() -> None:
    nothing = {"coverage95": None, "nees": None, "error_px": {"median": None, "p95": None}, "stated_px": None}
    blind = [fix_at(i, np.zeros(2), np.zeros(2), prior=prior_at(i, np.zeros(2)), with_truth=False) for i in range(5)]
    once = [refused_at(0, np.zeros(2)), fix_at(1, np.zeros(2), np.zeros(2), prior=prior_at(1, np.zeros(2)))]
    for frames in ([], blind, once, [*once, *once]):
        assert followed(frames, GSD) == nothing
        assert json.loads(json.dumps(summarise(flight_of(frames)), allow_nan=False))["filter"] == nothing
        assert "None" not in table(summarise(flight_of(frames)))


# --- odometry

def test_it_moves_by_the_motion_not_by_the_jumps_of_the_prior() -> None:
    errors = repeating(np.random.default_rng(1), 40, 0.0) * SIGMA_M
    steady, jumping = [], []
    for i, error in enumerate(errors):
        place = STEP * i
        steady.append(fix_at(i, place, error, prior=prior_at(i, place, place)))
        # from the middle on the prior is 500 m off, and the motion is told in a frame turned by a right angle
        off = np.array([500.0, 0.0]) * (i > 20)
        jumping.append(fix_at(i, place, error, prior=prior_at(i, place + off, np.array([-place[1], place[0]]), np.pi / 2)))
    assert followed(jumping, GSD) == followed(steady, GSD)


def test_a_refused_frame_of_another_time_neither_moves_nor_breaks_it() -> None:
    frames = flown(repeating(np.random.default_rng(1), 40, 0.0) * SIGMA_M)
    stray = refused_at(0, np.zeros(2), prior_at(0, np.array([900.0, 0.0]), np.array([900.0, 0.0])))
    told = [replace(frame, index=index) for index, frame in enumerate([*frames[:20], stray, *frames[20:]])]
    assert followed(told, GSD) == followed(frames, GSD)


def test_frames_without_a_fix_move_it_too_and_finer_steps_change_nothing() -> None:
    errors = repeating(np.random.default_rng(1), 40, 0.0) * SIGMA_M
    coarse = [fix_at(2 * i, STEP * i, error, prior=prior_at(2 * i, STEP * i, STEP * i)) for i, error in enumerate(errors)]
    fine = []
    for i, frame in enumerate(coarse):
        between = STEP * (i + 0.5)
        fine += [frame, refused_at(2 * i + 1, between, prior_at(2 * i + 1, between, between))]
    assert followed(fine, GSD) == followed(coarse, GSD)
