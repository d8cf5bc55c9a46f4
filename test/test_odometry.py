"""Odometry as it comes in: frames, bad messages, stray stamps, clocks set anew, and where `odom` lies in `map`."""

import threading
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from promptmid_core.bags import telemetry
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.anchor import Anchor, Drift
from promptmid_core.localization.fix import Candidate, Fix, State
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.localization.reckoning import Twist
from promptmid_core.localization.rig import DefaultSigmas, Rig
from promptmid_core.reasons import Reason

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
COVARIANCE = np.diag([100.0, 100.0, 25.0, 1e-4, 1e-4, 1e-3])
TURNED = Pose.from_rpy(np.array([500.0, -200.0, 0.0]), 0, 0, 1.2)


def flown(stamp: int) -> Pose:
    seconds = (stamp - START) / SECOND
    return Pose.from_rpy(np.array([100.0 * seconds, 20.0 * seconds, 3000.0]), 0.01, 0.02, 0.3)


def prior(stamp: int, pose: Pose | None = None, covariance: np.ndarray = COVARIANCE) -> Prior:
    return Prior(stamp, pose or flown(stamp), covariance)


def message(stamp: int, frame: str = "map", pose: Pose | None = None, child: str = "base_link",
            covariance: np.ndarray = COVARIANCE) -> Any:
    made = telemetry.odometry(stamp, pose or flown(stamp), covariance, np.zeros(3), np.zeros(3), np.eye(6))
    header = replace(made.header, frame_id=frame)
    return replace(made, header=header, child_frame_id=child)


def by_hand(stamp: int, pose: Pose, covariance: np.ndarray, frame: str = "map") -> Any:
    return message(stamp, frame, pose, covariance=covariance)


def refused(odometry: Odometry, stamp: int) -> Refusal:
    with pytest.raises(Refusal) as caught:
        odometry.at(stamp)
    return caught.value


def fill(odometry: Odometry, first: int, last: int, **changes: Any) -> None:
    for stamp in range(first, last, SECOND // 10):
        odometry.add(message(stamp, **changes))


class TestLiveBuffer:
    """PriorBuffer.add."""

    def filled(self) -> PriorBuffer:
        buffer = PriorBuffer()
        for i in range(20):
            buffer.add(prior(START + i * SECOND // 10))
        return buffer

    @pytest.mark.parametrize("away", [10**6 * SECOND, 31 * SECOND, -2 * SECOND, -10**6 * SECOND])
    def test_a_stray_stamp_changes_nothing(self, away: int) -> None:
        buffer = self.filled()
        before = buffer.at(START + SECOND)
        buffer.add(prior(START + 2 * SECOND + away))
        buffer.add(prior(START + 2 * SECOND))
        assert buffer.at(START + SECOND) is before
        assert buffer.newest_ns == START + 2 * SECOND

    @pytest.mark.parametrize("away", [10**6 * SECOND, -2 * SECOND, -10**6 * SECOND])
    def test_two_in_a_row_start_anew(self, away: int) -> None:
        buffer = self.filled()
        for i in (0, 1):
            buffer.add(prior(START + 2 * SECOND + away + i * SECOND // 10))
        assert buffer.at(START + 2 * SECOND + away + SECOND // 20).pose.position[0] == pytest.approx(
            flown(START + 2 * SECOND + away + SECOND // 20).position[0])
        with pytest.raises(Refusal):
            buffer.at(START + SECOND)

    def test_a_little_disorder_is_put_in_order(self) -> None:
        buffer = PriorBuffer()
        for tenth in (0, 2, 1, 3):
            buffer.add(prior(START + tenth * SECOND // 10))
        assert buffer.at(START + SECOND // 20).pose.position[0] == pytest.approx(5.0)

    def test_nothing_is_interpolated_across_an_unusable_sample(self) -> None:
        buffer = self.filled()
        buffer.refuse(START + SECOND + SECOND // 20, Refusal(Reason.PRIOR_INVALID, "as the test wants"))
        with pytest.raises(Refusal, match="as the test wants"):
            buffer.at(START + SECOND + SECOND // 30)
        assert buffer.at(START + SECOND).stamp_ns == START + SECOND
        assert buffer.at(START + SECOND + SECOND // 9)


def test_frames_are_refused_by_name_and_only_those() -> None:
    odometry = Odometry(Rig())
    fill(odometry, START, START + SECOND)
    assert odometry.at(START + SECOND // 2)[0].pose.position[0] == pytest.approx(50)
    for changes, name in (({"frame": "earth"}, "'earth'"), ({"frame": "/map"}, "'/map'"), ({"child": "imu"}, "'imu'")):
        odometry.add(message(START + SECOND, **changes))
        assert odometry.refusal is not None
        assert odometry.refusal.reason is Reason.PRIOR_FRAME
        assert name in str(odometry.refusal)
    refusal = refused(odometry, START + SECOND + 1)
    assert refusal.reason is Reason.PRIOR_FRAME
    fill(odometry, START + SECOND + SECOND // 10, START + 2 * SECOND)
    assert odometry.refusal is None
    assert odometry.at(START + 3 * SECOND // 2)


def test_waiting_ends_with_the_odometry_that_is_waited_for() -> None:
    odometry = Odometry(Rig())
    odometry.wait(START, 0.01)
    assert odometry.heard_ns == 0
    threading.Timer(0.05, lambda: odometry.add(message(START))).start()
    odometry.wait(START, 600)
    assert odometry.heard_ns == START


class TestOdom:
    """Odometry in `odom`."""

    def odometry(self, covariance: np.ndarray = COVARIANCE) -> Odometry:
        odometry = Odometry(Rig())
        for stamp in range(START, START + 2 * SECOND, SECOND // 10):
            odometry.add(message(stamp, "odom", TURNED.inverse() @ flown(stamp), covariance=covariance))
        return odometry

    def test_needs_a_pose_by_hand(self) -> None:
        refusal = refused(self.odometry(), START + SECOND)
        assert refusal.reason is Reason.PRIOR_MISSING
        assert "initialpose" in str(refusal)

    def test_is_placed_by_hand(self) -> None:
        odometry = self.odometry()
        wide = np.diag([400.0, 900.0, 1.0, 1e-3, 1e-3, 1e-2])
        odometry.give(by_hand(START + SECOND, flown(START + SECOND), wide))
        found, _ = odometry.at(START + SECOND)
        assert found.pose.position == pytest.approx(flown(START + SECOND).position)
        assert found.pose.rotation == pytest.approx(flown(START + SECOND).rotation)
        # `odom` is level: roll and pitch are the odometry's alone
        assert found.covariance == pytest.approx(np.diag([1, 1, 1, 0, 0, 1]) @ wide + COVARIANCE)
        # the heading's error makes one of place on the way
        later, _ = odometry.at(START + 19 * SECOND // 10)
        assert later.pose.position == pytest.approx(flown(START + 19 * SECOND // 10).position)
        across = np.array([-18.0, 90.0, 0]) / np.hypot(18, 90)
        grown = across @ (later.covariance - found.covariance)[:3, :3] @ across
        assert grown == pytest.approx((1e-2 + 0.05**2) * (18.0**2 + 90**2), rel=1e-3)

    def test_a_click_on_a_map_tells_nothing_of_height_and_tilt(self) -> None:
        odometry = self.odometry()
        clicked = Pose.from_rpy(np.array([100.0, 20.0, 0.0]), 0, 0, 0.3)
        planar = np.diag([0.25, 0.25, 0, 0, 0, 0.07])
        odometry.give(by_hand(0, clicked, planar))
        # a stamp of zero means the newest
        found, _ = odometry.at(START + 19 * SECOND // 10)
        assert found.pose.position == pytest.approx([100, 20, 3000])
        assert found.pose.rpy() == pytest.approx(Pose.from_rpy(np.zeros(3), *(flown(START).rpy()[:2]), 0.3).rpy(), abs=0.03)
        assert np.diag(found.covariance)[2:5] == pytest.approx(np.diag(COVARIANCE)[2:5], rel=1e-6)

    def test_a_pose_given_early_waits_for_odometry(self) -> None:
        odometry = Odometry(Rig())
        odometry.give(by_hand(START, flown(START), COVARIANCE))
        odometry.add(message(START, "odom", TURNED.inverse() @ flown(START)))
        assert odometry.at(START)[0].pose.position == pytest.approx(flown(START).position)

    def test_other_frames_and_odometry_in_map_are_told(self) -> None:
        with pytest.raises(Refusal, match="'odom', not in 'map'"):
            self.odometry().give(by_hand(START, flown(START), COVARIANCE, "odom"))
        odometry = Odometry(Rig())
        fill(odometry, START, START + SECOND)
        with pytest.raises(Refusal, match="no effect"):
            odometry.give(by_hand(START, flown(START), COVARIANCE))

    def test_fixes_move_it_and_shrink_its_covariance(self) -> None:
        odometry = self.odometry(covariance=np.diag([1e4, 1e4, 25.0, 1e-4, 1e-4, 1e-2]))
        odometry.give(by_hand(START + SECOND, flown(START + SECOND), COVARIANCE))
        before, anchor = odometry.at(START + SECOND)
        true = flown(START + SECOND).corrected(np.array([60.0, -80.0, 0, 0, 0, 0.02]))
        covariance = np.diag([16.0, 16.0, 1e6, 1e6, 1e6, 1e-5])
        odometry.take(fix(START + SECOND, true.corrected(np.array([0, 0, 40.0, 0, 0, 0])), covariance, before), anchor)
        after, _ = odometry.at(START + SECOND)
        assert after.pose.position == pytest.approx(true.position)
        assert after.pose.yaw == pytest.approx(true.yaw)
        assert np.diag(after.covariance)[[0, 1, 5]] == pytest.approx([16, 16, 1e-5], rel=1e-3)
        assert after.covariance[2, 2] == pytest.approx(before.covariance[2, 2])
        # it ages with the distance flown, though this odometry's own covariance does not grow
        aged, _ = odometry.at(START + 19 * SECOND // 10)
        assert aged.covariance[0, 0] > 16 + (0.05 * 80) ** 2

    def test_a_fix_of_before_the_pose_by_hand_does_not_move_it(self) -> None:
        odometry = self.odometry()
        odometry.give(by_hand(START + SECOND, flown(START + SECOND), COVARIANCE))
        old, anchor = odometry.at(START + SECOND)
        odometry.give(by_hand(START + SECOND, flown(START), COVARIANCE))
        odometry.take(fix(START + SECOND, flown(START + SECOND), COVARIANCE, old), anchor)
        assert odometry.at(START + SECOND)[0].pose.position == pytest.approx(flown(START).position)


class TestCircle:
    """A circle of 1 km radius flown in `odom`: the displacement shrinks on the way back, what was flown does not."""

    RADIUS, LAP_S = 1000.0, 200

    def pose(self, second: float) -> Pose:
        angle = 2 * np.pi * second / self.LAP_S
        return Pose.from_rpy(np.array([self.RADIUS * np.sin(angle), self.RADIUS * (1 - np.cos(angle)), 3000.0]), 0.01, 0.0, angle)

    def test_uncertainty_grows_all_the_way_round_in_x_y_and_yaw(self) -> None:
        buffer = PriorBuffer(keep_ns=2 * self.LAP_S * SECOND)
        odometry = Odometry(Rig(), buffer=buffer)
        odometry.give(by_hand(START, self.pose(0), np.diag([25.0, 25.0, 4.0, 1e-2, 1e-2, 1e-4])))
        for tenth in range(10 * self.LAP_S + 1):
            odometry.add(message(START + tenth * SECOND // 10, "odom", TURNED.inverse() @ self.pose(tenth / 10)))
        variances = np.array([np.diag(odometry.at(START + second * SECOND)[0].covariance) for second in range(self.LAP_S + 1)])
        assert (np.diff(variances[:, 5]) > 0).all()
        assert (np.diff(variances[:, :2].sum(axis=1)) > 0).all()
        length = 2 * np.pi * self.RADIUS
        assert variances[-1, 0] == pytest.approx(25 + 100 + (length * 0.05) ** 2, rel=1e-2)
        assert variances[-1, 5] == pytest.approx(1e-4 + 1e-3 + np.deg2rad(length / 1000) ** 2, rel=1e-2)
        # tilt is the odometry's own from the first moment on, whatever the pose by hand said of it
        assert variances[:, 3:5] == pytest.approx(np.tile(np.diag(COVARIANCE)[3:5], (self.LAP_S + 1, 1)))

    def test_a_stray_stamp_does_not_stop_the_distance_flown(self) -> None:
        odometry = Odometry(Rig())
        odometry.give(by_hand(START, self.pose(0), np.diag([25.0, 25.0, 4.0, 1e-2, 1e-2, 1e-4])))
        for tenth in range(400):
            odometry.add(message(START + tenth * SECOND // 10, "odom", TURNED.inverse() @ self.pose(tenth / 10)))
            if tenth == 100:
                odometry.add(message(START + 3600 * SECOND, "odom", TURNED.inverse() @ self.pose(tenth / 10 + 1)))
        flown = 2 * np.pi * self.RADIUS * 39.9 / self.LAP_S
        found = odometry.at(START + 399 * SECOND // 10)[0].covariance
        assert found[5, 5] == pytest.approx(1e-4 + 1e-3 + np.deg2rad(flown / 1000) ** 2, rel=1e-2)


def travelled(buffer: PriorBuffer, stamp: int) -> float:
    motion = buffer.at(stamp).motion
    assert motion is not None
    return motion.flown


def test_the_way_is_measured_and_not_the_displacement_or_the_noise() -> None:
    buffer, rng, tenth = PriorBuffer(keep_ns=10**18), np.random.default_rng(1), SECOND // 10
    for i in range(1001):
        out_and_back = 10.0 * min(i, 1000 - i)
        place = np.array([out_and_back, 0.0, 0.0]) + rng.normal(0, 0.05, 3)
        twist = Twist(np.array([100.0 if i < 500 else -100.0, 0, 0]), np.zeros(3))
        buffer.add(prior(START + i * tenth, Pose(place, np.eye(3))), twist)
    assert travelled(buffer, START + 1000 * tenth) == pytest.approx(10_000, rel=2e-3)
    assert travelled(buffer, START + 250 * tenth) == pytest.approx(2500, rel=2e-3)
    assert travelled(buffer, START + 250 * tenth + tenth // 2) == pytest.approx(2505, rel=2e-3)
    for i in range(1001, 5000):
        buffer.add(prior(START + i * tenth, Pose(rng.normal(0, 0.05, 3), np.eye(3))))
    assert travelled(buffer, START + 4999 * tenth) == pytest.approx(10_000, rel=2e-3)
    buffer.clear()
    buffer.add(prior(5, Pose(np.array([9000.0, 0.0, 0.0]), np.eye(3))))
    assert travelled(buffer, 5) == pytest.approx(10_000, rel=2e-3)


def test_the_buffer_keeps_what_the_images_to_come_need_and_no_more() -> None:
    """Hours of flight in the memory of a minute; a replay, which reads the odometry first, needs all of it."""
    live, replayed = PriorBuffer(), PriorBuffer(keep_ns=10**18)

    def at(second: int) -> Prior:
        return prior(START + second * SECOND, Pose(np.array([2.0 * second, 0.0, 0.0]), np.eye(3)))

    tracemalloc.start()
    for second in range(3000):
        if second == 1000:
            before = tracemalloc.get_traced_memory()[0]
        live.add(at(second))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 50_000
    assert travelled(live, START + 2985 * SECOND) == pytest.approx(5970.0)
    for second in range(3000):
        replayed.add(at(second))
    assert [travelled(replayed, START + second * SECOND) for second in (0, 10, 2999)] == pytest.approx([0.0, 20.0, 5998.0])


def test_one_message_of_another_frame_is_refused_and_two_in_a_row_change_it() -> None:
    odometry = Odometry(Rig())
    odometry.give(by_hand(START, flown(START), COVARIANCE))
    for stamp in range(START, START + SECOND, SECOND // 10):
        odometry.add(message(stamp, "odom", TURNED.inverse() @ flown(stamp)))
    odometry.add(message(START + SECOND, "map"))
    assert odometry.refusal is not None and odometry.refusal.reason is Reason.PRIOR_FRAME
    assert "frame 'map' after 'odom'" in str(odometry.refusal)
    odometry.add(message(START + 11 * SECOND // 10, "odom", TURNED.inverse() @ flown(START + 11 * SECOND // 10)))
    assert odometry.refusal is None and odometry.map_from_odom is not None, "where odom lies is not forgotten for one message"
    for tenth in (12, 13):
        odometry.add(message(START + tenth * SECOND // 10, "map"))
    assert odometry.frame == "map" and odometry.refusal is None


def test_a_position_that_is_no_place_is_refused() -> None:
    odometry = Odometry(Rig())
    odometry.add(message(START, "odom", Pose.from_rpy(np.array([1e200, 0.0, 0.0]), 0, 0, 0)))
    assert odometry.refusal is not None and odometry.refusal.reason is Reason.PRIOR_INVALID
    assert "(1e+200, 0, 0), which is no place" in str(odometry.refusal)


def test_a_fix_from_before_the_clock_was_set_anew_moves_nothing() -> None:
    odometry = Odometry(Rig())
    odometry.give(by_hand(START, flown(START), COVARIANCE))
    fill(odometry, START, START + SECOND, frame="odom")
    before, anchor = odometry.at(START + SECOND // 2)
    fill(odometry, START - 100 * SECOND, START - 99 * SECOND, frame="odom")
    odometry.take(fix(START + SECOND // 2, flown(START), COVARIANCE, before), anchor)
    assert odometry.at(START - 99 * SECOND - SECOND // 2)[1] is anchor


class TestUnstatedCovariance:
    """Zeros mean that a covariance is not known."""

    def test_the_defaults_are_taken_and_said(self) -> None:
        odometry = Odometry(Rig(sigmas=DefaultSigmas(20.0, 5.0, 0.5, 2.0)))
        fill(odometry, START, START + SECOND, covariance=np.zeros((6, 6)))
        assert odometry.unstated == ("x", "y", "z", "roll", "pitch", "yaw")
        tilt, yaw = np.deg2rad([0.5, 2.0]) ** 2
        assert np.diag(odometry.at(START + SECOND // 2)[0].covariance) == pytest.approx([400, 400, 25, tilt, tilt, yaw])

    def test_what_is_stated_stays(self) -> None:
        odometry = Odometry(Rig())
        fill(odometry, START, START + SECOND, covariance=np.diag([9.0, 9.0, 4.0, 0, 0, 1e-4]))
        assert odometry.unstated == ("roll", "pitch")
        tilt = np.deg2rad(1.0) ** 2
        assert np.diag(odometry.at(START + SECOND // 2)[0].covariance) == pytest.approx([9, 9, 4, tilt, tilt, 1e-4])

    def test_without_a_default_the_axes_and_the_parameter_are_named(self) -> None:
        odometry = Odometry(Rig(sigmas=DefaultSigmas(default_sigma_tilt_deg=0.0)))
        odometry.add(message(START, covariance=np.diag([9.0, 9.0, 4.0, 0, 0, 1e-4])))
        assert odometry.refusal is not None and odometry.refusal.reason is Reason.PRIOR_INVALID
        assert "variance 0 in roll, pitch" in str(odometry.refusal) and "default_sigma_tilt_deg" in str(odometry.refusal)

    def test_a_half_stated_part_is_refused_by_its_axis(self) -> None:
        odometry = Odometry(Rig())
        odometry.add(message(START, covariance=np.diag([9.0, 0.0, 4.0, 1e-4, 1e-4, 1e-4])))
        assert odometry.refusal is not None and "variance 0 in y" in str(odometry.refusal)


def test_where_all_odometry_was_refused_the_first_sentence_is_told() -> None:
    odometry = Odometry(Rig())
    odometry.add(message(START, covariance=np.full((6, 6), np.nan)))
    fill(odometry, START + SECOND // 10, START + SECOND, frame="world")
    refusal = refused(odometry, START + 60 * SECOND)
    assert refusal.reason is Reason.PRIOR_INVALID
    assert "no odometry could be used; the first: covariance has 36 NaN" in str(refusal)


def fix(stamp: int, pose: Pose, covariance: np.ndarray, before: Prior) -> Fix:
    candidate = Candidate(stamp, before, Reason.FIX, "", pose, covariance)
    return Fix(stamp, State.TRACKING, Reason.FIX, "", pose, covariance, ("x", "y", "yaw"), candidate)


def test_grown_covariance_is_what_was_added_since() -> None:
    then = prior(START, covariance=np.diag([1e4, 1e4, 25.0, 1e-4, 1e-4, 1e-2]))
    anchor = Anchor.by_hand(prior(START), then, 0.0, Drift(0.0, 0.0)).moved(flown(START), COVARIANCE, then, 0.0)
    now = replace(then, covariance=then.covariance + np.diag([9.0, 4.0, 0, 0, 0, 0]))
    grown = anchor.prior(now, 0.0).covariance - anchor.prior(then, 0.0).covariance
    assert np.diag(grown)[:2] == pytest.approx([9, 4], rel=1e-6)
