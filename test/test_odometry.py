"""Odometry as it comes in: frames, bad messages, clocks set anew, covariances that are not stated."""

import threading

import numpy as np
import pytest
from odometry_messages import COVARIANCE, SECOND, START, TURNED, by_hand, fill, flown, message, refused

from promptmid_core.geometry import Pose
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.rig import DefaultSigmas, Rig
from promptmid_core.reasons import Reason


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


@pytest.mark.parametrize("stamp", [0, -SECOND])
def test_odometry_without_a_time_is_refused_and_costs_nothing_that_is_kept(stamp: int) -> None:
    odometry = Odometry(Rig())
    fill(odometry, START, START + 2 * SECOND)
    kept, heard = odometry.at(START + SECOND)[0].pose, odometry.heard_ns
    for _ in range(3):
        odometry.add(message(stamp))
    assert odometry.refusal is not None and odometry.refusal.reason is Reason.PRIOR_INVALID
    assert "fill header.stamp" in str(odometry.refusal)
    assert odometry.at(START + SECOND)[0].pose is kept and odometry.heard_ns == heard
    alone = Odometry(Rig())
    alone.add(message(stamp))
    assert "no odometry could be used; the first: odometry has stamp zero" in str(refused(alone, START))


def test_a_position_that_is_no_place_is_refused() -> None:
    odometry = Odometry(Rig())
    odometry.add(message(START, "odom", Pose.from_rpy(np.array([1e200, 0.0, 0.0]), 0, 0, 0)))
    assert odometry.refusal is not None and odometry.refusal.reason is Reason.PRIOR_INVALID
    assert "(1e+200, 0, 0), which is no place" in str(odometry.refusal)


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
