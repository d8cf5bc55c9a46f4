"""When an autopilot is told of fixes, how they are carried by odometry, and when it is told nothing."""

import itertools
from math import inf, log, sqrt

import numpy as np
import pyproj
import pytest
from sorties import FRAME, PROTECTION_M, at, find, fix_pose, fly, navsat_fix, odometry, pose, verdict

from promptmid_core.autopilot.carrying import Carried, sigma_of
from promptmid_core.autopilot.options import CarryOptions, RelayOptions
from promptmid_core.autopilot.relay import Relay
from promptmid_core.autopilot.silence import MEANINGS, Silence

TO_MAP = pyproj.Transformer.from_crs("EPSG:4326", FRAME.crs, always_xy=True)


def relay(**options: float) -> Relay:
    return Relay(RelayOptions(**options), CarryOptions(send_velocity=True))


def carried(its: Relay, seconds: float) -> Carried:
    found = its.carried(at(seconds))
    assert isinstance(found, Carried), found
    return found


def in_map(latitude: float, longitude: float) -> np.ndarray:
    return np.array(TO_MAP.transform(longitude, latitude)) - FRAME.origin


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_fix_is_put_together_in_whatever_order_its_topics_come(order: tuple[int, ...]) -> None:
    its = relay()
    acts = [lambda: its.add_pose(fix_pose(1.0)), lambda: its.add_place(navsat_fix(1.0)), lambda: its.add_verdict(verdict(1.0))]
    *first, last = [acts[index]() for index in order]
    assert first == [None, None]
    assert last is not None and last is its.fix and last.stamp_ns == at(1.0)
    assert its.silent(at(1.1)) is Silence.SPEAKING


def test_a_fix_is_carried_to_the_newest_odometry_and_jumps_of_a_filter_do_not_count() -> None:
    its = relay()
    fly(its, 0.0, 2.0)
    find(its, 1.0)
    for seconds in (2.0, 3.0, 4.0):
        fly(its, seconds - 1, seconds)
        found = carried(its, seconds)
        assert found.stamp_ns == at(seconds) and found.age_s == pytest.approx(seconds - 1)
        assert in_map(found.latitude, found.longitude) == pytest.approx(pose(seconds).position[:2], abs=0.01)
        assert found.pose.rotation == pytest.approx(pose(seconds).rotation, abs=1e-6)
    # the filter takes the fix and moves by 30 m; the aircraft does not
    for step in range(201, 226):
        its.add_odometry(odometry(step * 0.02, jump=30.0))
    found = carried(its, 4.5)
    assert in_map(found.latitude, found.longitude) == pytest.approx(pose(4.5).position[:2], abs=0.1)


def test_the_accuracy_is_that_of_the_protection_level_and_grows_with_the_way() -> None:
    its = relay()
    fly(its, 0.0, 1.0)
    find(its, 1.0)
    sigmas = []
    for seconds in np.arange(1.2, 5.9, 0.2):
        fly(its, seconds - 0.2, seconds)
        sigmas.append(carried(its, seconds).sigma)
    assert sigma_of(PROTECTION_M, 1e-3) == pytest.approx(PROTECTION_M / 3.717, rel=1e-3)
    # of errors of this standard deviation on two axes a share as large as the risk lies beyond the level
    draws = np.random.default_rng(1).normal(size=(400_000, 2)) * sigma_of(PROTECTION_M, 1e-3)
    assert (np.hypot(*draws.T) > PROTECTION_M).mean() == pytest.approx(1e-3, rel=0.15)
    assert sigmas == sorted(sigmas) and len(set(sigmas)) == len(sigmas)
    assert sigmas[0] >= its.sigma() == pytest.approx(PROTECTION_M / sqrt(-2 * log(1e-3)))
    # 4.8 s at 50 m/s, 5 % of it
    assert sqrt(sigmas[-1] ** 2 - its.sigma() ** 2) == pytest.approx(0.05 * 50 * 4.6, rel=0.15)


@pytest.mark.parametrize(("reason", "state", "silence"), [
    ("ambiguous", "TRACKING", Silence.AMBIGUOUS), ("map_disagrees", "TRACKING", Silence.MAP_DISAGREES),
    ("low_texture", "LOST", Silence.LOST), ("ambiguous", "LOST", Silence.LOST), ("ambiguous", "SEARCHING", Silence.SEARCHING)])
def test_one_image_silences_until_the_next_fix(reason: str, state: str, silence: Silence) -> None:
    its = relay()
    fly(its, 0.0, 2.0)
    find(its, 1.0)
    assert isinstance(its.carried(at(2.0)), Carried)
    its.add_verdict(verdict(1.5, reason, state))
    assert its.carried(at(2.0)) is silence is its.silent(at(2.0))
    assert MEANINGS[silence]
    fly(its, 2.0, 2.5)
    find(its, 2.0)
    assert isinstance(its.carried(at(2.5)), Carried)


def test_a_fix_that_is_completed_after_a_later_image_has_taken_it_back_is_not_told() -> None:
    its = relay()
    fly(its, 0.0, 2.0)
    find(its, 0.5)
    its.add_pose(fix_pose(1.0))
    its.add_verdict(verdict(1.5, "ambiguous", "LOST"))
    its.add_verdict(verdict(1.0))
    assert its.add_place(navsat_fix(1.0)) is None
    assert its.carried(at(2.0)) is Silence.LOST


def test_an_image_that_says_nothing_of_the_place_silences_nothing() -> None:
    its = relay()
    fly(its, 0.0, 2.0)
    find(its, 1.0)
    for seconds, reason in ((1.2, "low_texture"), (1.4, "image_corrupt"), (1.6, "internal_error")):
        its.add_verdict(verdict(seconds, reason))
    assert isinstance(its.carried(at(2.0)), Carried)


def test_thirty_images_without_a_fix_tell_nothing() -> None:
    its = relay()
    fly(its, 0.0, 31.0)
    for index in range(30):
        its.add_verdict(verdict(1.0 + index, "ambiguous", "SEARCHING"))
        assert its.carried(at(31.0)) is its.silent(at(31.0)) is Silence.NO_FIX


def test_a_fix_that_is_too_old_is_told_no_more() -> None:
    its = relay(most_fix_age_s=2.0)
    fly(its, 0.0, 3.0)
    find(its, 1.0)
    assert isinstance(its.carried(at(3.0)), Carried)
    fly(its, 3.0, 3.1)
    assert its.carried(at(3.1)) is its.silent(at(3.1)) is Silence.FIX_OLD


def test_without_odometry_nothing_is_carried_and_clocks_that_are_apart_are_told_with_the_amount() -> None:
    its = relay()
    find(its, 1.0)
    assert its.carried(at(1.5)) is Silence.ODOMETRY_MISSING and its.apart_s(at(1.5)) is None
    fly(its, 0.0, 1.5)
    assert isinstance(its.carried(at(1.5)), Carried)
    assert its.carried(at(2.2)) is Silence.ODOMETRY_MISSING
    assert its.carried(at(-2.5)) is Silence.CLOCKS_APART
    assert its.apart_s(at(-2.5)) == pytest.approx(-4.0) and its.apart_s(at(4.0)) == pytest.approx(2.5)


def test_a_fix_without_a_level_or_without_true_north_is_not_told() -> None:
    for values, silence in (({"protection_m": "inf"}, Silence.NO_PROTECTION), ({"protection_m": ""}, Silence.NO_PROTECTION),
                            ({"grid_convergence_deg": "unknown"}, Silence.NORTH_UNKNOWN)):
        its = relay()
        fly(its, 0.0, 2.0)
        find(its, 1.0, **values)
        assert its.carried(at(2.0)) is its.silent(at(2.0)) is silence
    assert sigma_of(inf, 1e-3) == inf


def test_the_reset_counter_counts_relocalizations_alone() -> None:
    its, told = relay(most_fix_age_s=60.0), []
    for seconds, reason, state in (
            (1, "fix", "TRACKING"), (2, "fix", "TRACKING"), (3, "ambiguous", "TRACKING"), (4, "fix", "TRACKING"),
            (5, "ambiguous", "LOST"), (6, "ambiguous", "SEARCHING"), (7, "fix", "TRACKING"),
            (8, "ambiguous", "SEARCHING"), (9, "fix", "TRACKING"), (10, "fix", "TRACKING")):
        if reason == "fix":
            find(its, float(seconds))
            told.append(its.resets)
        else:
            its.add_verdict(verdict(float(seconds), reason, state))
    assert told == [0, 0, 0, 1, 2, 2]
    its.resets = 255
    its.add_verdict(verdict(11.0, "ambiguous", "LOST"))
    find(its, 12.0)
    assert its.resets == 0


def test_a_flight_that_begins_anew_by_another_clock_is_heard() -> None:
    its = relay()
    fly(its, 100.0, 101.0)
    find(its, 100.5)
    fly(its, 1.0, 2.0)
    find(its, 1.5)
    assert its.fix is not None and its.fix.stamp_ns == at(1.5)
    assert isinstance(its.carried(at(2.0)), Carried)
    assert its.resets == 1


@pytest.mark.parametrize(("seconds", "reason"), [(None, "stamp_zero"), (-3600.0, "stamp_backwards"), (3600.0, "prior_missing")])
def test_an_image_of_a_stray_stamp_neither_silences_nor_resets(seconds: float | None, reason: str) -> None:
    its = relay()
    fly(its, 0.0, 3.0)
    find(its, 1.0)
    stray = verdict(seconds or 0.0, reason)
    if seconds is None:
        stray.header.stamp.sec = stray.header.stamp.nanosec = 0
    assert its.add_verdict(stray) is None
    carried(its, 3.0)
    find(its, 2.0)
    carried(its, 3.0)
    assert its.fix is not None and its.fix.stamp_ns == at(2.0) and its.resets == 0


def test_an_image_without_a_time_brings_no_fix_of_before_back() -> None:
    its = relay()
    fly(its, 0.0, 3.0)
    find(its, 1.0)
    its.add_verdict(verdict(2.6, "ambiguous", "LOST"))
    stray = verdict(0.0, "stamp_zero", "LOST")
    stray.header.stamp.sec = stray.header.stamp.nanosec = 0
    its.add_verdict(stray)
    find(its, 2.4)
    assert its.silent(at(3.0)) is Silence.LOST


def test_what_cannot_be_believed_is_told_and_costs_nothing_else() -> None:
    its = relay()
    broken = fix_pose(1.0)
    broken.pose.pose.position.x = float("nan")
    assert its.add_pose(broken) is None and "NaN" in its.problem
    strange = odometry(0.0)
    strange.child_frame_id = "imu_link"
    its.add_odometry(strange)
    assert "imu_link" in its.odometry_problem
    fly(its, 0.0, 2.0)
    find(its, 1.0)
    assert its.problem == its.odometry_problem == ""
    assert isinstance(its.carried(at(2.0)), Carried)
