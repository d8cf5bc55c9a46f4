"""Where `odom` lies in `map`: placed by hand, moved by fixes, less sure with the way flown."""

from dataclasses import replace

import numpy as np
import pytest
from odometry_messages import COVARIANCE, SECOND, START, TURNED, by_hand, fill, flown, message, prior, refused

from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.anchor import Anchor, Drift
from promptmid_core.localization.fix import Candidate, Fix, State
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.localization.rig import DefaultSigmas, Rig
from promptmid_core.reasons import Reason


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


    def test_its_drift_may_change_while_a_fix_is_made_with_it(self) -> None:
        odometry = self.odometry()
        odometry.give(by_hand(START + SECOND, flown(START + SECOND), COVARIANCE))
        before, anchor = odometry.at(START + 19 * SECOND // 10)
        odometry.use(replace(Rig(), drift=Drift(0.5, 0.0)))
        after, _ = odometry.at(START + 19 * SECOND // 10)
        way = np.linalg.norm(flown(START + 19 * SECOND // 10).position - flown(START + SECOND).position)
        assert after.covariance[0, 0] - before.covariance[0, 0] == pytest.approx((0.5**2 - 0.05**2) * way**2, rel=0.05)
        found = flown(START + SECOND).corrected(np.array([7.0, 0, 0, 0, 0, 0]))
        odometry.take(fix(START + SECOND, found, COVARIANCE, before), anchor)
        assert odometry.at(START + SECOND)[0].pose.position[0] == pytest.approx(found.position[0])


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


def test_a_fix_from_before_the_clock_was_set_anew_moves_nothing() -> None:
    odometry = Odometry(Rig())
    odometry.give(by_hand(START, flown(START), COVARIANCE))
    fill(odometry, START, START + SECOND, frame="odom")
    before, anchor = odometry.at(START + SECOND // 2)
    fill(odometry, START - 100 * SECOND, START - 99 * SECOND, frame="odom")
    odometry.take(fix(START + SECOND // 2, flown(START), COVARIANCE, before), anchor)
    assert odometry.at(START - 99 * SECOND - SECOND // 2)[1] is anchor


def fix(stamp: int, pose: Pose, covariance: np.ndarray, before: Prior) -> Fix:
    candidate = Candidate(stamp, before, Reason.FIX, "", pose, covariance)
    return Fix(stamp, State.TRACKING, Reason.FIX, "", pose, covariance, ("x", "y", "yaw"), candidate)


def test_sigmas_that_are_not_stated_may_change() -> None:
    odometry, unknown = Odometry(Rig()), np.zeros((6, 6))
    odometry.add(message(START, "map", flown(START), covariance=unknown))
    odometry.use(replace(Rig(), sigmas=DefaultSigmas(default_sigma_xy_m=7.0)))
    odometry.add(message(START + SECOND // 10, "map", flown(START + SECOND // 10), covariance=unknown))
    before, after = (odometry.at(stamp)[0].covariance[0, 0] for stamp in (START, START + SECOND // 10))
    assert (before, after) == (pytest.approx(30.0**2), pytest.approx(7.0**2))


def test_grown_covariance_is_what_was_added_since() -> None:
    then = prior(START, covariance=np.diag([1e4, 1e4, 25.0, 1e-4, 1e-4, 1e-2]))
    anchor = Anchor.by_hand(prior(START), then, 0.0, Drift(0.0, 0.0)).moved(flown(START), COVARIANCE, then, 0.0)
    now = replace(then, covariance=then.covariance + np.diag([9.0, 4.0, 0, 0, 0, 0]))
    grown = anchor.prior(now, 0.0).covariance - anchor.prior(then, 0.0).covariance
    assert np.diag(grown)[:2] == pytest.approx([9, 4], rel=1e-6)
