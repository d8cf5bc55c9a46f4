"""The prior at a stamp, on both sides of every limit: which samples count, how far they may be apart, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from odometry_messages import COVARIANCE, SECOND, START, flown, prior
from refusals import refused

from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.anchor import Anchor, Drift
from promptmid_core.localization.options import TrackOptions
from promptmid_core.localization.prior import PriorBuffer, Taken, check_prior
from promptmid_core.localization.reckoning import ANYWHERE_M
from promptmid_core.localization.rig import DefaultSigmas, Rig
from promptmid_core.localization.settings import DEFAULTS
from promptmid_core.reasons import Reason

MS = 1_000_000
STILL = Drift(0.0, 0.0)
LEVEL = Pose(np.zeros(3), np.eye(3))


def filled(*stamps: int, keep_ns: int = 30 * SECOND) -> PriorBuffer:
    buffer = PriorBuffer(keep_ns)
    for stamp in stamps:
        buffer.add(prior(stamp))
    return buffer


class TestStrays:
    """A stamp a second before the newest or half a minute after it is one among the others, a nanosecond more is a stray."""

    @pytest.mark.parametrize(("away", "taken"), [
        (-SECOND, Taken.IN_ORDER), (-SECOND - 1, Taken.SET_ASIDE), (30 * SECOND, Taken.IN_ORDER),
        (30 * SECOND + 1, Taken.SET_ASIDE)])
    def test_one_alone(self, away: int, taken: Taken) -> None:
        buffer = filled(START)
        assert buffer.add(prior(START + away)) is taken
        assert buffer.newest_ns == (START if taken is Taken.SET_ASIDE or away < 0 else START + away)

    @pytest.mark.parametrize(("apart", "taken"), [
        (SECOND, Taken.ANEW), (-SECOND, Taken.ANEW), (SECOND + 1, Taken.SET_ASIDE), (-SECOND - 1, Taken.SET_ASIDE)])
    def test_two_that_are_near_each_other_set_the_clock(self, apart: int, taken: Taken) -> None:
        buffer, far = filled(START), START + 100 * SECOND
        assert buffer.add(prior(far)) is Taken.SET_ASIDE
        assert buffer.add(prior(far + apart)) is taken
        if taken is Taken.ANEW:
            assert buffer.at(far).stamp_ns == far
            assert refused(Reason.PRIOR_MISSING, buffer.at, START)

    def test_a_good_one_between_them_keeps_the_clock(self) -> None:
        buffer, far = filled(START), START + 100 * SECOND
        taken = [buffer.add(prior(stamp)) for stamp in (far, START + 1, far + 1)]
        assert taken == [Taken.SET_ASIDE, Taken.IN_ORDER, Taken.SET_ASIDE]

    def test_the_first_of_all_is_in_order(self) -> None:
        buffer = PriorBuffer()
        assert buffer.newest_ns is None
        assert buffer.add(prior(START)) is Taken.IN_ORDER
        buffer.clear()
        assert buffer.newest_ns is None
        assert "no odometry has been received" in refused(Reason.PRIOR_MISSING, buffer.at, START)


class TestKept:
    def test_a_sample_of_an_equal_stamp_replaces_the_older(self) -> None:
        buffer = filled(START, START + 10, START + 20)
        other = prior(START + 10, Pose.from_rpy(np.ones(3), 0, 0, 0))
        buffer.add(other)
        assert buffer.at(START + 10).pose is other.pose
        assert buffer.at(START + 15).pose.position[0] == pytest.approx((1 + flown(START + 20).position[0]) / 2)

    def test_what_is_older_than_is_kept_is_forgotten(self) -> None:
        buffer = filled(*(START + i * 100 * MS for i in range(41)), keep_ns=2 * SECOND)
        assert buffer.at(START + 2 * SECOND).stamp_ns == START + 2 * SECOND
        assert "50 ms after the image" in refused(Reason.PRIOR_MISSING, buffer.at, START + 2 * SECOND - 50 * MS)


class TestBracketed:
    def test_half_a_second_is_bridged_and_no_more(self) -> None:
        assert filled(START, START + 500 * MS).at(START + 250 * MS).pose.position[0] == pytest.approx(25)
        sentence = refused(Reason.PRIOR_MISSING, filled(START, START + 500 * MS + 1).at, START + 250 * MS)
        assert "a gap of 500 ms around the image; at most 500 ms is bridged" in sentence

    def test_a_stamp_outside_is_told_how_far(self) -> None:
        buffer = filled(START, START + 100 * MS)
        assert "is 30 ms after the image" in refused(Reason.PRIOR_MISSING, buffer.at, START - 30 * MS)
        assert "is 40 ms before the image" in refused(Reason.PRIOR_MISSING, buffer.at, START + 140 * MS)
        assert buffer.at(START).stamp_ns == START
        assert buffer.at(START + 100 * MS).stamp_ns == START + 100 * MS

    @pytest.mark.parametrize(("bad", "reason"), [
        (START + 1, Reason.PRIOR_INVALID), (START, None), (START + 100 * MS, None), (START + 100 * MS - 1, Reason.PRIOR_INVALID),
        (START - 1, None), (START + 100 * MS + 1, None)])
    def test_an_unusable_sample_counts_between_its_neighbours(self, bad: int, reason: Reason | None) -> None:
        buffer = filled(START, START + 100 * MS)
        buffer.refuse(bad, Refusal(Reason.PRIOR_INVALID, "as the test wants"))
        if reason:
            assert refused(reason, buffer.at, START + 50 * MS) == "as the test wants"
        else:
            assert buffer.at(START + 50 * MS)

    @pytest.mark.parametrize(("off", "reason"), [
        (499 * MS, Reason.PRIOR_FRAME), (500 * MS, Reason.PRIOR_MISSING), (-500 * MS, Reason.PRIOR_FRAME),
        (-501 * MS, Reason.PRIOR_MISSING)])
    @pytest.mark.parametrize("side", [-1, 1], ids=["before", "after"])
    def test_beyond_all_samples_it_counts_within_half_a_second(self, side: int, off: int, reason: Reason) -> None:
        """Of an image two seconds away from them; on its far side less than that, as a sample there would bridge no more."""
        image = START + side * 2000 * MS
        buffer = filled(START, START + 1)
        buffer.refuse(image + side * off, Refusal(Reason.PRIOR_FRAME, "as the test wants"))
        refused(reason, buffer.at, image)

    def test_the_first_refusal_is_told_where_nothing_was_ever_used(self) -> None:
        buffer = PriorBuffer()
        for word in ("first", "second"):
            buffer.refuse(START, Refusal(Reason.PRIOR_FRAME, word))
        assert refused(Reason.PRIOR_FRAME, buffer.at, START + 9 * SECOND) == "no odometry could be used; the first: first"
        buffer.clear()
        refused(Reason.PRIOR_MISSING, buffer.at, START + 9 * SECOND)


def covariance(*changes: tuple[tuple[int, int], float]) -> np.ndarray:
    values = COVARIANCE.copy()
    for at, value in changes:
        values[at] = value
    return values


@pytest.mark.parametrize(("bad", "words"), [
    (replace(prior(START), pose=Pose(np.array([0, np.inf, 0]), np.eye(3))), "pose has NaN"),
    (replace(prior(START), pose=Pose(np.zeros(3), np.full((3, 3), np.nan))), "pose has NaN"),
    (replace(prior(START), covariance=covariance(((4, 1), np.inf))), "covariance has 1 NaN"),
    (replace(prior(START), covariance=covariance(((2, 2), 0.0))), "covariance has variance 0 in z,"),
    (replace(prior(START), covariance=covariance(((2, 2), -1.0), ((4, 4), -7.0))), "covariance has variance -7 in pitch,"),
])
def test_a_prior_that_is_none_is_refused_by_what_is_wrong(bad: Prior, words: str) -> None:
    assert words in refused(Reason.PRIOR_INVALID, check_prior, bad)


def test_a_covariance_is_judged_by_its_correlations() -> None:
    sigma = np.sqrt(np.diag(COVARIANCE))

    def correlated(i: int, j: int, up: float, down: float) -> Prior:
        both = sigma[i] * sigma[j]
        return replace(prior(START), covariance=covariance(((i, j), up * both), ((j, i), down * both)))

    check_prior(correlated(0, 5, 0.5, 0.5 - 0.9e-6))
    assert "symmetric" in refused(Reason.PRIOR_INVALID, check_prior, correlated(0, 5, 0.5, 0.5 - 1.1e-6))
    check_prior(correlated(3, 5, 1 + 0.9e-6, 1 + 0.9e-6))
    past = correlated(3, 5, 1 + 1.1e-6, 1 + 1.1e-6)
    assert "semidefinite (a correlation of 1)" in refused(Reason.PRIOR_INVALID, check_prior, past)


class TestAnchor:
    """`odom` in `map`: how its covariance moves, turns and grows."""

    def test_odometry_that_has_become_surer_takes_nothing_away(self) -> None:
        then = prior(START, covariance=np.diag([400.0, 400.0, 25.0, 1e-4, 1e-4, 1e-2]))
        anchor = Anchor.by_hand(prior(START), then, 0.0, STILL).moved(flown(START), COVARIANCE, then, 0.0)
        surer = replace(then, covariance=np.diag([100.0, 900.0, 25.0, 1e-4, 1e-4, 1e-3]))
        grown = anchor.prior(surer, 0.0).covariance - anchor.prior(then, 0.0).covariance
        turn = anchor.map_from_odom.rotation[:2, :2]
        assert grown[:2, :2] == pytest.approx(turn @ np.diag([0.0, 500.0]) @ turn.T, abs=1e-6)
        assert grown[5, 5] == pytest.approx(0, abs=1e-12)

    def test_correlations_grow_as_they_do(self) -> None:
        then = prior(START, covariance=COVARIANCE)
        anchor = replace(Anchor.by_hand(prior(START), then, 0.0, STILL), map_from_odom=LEVEL, covariance=np.zeros((6, 6)),
                         answered=COVARIANCE)
        root = np.random.default_rng(1).standard_normal((6, 6)) * np.sqrt(np.diag(COVARIANCE))
        more = root.T @ root
        found = anchor.prior(replace(then, covariance=COVARIANCE + more), 0.0).covariance
        assert found == pytest.approx(more, rel=1e-9, abs=1e-12)

    def test_odom_covariance_is_turned_into_the_map(self) -> None:
        given = Prior(START, Pose.from_rpy([5.0, 6, 7], 0, 0, np.pi / 2), np.zeros((6, 6)))
        local = Prior(START, Pose.from_rpy([0.0, 0, 0], 0, 0, 0), np.diag([4.0, 9.0, 1.0, 1e-4, 4e-4, 1e-3]))
        found = Anchor.by_hand(given, local, 0.0, STILL).prior(local, 0.0)
        assert np.diag(found.covariance) == pytest.approx([9, 4, 1, 4e-4, 1e-4, 1e-3])
        assert found.pose.position == pytest.approx([5, 6, 0])
        assert found.pose.yaw == pytest.approx(np.pi / 2)

    def test_an_error_of_heading_is_one_of_place_by_the_way_since(self) -> None:
        given = Prior(START, Pose.from_rpy([100.0, 50, 20], 0, 0, 0), np.diag([0.0, 0, 1.0, 0, 0, 0.01]))
        local = Prior(START, Pose.from_rpy([0.0, 0, 20], 0, 0, 0), np.zeros((6, 6)))
        anchor = Anchor.by_hand(given, local, 7.0, Drift(0.1, 0.002))
        later = Prior(START, Pose.from_rpy([30.0, 40, 20], 0, 0, 0), np.zeros((6, 6)))
        found = anchor.prior(later, 57.0).covariance
        assert found[:2, :2] == pytest.approx(0.01 * np.array([[1600, -1200], [-1200, 900]]) + 25 * np.eye(2))
        assert found[5, [0, 1]] == pytest.approx([-0.4, 0.3])
        assert found[5, 5] == pytest.approx(0.01 + 0.1 ** 2)
        assert anchor.prior(later, 3.0).covariance[5, 5] == pytest.approx(0.01), "it never flew less than nothing"

    def test_a_pose_by_hand_has_the_tilt_of_the_odometry(self) -> None:
        local = Prior(START, Pose.from_rpy([1.0, 2, 300], 0.1, -0.2, 1.0), np.zeros((6, 6)))
        whole = np.full((6, 6), 0.5) + np.eye(6)
        given = Prior(START, Pose.from_rpy([10.0, 20, 30], 0.3, 0.3, 2.0), whole)
        anchor = Anchor.by_hand(given, local, 0.0, STILL)
        found = anchor.prior(local, 0.0)
        assert found.pose.position == pytest.approx([10, 20, 30])
        assert found.pose.rpy() == pytest.approx((0.1, -0.2, 2.0))
        assert anchor.answered.shape == (6, 6) and not anchor.answered.any()
        assert not anchor.covariance[3:5].any() and not anchor.covariance[:, 3:5].any()
        rest = [0, 1, 2, 5]
        assert anchor.covariance[np.ix_(rest, rest)] == pytest.approx(whole[np.ix_(rest, rest)])
        planar = np.diag([1.0, 1, 0, 0, 0, 1])
        clicked = Anchor.by_hand(replace(given, covariance=planar), local, 0.0, STILL)
        assert clicked.at == pytest.approx([10, 20, 300])

    def test_a_fix_moves_x_y_and_yaw_alone(self) -> None:
        local = Prior(START, Pose.from_rpy([1.0, 2, 300], 0.1, -0.2, 1.0), COVARIANCE)
        given = Prior(START, Pose.from_rpy([10.0, 20, 30], 0, 0, 2.0), 9 * np.eye(6))
        anchor = Anchor.by_hand(given, local, 0.0, Drift(0.3, 0.4))
        before = anchor.prior(local, 0.0).pose
        fix = before.corrected(np.array([3.0, -4, 50, 0.02, 0.03, 0.1]))
        covariance = np.diag([2.0, 3.0, 1e6, 1e6, 1e6, 0.04]) + 0.01 * np.eye(6, k=1) + 0.01 * np.eye(6, k=-1)
        moved = anchor.moved(fix, covariance, local, 12.0)
        after = moved.prior(local, 12.0)
        assert after.pose.correction_from(before) == pytest.approx([3, -4, 0, 0, 0, fix.correction_from(before)[5]], abs=1e-9)
        assert moved.at == pytest.approx(after.pose.position)
        assert (moved.flown_m, moved.drift) == (12.0, Drift(0.3, 0.4))
        assert moved.covariance[np.ix_([0, 1, 5], [0, 1, 5])] == pytest.approx(covariance[np.ix_([0, 1, 5], [0, 1, 5])])
        assert moved.covariance[2, 2] == 9.0
        assert moved.answered[np.ix_([0, 1, 5], [0, 1, 5])] == pytest.approx(np.diag(np.diag(COVARIANCE)[[0, 1, 5]]))
        assert not moved.answered[2:5].any() and not moved.covariance[3:5].any()


class TestMotion:
    """What the samples tell of the aircraft's motion, between them as at them."""

    def test_steps_of_a_metre_count(self) -> None:
        buffer = PriorBuffer()
        for tenth, x in enumerate((0.0, 0.5, 0.999, 1.5, 2.0, 2.5)):
            buffer.add(prior(START + tenth * 100 * MS, Pose(np.array([x, 0.0, 0.0]), np.eye(3))), None)
        motions = [buffer.at(START + at * 50 * MS).motion for at in range(11)]
        expected = [0, 0, 0, 0, 0, 0.75, 1.5, 1.5, 1.5, 2, 2.5]
        assert [motion.flown for motion in motions] == pytest.approx(expected)

    def test_between_samples_it_lies_between(self) -> None:
        buffer = filled(START, START + 100 * MS)
        motion, pose = buffer.at(START + 30 * MS).motion, flown(START + 30 * MS)
        assert motion.pose.position == pytest.approx(pose.position) and motion.pose.rotation == pytest.approx(pose.rotation)
        assert motion.flown == pytest.approx(0.3 * np.hypot(10, 2)) and motion.doubt == 0

    def test_a_sample_that_comes_late_lies_on_the_motion_of_those_around_it(self) -> None:
        """Whatever its own pose says."""
        buffer = filled(START, START + 200 * MS)
        late = prior(START + 100 * MS, Pose(np.full(3, 77.0), np.eye(3)))
        buffer.add(late)
        assert buffer.at(START + 100 * MS).pose is late.pose
        assert buffer.at(START + 100 * MS).motion.pose.position == pytest.approx(flown(START + 100 * MS).position)
        buffer.add(prior(START + 300 * MS))
        assert buffer.at(START + 300 * MS).motion.pose.position == pytest.approx(flown(START + 300 * MS).position)
        buffer.add(prior(START - 100 * MS))
        assert buffer.at(START - 100 * MS).motion.pose.position == pytest.approx(flown(START).position), "none is known before"

    def test_what_was_flown_stays_flown_and_nobody_knows_where_a_new_clock_begins(self) -> None:
        buffer, far = filled(START, START + 100 * MS), START + 1000 * SECOND
        before = buffer.at(START + 100 * MS).motion
        for stamp in (far, far + 100 * MS, far + 200 * MS):
            buffer.add(prior(stamp))
        after = buffer.at(far + 200 * MS).motion
        assert buffer.at(far).motion.flown == before.flown and before.doubt == 0
        assert after.flown == pytest.approx(3 * before.flown)
        assert after.doubt == buffer.at(far).motion.doubt == ANYWHERE_M
        assert after.pose.position - before.pose.position == pytest.approx([20, 4, 0])


class TestRig:
    def test_the_defaults_are_those_of_the_parameters(self) -> None:
        rig = Rig.read(DEFAULTS, TrackOptions())
        plain = Rig()
        assert (rig.base_frame, rig.mounted_by) == (plain.base_frame, "auto")
        assert (rig.drift.place, rig.drift.yaw) == pytest.approx((0.05, np.deg2rad(1) / 1000))
        assert (plain.drift.place, plain.drift.yaw) == pytest.approx((0.05, np.deg2rad(1) / 1000))
        assert rig.mount.rotation == pytest.approx(plain.mount.rotation)
        assert not rig.mount.position.any()

    def test_drift_is_one_sigma(self) -> None:
        drift = Rig.read(DEFAULTS, TrackOptions(odometry_drift=0.2, yaw_drift_deg_per_km=90.0)).drift
        assert (drift.place, drift.yaw) == pytest.approx((0.2, np.pi / 2 / 1000))

    def test_sigmas_become_variances_in_metres_and_radians(self) -> None:
        turn = np.pi ** 2
        assert DefaultSigmas(2.0, 3.0, 180.0, 90.0).variances() == pytest.approx([4, 4, 9, turn, turn, turn / 4])

    def test_the_camera_is_where_the_parameters_put_it(self) -> None:
        rig = Rig.read(DEFAULTS | {"camera_position_m": [1.0, 2.0, 3.0], "camera_rpy_deg": [0.0, -10.0, 0.0]}, TrackOptions())
        assert rig.mounted_by == "parameters", "what is set is meant"
        assert rig.mount.position == pytest.approx([1, 2, 3])
        assert rig.mount.rotation[:, 2] == pytest.approx([np.sin(np.deg2rad(10)), 0, -np.cos(np.deg2rad(10))])
        assert Rig.read(DEFAULTS | {"camera_rpy_deg": [0.0, 0.0, 1e-9]}, TrackOptions()).mounted_by == "parameters"
