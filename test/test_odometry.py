"""Odometry as it comes in: frames, bad messages, stray stamps, clocks set anew, and where `odom` lies in `map`."""

import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from promptmid_core.bags import telemetry
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.anchor import Anchor
from promptmid_core.localization.fix import Candidate, Fix, State
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.reasons import Reason
from promptmid_ros.inbox import CameraInfos, Inbox
from promptmid_ros.odometry import Odometry

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
    """PriorBuffer.add_live."""

    def filled(self) -> PriorBuffer:
        buffer = PriorBuffer()
        for i in range(20):
            buffer.add_live(prior(START + i * SECOND // 10))
        return buffer

    @pytest.mark.parametrize("away", [10**6 * SECOND, 31 * SECOND, -2 * SECOND, -10**6 * SECOND])
    def test_a_stray_stamp_changes_nothing(self, away: int) -> None:
        buffer = self.filled()
        before = buffer.at(START + SECOND)
        buffer.add_live(prior(START + 2 * SECOND + away))
        buffer.add_live(prior(START + 2 * SECOND))
        assert buffer.at(START + SECOND) is before
        assert buffer.newest_ns == START + 2 * SECOND

    @pytest.mark.parametrize("away", [10**6 * SECOND, -2 * SECOND, -10**6 * SECOND])
    def test_two_in_a_row_start_anew(self, away: int) -> None:
        buffer = self.filled()
        for i in (0, 1):
            buffer.add_live(prior(START + 2 * SECOND + away + i * SECOND // 10))
        assert buffer.at(START + 2 * SECOND + away + SECOND // 20).pose.position[0] == pytest.approx(
            flown(START + 2 * SECOND + away + SECOND // 20).position[0])
        with pytest.raises(Refusal):
            buffer.at(START + SECOND)

    def test_a_little_disorder_is_put_in_order(self) -> None:
        buffer = PriorBuffer()
        for tenth in (0, 2, 1, 3):
            buffer.add_live(prior(START + tenth * SECOND // 10))
        assert buffer.at(START + SECOND // 20).pose.position[0] == pytest.approx(5.0)

    def test_nothing_is_interpolated_across_an_unusable_sample(self) -> None:
        buffer = self.filled()
        buffer.refuse(START + SECOND + SECOND // 20, Refusal(Reason.PRIOR_INVALID, "as the test wants"))
        with pytest.raises(Refusal, match="as the test wants"):
            buffer.at(START + SECOND + SECOND // 30)
        assert buffer.at(START + SECOND).stamp_ns == START + SECOND
        assert buffer.at(START + SECOND + SECOND // 9)


def test_frames_are_refused_by_name_and_only_those() -> None:
    odometry = Odometry("base_link", 0.05)
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
    odometry = Odometry("base_link", 0.05)
    began = time.monotonic()
    odometry.wait(START, 0.1)
    assert 0.1 <= time.monotonic() - began < 1
    threading.Timer(0.05, lambda: odometry.add(message(START))).start()
    began = time.monotonic()
    odometry.wait(START, 10)
    assert time.monotonic() - began < 5


class TestOdom:
    """Odometry in `odom`."""

    def odometry(self, covariance: np.ndarray = COVARIANCE) -> Odometry:
        odometry = Odometry("base_link", 0.05)
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
        assert found.covariance == pytest.approx(wide + COVARIANCE)
        # the heading's error makes one of place on the way
        later, _ = odometry.at(START + 19 * SECOND // 10)
        assert later.pose.position == pytest.approx(flown(START + 19 * SECOND // 10).position)
        across = np.array([-18.0, 90.0, 0]) / np.hypot(18, 90)
        grown = across @ (later.covariance - found.covariance)[:3, :3] @ across
        assert grown == pytest.approx(1e-2 * (18.0**2 + 90**2), rel=1e-3)

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
        odometry = Odometry("base_link", 0.05)
        odometry.give(by_hand(START, flown(START), COVARIANCE))
        odometry.add(message(START, "odom", TURNED.inverse() @ flown(START)))
        assert odometry.at(START)[0].pose.position == pytest.approx(flown(START).position)

    def test_other_frames_and_odometry_in_map_are_told(self) -> None:
        with pytest.raises(Refusal, match="'odom', not in 'map'"):
            self.odometry().give(by_hand(START, flown(START), COVARIANCE, "odom"))
        odometry = Odometry("base_link", 0.05)
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


def fix(stamp: int, pose: Pose, covariance: np.ndarray, before: Prior) -> Fix:
    candidate = Candidate(stamp, before, Reason.FIX, "", pose, covariance)
    return Fix(stamp, State.TRACKING, Reason.FIX, "", pose, covariance, ("x", "y", "yaw"), candidate)


def test_grown_covariance_is_what_was_added_since() -> None:
    then = prior(START, covariance=np.diag([1e4, 1e4, 25.0, 1e-4, 1e-4, 1e-2]))
    anchor = Anchor.by_hand(prior(START), then).moved(flown(START), COVARIANCE, then, 0.0)
    now = replace(then, covariance=then.covariance + np.diag([9.0, 4.0, 0, 0, 0, 0]))
    grown = anchor.prior(now).covariance - anchor.prior(then).covariance
    assert np.diag(grown)[:2] == pytest.approx([9, 4], rel=1e-6)


class TestInbox:
    """Newest image wins."""

    def test_counts_add_up_while_images_come_from_several_threads(self) -> None:
        inbox, taken = Inbox(), []
        worker = threading.Thread(target=lambda: taken.extend(iter(inbox.take, None)))
        worker.start()
        senders = [threading.Thread(target=lambda: [inbox.put(i) for i in range(500)]) for _ in range(4)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        time.sleep(0.05)
        inbox.close()
        worker.join(5)
        assert inbox.received == 2000
        assert inbox.taken == len(taken)
        assert inbox.taken + inbox.dropped == 2000
        assert sum(arrival.dropped for arrival in taken) == inbox.dropped

    def test_the_newest_is_taken(self) -> None:
        inbox = Inbox()
        for i in range(3):
            inbox.put(i)
        arrival = inbox.take()
        assert (arrival.message, arrival.dropped) == (2, 2)
        inbox.put(3)
        inbox.close()
        assert inbox.take() is None
        assert (inbox.received, inbox.taken, inbox.dropped) == (4, 1, 3)


def test_camera_info_of_an_images_own_stamp_is_preferred() -> None:
    from flights import CAMERA

    infos = CameraInfos(CAMERA.mount)
    with pytest.raises(Refusal) as caught:
        infos.camera(START, 0.0)
    assert caught.value.reason is Reason.CAMERA_INFO_MISSING
    for i, width in enumerate((64, 66, 68)):
        infos.add(telemetry.camera_info(START + i, replace(CAMERA, width=width)))
    assert infos.camera(START + 1, 0.0).width == 66
    assert infos.camera(START + 77, 0.0).width == 68
    assert stamp_ns(telemetry.camera_info(START, CAMERA).header) == START
