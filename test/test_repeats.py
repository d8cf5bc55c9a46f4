"""How far errors repeat, of flights whose errors repeat in a known way."""

import json
from dataclasses import replace

import numpy as np
import pytest
from flights import FRAME_NS, GSD
from judged import SIGMA_M, fix_at, flight_of, parts_of, refused_at, repeating

from promptmid_core.localization.fix import GroundPoint
from promptmid_core.replay import repeats
from promptmid_core.replay.metrics import summarise, table
from promptmid_core.replay.repeats import autocorrelation, independent_samples, whitened, whitened_ground
from promptmid_core.replay.run import D2_50, ReplayedFrame

STEP_PX = 8.0
NOTHING = np.zeros(2)


def flown(errors: np.ndarray, places_px: np.ndarray | None = None) -> list[ReplayedFrame]:
    """Fixes off by `errors` (n, 2) metres, one each STEP_PX to the east, or at `places_px` (n, 2)."""
    if places_px is None:
        places_px = np.column_stack([STEP_PX * np.arange(len(errors)), np.zeros(len(errors))])
    return [fix_at(i, place * GSD, error) for i, (place, error) in enumerate(zip(places_px, errors, strict=True))]


def values(frames: list[ReplayedFrame]) -> list[float | None]:
    return [row["value"] for row in autocorrelation(frames, GSD)]


def samples(frames: list[ReplayedFrame]) -> float | None:
    return independent_samples(frames, whitened)


def test_an_error_that_is_always_the_same_is_one_sample() -> None:
    frames = flown(np.tile([3.0, -4.0], (100, 1)))
    assert values(frames) == pytest.approx([1.0] * 6)
    assert samples(frames) == 1.0
    # steps of 8 px and 0.5 s: pairs that are 1, 2 and 3, 4 to 7, ... steps apart
    rows = autocorrelation(frames, GSD)
    assert [row["px"] for row in rows][:2] == [8.0, 16.0]
    for row in rows:
        assert row["s"] == pytest.approx(row["px"] / STEP_PX * FRAME_NS * 1e-9)


def test_errors_that_nothing_repeats_are_as_many_samples_as_fixes() -> None:
    frames = flown(repeating(np.random.default_rng(3), 400, 0.0) * SIGMA_M)
    assert np.abs(values(frames)).max() < 0.1
    assert 380 < samples(frames) <= 400
    # errors that alternate tell more of their mean, of a share no more
    assert samples(flown(np.tile([[3.0, 0.0], [-3.0, 0.0]], (50, 1)))) <= 100


def test_errors_that_fade_with_the_distance_are_seen_to() -> None:
    fade_px = 60.0
    frames = flown(repeating(np.random.default_rng(8), 2000, np.exp(-STEP_PX / fade_px)) * SIGMA_M)
    for row in autocorrelation(frames, GSD)[:4]:
        assert row["value"] == pytest.approx(np.exp(-row["px"] / fade_px), abs=0.08)


def test_what_belongs_to_the_place_is_told_by_the_distance_on_the_ground_not_by_the_way() -> None:
    rng = np.random.default_rng(4)
    out = np.column_stack([np.arange(0, 800, STEP_PX), np.zeros(100)])
    by_place = rng.normal(size=(100, 2)) * SIGMA_M
    there_and_back = flown(np.vstack([by_place, by_place[::-1]]), np.vstack([out, out[::-1]]))
    elsewhere = flown(rng.normal(size=(200, 2)) * SIGMA_M, np.vstack([out, out[::-1]]))
    # in the first step of distances lie the fix before, the one after, and the three of the way back
    assert values(there_and_back)[0] > 0.2
    assert abs(values(elsewhere)[0]) < 0.1


def test_flights_beside_each_other_are_not_paired() -> None:
    east, west = (flown(np.tile([metres, 0.0], (60, 1))) for metres in (4.0, -4.0))
    assert values(east + west)[:5] == pytest.approx([1.0] * 5)
    assert samples(east + west) == pytest.approx(2.0)
    # a clock that was set back begins another
    later = [replace(frame, index=frame.index + 60) for frame in west]
    assert samples(east + later) == pytest.approx(2.0)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_a_share_scatters_as_that_of_so_many_independent_samples_at_most(rho: float) -> None:
    rng = np.random.default_rng(6)
    inside, counted = [], []
    template = [fix_at(i, NOTHING, NOTHING) for i in range(250)]
    for _ in range(200):
        errors = repeating(rng, 250, rho) * SIGMA_M
        frames = [replace(frame, error=error) for frame, error in zip(template, errors, strict=True)]
        inside.append((((errors / SIGMA_M) ** 2).sum(axis=1) <= D2_50).mean())
        counted.append(samples(frames))
    scattered = 0.25 / np.var(inside)
    assert np.median(counted) < 1.25 * scattered
    assert np.median(counted) > 0.45 * scattered


def test_one_wrong_place_does_not_outweigh_all_other_errors() -> None:
    errors = np.tile([6.0, 0.0], (100, 1))
    errors[50] = [-4000.0, 0.0]
    assert values(flown(errors))[0] > 0.85
    white = repeating(np.random.default_rng(3), 400, 0.0) * SIGMA_M
    white[200:202] = [4000.0, 0.0]
    assert samples(flown(white)) > 370


def test_of_long_flights_part_of_the_pairs_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = flown(repeating(np.random.default_rng(8), 600, 0.8) * SIGMA_M)
    whole = values(frames)
    monkeypatch.setattr(repeats, "MOST_PAIRS", 20_000)
    assert len(repeats._pairs(frames, GSD, 20_000)[0]) < 20_000
    assert values(frames) != whole
    assert values(frames)[:4] == pytest.approx(whole[:4], abs=0.12)


def test_the_ground_point_is_judged_by_its_own_covariance() -> None:
    errors = repeating(np.random.default_rng(5), 200, 0.0) * SIGMA_M

    def told(sigma_m: float) -> list[ReplayedFrame]:
        """Fixes whose ground points are ten times as good as their positions, and said to be so good."""
        points = [GroundPoint(np.array([*(error / 10), 0.0]), parts_of(sigma_m), -np.eye(3)[2]) for error in errors]
        return [fix_at(i, NOTHING, error, ground=point) for i, (error, point) in enumerate(zip(errors, points, strict=True))]

    summary = summarise(flight_of(told(SIGMA_M / 10)))
    for key in ("coverage95", "coverage50", "independent_samples"):
        assert summary[f"{key}_ground"] == pytest.approx(summary[key])
    # an ellipse of half the size holds fewer
    half = summarise(flight_of(told(SIGMA_M / 20)))
    assert half["coverage95"] == summary["coverage95"]
    assert half["coverage95_ground"] == pytest.approx(1 - np.exp(-5.99 / 8), abs=0.08)
    assert independent_samples(told(SIGMA_M / 10), whitened_ground) > 180


def test_what_is_not_known_is_null() -> None:
    few = flown(np.tile([3.0, 0.0], (4, 1)))
    assert [row["value"] for row in autocorrelation(few, GSD)] == [None] * 6
    assert [row["px"] for row in autocorrelation(few, GSD)] == [8.0, 16.0] + [None] * 4
    blind = [fix_at(i, NOTHING, NOTHING, with_truth=False) for i in range(30)]
    for frames in ([], [refused_at(0, NOTHING)], blind):
        summary = json.loads(json.dumps(summarise(flight_of(frames)), allow_nan=False))
        assert summary["independent_samples"] is summary["independent_samples_ground"] is None
        assert summary["coverage95_ground"] is summary["coverage50_ground"] is None
        assert summary["autocorrelation"] == [{"px": None, "s": None, "value": None}] * 6
        assert "None" not in table(summary)
    # without any error nothing is off alike
    exact = flown(np.zeros((50, 2)))
    assert values(exact) == [None] * 6
    assert samples(exact) == 1.0
