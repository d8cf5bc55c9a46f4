"""Dead reckoning: jumps of a filter are none of the aircraft, turns and gaps are, and noise on the spot is no way."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from finite import ANGLES, METRES, examples, is_finite, no_warning, vectors
from hypothesis import given
from hypothesis import strategies as st

from promptmid_core.geometry import DeadReckoning, Pose, Prior
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.localization.reckoning import ANYWHERE_M, Reckoner, Twist

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
COVARIANCE = np.diag([100.0, 100.0, 25.0, 1e-4, 1e-4, 1e-3])
STILL = Pose(np.zeros(3), np.eye(3))
STATED = pytest.mark.parametrize("stated", [True, False], ids=["twist", "no twist"])


@dataclass
class Aircraft:
    """Flies at `speed` m/s and turns left by `rate` rad/s; its filter's estimate is its pose, off by `jump`."""

    reckoner: Reckoner
    stated: bool
    speed: float = 40.0
    rate: float = 0.0
    hertz: float = 10.0
    angular: bool = True
    seconds: float = 0.0
    jump: Pose = STILL

    def at(self, seconds: float) -> Pose:
        yaw = self.rate * seconds
        place = ([np.sin(yaw), 1 - np.cos(yaw)] * np.array(self.speed / self.rate) if self.rate else [self.speed * seconds, 0.0])
        bank = np.arctan(self.speed * self.rate / 9.81)
        return Pose.from_rpy(np.array([*place, 1000.0]), -bank, 0.02, 0.3 * bool(not self.rate) + yaw)

    def velocity(self, pose: Pose) -> np.ndarray:
        yaw = self.rate * self.seconds
        return np.asarray(pose.rotation.T @ (self.speed * np.array([np.cos(yaw), np.sin(yaw), 0.0])))

    def show(self, off: Pose | None = None) -> DeadReckoning:
        true = self.at(self.seconds)
        twist = None
        if self.stated:
            rates = true.rotation.T @ np.array([0.0, 0.0, self.rate])
            twist = Twist(self.velocity(true), rates if self.angular else np.zeros(3))
        pose = self.jump @ true
        stamp = START + round(self.seconds * SECOND)
        return self.reckoner.add(Prior(stamp, off @ pose if off else pose, COVARIANCE), twist)

    def fly(self, seconds: float) -> DeadReckoning:
        motion = None
        for _ in range(round(seconds * self.hertz)):
            motion = self.show()
            self.seconds += 1 / self.hertz
        assert motion is not None
        return motion


def off_from(pose: Pose, true: Pose) -> tuple[float, float]:
    """Metres and radians between two poses."""
    delta = pose.correction_from(true)
    return float(np.linalg.norm(delta[:3])), float(np.linalg.norm(delta[3:]))


@STATED
@pytest.mark.parametrize("rate", [0.0, 0.2, -0.6])
@pytest.mark.parametrize("hertz", [4.0, 10.0, 100.0])
def test_without_jumps_it_is_the_odometry(stated: bool, rate: float, hertz: float) -> None:
    aircraft = Aircraft(Reckoner(), stated, rate=rate, hertz=hertz)
    seconds = min(30, round(1000 / hertz))
    motion = aircraft.fly(seconds)
    metres, turned = off_from(motion.pose, aircraft.at(aircraft.seconds - 1 / hertz))
    assert metres < 1e-6 and turned < 1e-6
    assert motion.flown == pytest.approx(40 * seconds, rel=0.02)
    assert motion.doubt == 0


@STATED
@pytest.mark.parametrize("jump", [(3.0, 0.0), (0.0, -60.0), (-500.0, 200.0)], ids=str)
def test_a_jump_of_the_filter_is_none_of_the_aircraft(stated: bool, jump: tuple[float, float]) -> None:
    aircraft = Aircraft(Reckoner(), stated)
    aircraft.fly(5)
    aircraft.jump = Pose(np.array([*jump, 0.0]), np.eye(3))
    motion = aircraft.fly(5)
    metres, turned = off_from(motion.pose, aircraft.at(aircraft.seconds - 0.1))
    assert metres < 0.05 and turned < 1e-3
    assert motion.flown == pytest.approx(400, rel=0.02)


@STATED
def test_a_jump_of_the_heading_turns_nothing(stated: bool) -> None:
    aircraft = Aircraft(Reckoner(), stated)
    aircraft.fly(5)
    here = aircraft.at(aircraft.seconds).position
    turn = Pose.from_rpy(np.zeros(3), 0, 0, np.deg2rad(25.0))
    aircraft.jump = Pose(here - turn.rotation @ here, turn.rotation)
    motion = aircraft.fly(5)
    metres, turned = off_from(motion.pose, aircraft.at(aircraft.seconds - 0.1))
    assert metres < 0.1 and turned < 1e-3


def test_a_turn_that_begins_is_followed_where_no_rates_are_stated() -> None:
    """Forty degrees a second at five samples a second, unlike every step before it."""
    for stated in (True, False):
        aircraft = Aircraft(Reckoner(), stated, hertz=5.0, angular=False)
        poses = [Pose.from_rpy(np.array([0.0, 0, 1000]), 0, 0, 0)]
        for i in range(40):
            turned = np.deg2rad(8.0) if i >= 20 else 0.0
            poses.append(poses[-1] @ Pose.from_rpy(np.array([8.0, 0.0, 0.0]), 0, 0, turned))
        for i, pose in enumerate(poses):
            motion = aircraft.reckoner.add(Prior(START + i * SECOND // 5, pose, COVARIANCE),
                                           Twist(np.array([40.0, 0, 0]), np.zeros(3)) if stated else None)
        metres, turned = off_from(motion.pose, poses[-1])
        assert metres < 8.0 and turned < np.deg2rad(10.0)


def test_a_change_of_speed_that_goes_on_is_motion() -> None:
    """Without a velocity the first step of it cannot be told from a jump; those like it can."""
    reckoner, x = Reckoner(), 0.0
    for i in range(40):
        x += 1.0 if i < 20 else 4.0
        motion = reckoner.add(Prior(START + i * SECOND // 10, Pose(np.array([x, 0.0, 0.0]), np.eye(3)), COVARIANCE), None)
    assert motion.pose.position[0] == pytest.approx(x, abs=3.1)


def test_tilt_is_the_filters_own() -> None:
    """A jitter of a degree, of which the rates know nothing, does not add up."""
    rng, reckoner = np.random.default_rng(0), Reckoner()
    twist = Twist(np.array([30.0, 0.0, 0.0]), np.array([0.0, 0.0, 1e-4]))
    for i in range(600):
        tilt = np.deg2rad(1.0) * rng.standard_normal(2)
        pose = Pose.from_rpy(np.array([3.0 * i, 0.0, 500.0]), *tilt, 0.0)
        told = replace(twist, linear=pose.rotation.T @ twist.linear)
        motion = reckoner.add(Prior(START + i * SECOND // 10, pose, COVARIANCE), told)
    assert motion.pose.rpy()[:2] == pytest.approx(tuple(tilt))
    assert motion.pose.position == pytest.approx(pose.position, abs=0.01 * motion.flown)


@STATED
def test_a_hover_flies_no_way(stated: bool) -> None:
    rng, reckoner = np.random.default_rng(1), Reckoner()
    twist = Twist(np.zeros(3), np.array([0.0, 0.0, 1e-6])) if stated else None
    for i in range(2000):
        pose = Pose(np.append(rng.normal(0, 0.05, 2), 300.0), np.eye(3))
        motion = reckoner.add(Prior(START + i * SECOND // 20, pose, COVARIANCE), twist)
    assert motion.flown == 0
    assert np.abs(motion.pose.position - pose.position).max() < 1.0
    assert motion.doubt == 0


def test_noise_of_the_positions_is_no_jump() -> None:
    """Each a metre off, which is as much as a step is long; the flight they add up to is the flown one."""
    rng, reckoner = np.random.default_rng(2), Reckoner()
    for i in range(400):
        pose = Pose(np.append(np.array([2.0 * i, 0.0]) + rng.normal(0, 1.0, 2), 300.0), np.eye(3))
        motion = reckoner.add(Prior(START + i * SECOND // 10, pose, COVARIANCE), Twist(np.array([20.0, 0, 0]), np.zeros(3)))
    assert motion.pose.position[:2] == pytest.approx([798.0, 0.0], abs=8.0)


def test_a_gap_is_bridged_by_the_pose_and_doubted_by_what_nobody_saw() -> None:
    for jump in (0.0, 300.0):
        aircraft = Aircraft(Reckoner(), True)
        before = aircraft.fly(5)
        aircraft.seconds += 10
        aircraft.jump = Pose(np.array([jump, 0.0, 0.0]), np.eye(3))
        motion = aircraft.show()
        assert before.doubt == 0 and motion.doubt >= 45 + jump
        assert motion.doubt < 60 + 1.1 * jump
        assert motion.pose.position == pytest.approx(aircraft.jump.position + aircraft.at(aircraft.seconds).position, abs=0.1)
        assert motion.flown == pytest.approx(40 * 15 + jump, rel=0.02)


def test_after_a_restart_nobody_knows_where_it_is() -> None:
    aircraft = Aircraft(Reckoner(), True)
    before = aircraft.fly(5)
    aircraft.reckoner.restart()
    aircraft.jump, aircraft.seconds = Pose(np.array([1e5, 0, 0]), np.eye(3)), 2000.0
    first, last = aircraft.show(), aircraft.fly(5)
    assert first.doubt == last.doubt == ANYWHERE_M
    assert first.flown == before.flown and first.pose.position == pytest.approx(before.pose.position)
    assert last.flown == pytest.approx(before.flown + 200, rel=0.03)


def test_a_restart_takes_the_tilt_that_the_aircraft_has_by_then() -> None:
    """Banked before it, level after it: a frame that is tilted for good would shorten every way across."""
    reckoner = Reckoner()
    reckoner.add(Prior(START, Pose.from_rpy(np.zeros(3), 0.0, 0.6, 0.0), COVARIANCE), None)
    reckoner.restart()
    for i in range(50):
        pose = Pose(np.array([4.0 * i, 0.0, 0.0]), np.eye(3))
        motion = reckoner.add(Prior(START + (100 + i) * SECOND // 10, pose, COVARIANCE), None)
    assert motion.pose.position == pytest.approx([196.0, 0.0, 0.0], abs=1e-6)


def test_a_sample_that_is_not_later_changes_nothing() -> None:
    aircraft = Aircraft(Reckoner(), True)
    before = aircraft.fly(5)
    for back in (0.1, 3.0):
        stray = Prior(START + round((aircraft.seconds - 0.1 - back) * SECOND), Pose(np.full(3, 9e3), np.eye(3)), COVARIANCE)
        assert aircraft.reckoner.add(stray, None) is before
    motion = aircraft.fly(5)
    assert off_from(motion.pose, aircraft.at(aircraft.seconds - 0.1)) == pytest.approx((0, 0), abs=1e-6)


def test_two_samples_at_nearly_the_same_time_tell_no_velocity() -> None:
    """Five centimetres of noise in a microsecond are no fifty kilometres a second."""
    reckoner = Reckoner()
    for i in range(40):
        for late in (0, 1000):
            pose = Pose(np.array([2.0 * i + 0.05 * bool(late), 0.0, 0.0]), np.eye(3))
            motion = reckoner.add(Prior(START + i * SECOND // 10 + late, pose, COVARIANCE), None)
    assert motion.pose.position[0] == pytest.approx(78, abs=0.5)


def test_the_stated_error_of_the_velocity_adds_up_and_is_no_more_than_half_the_way() -> None:
    for sigma, loose in ((0.5, 0.5 * 19.9), (500.0, 0.5 * 199.0)):
        reckoner = Reckoner()
        for i in range(200):
            prior = Prior(START + i * SECOND // 10, Pose(np.array([1.0 * i, 0.0, 0.0]), np.eye(3)), COVARIANCE)
            motion = reckoner.add(prior, Twist(np.array([10.0, 0, 0]), np.zeros(3), sigma))
        assert motion.loose == pytest.approx(loose)


def odometry(linear: tuple[float, ...], angular: tuple[float, ...] = (0, 0, 0), variance: float = 0.0) -> SimpleNamespace:
    axes = ("x", "y", "z")
    twist = SimpleNamespace(linear=SimpleNamespace(**dict(zip(axes, linear, strict=True))),
                            angular=SimpleNamespace(**dict(zip(axes, angular, strict=True))))
    covariance = np.zeros(36)
    covariance[0], covariance[7] = variance, variance / 2
    return SimpleNamespace(twist=SimpleNamespace(twist=twist, covariance=covariance))


def test_a_twist_is_read_or_is_none() -> None:
    told = Twist.of(odometry((1, 2, 3), (0.1, 0.2, 0.3), 4.0))
    assert told is not None
    assert (told.linear.tolist(), told.angular.tolist(), told.sigma) == ([1, 2, 3], [0.1, 0.2, 0.3], 2.0)
    for variance in (0.0, -1.0, 1e300, np.nan, np.inf):
        unstated = Twist.of(odometry((1, 2, 3), variance=variance))
        assert unstated is not None and unstated.sigma == 0
    for bad in ((0, 0, 0), (np.nan, 1, 1), (1, np.inf, 1), (2e4, 0, 0)):
        assert Twist.of(odometry(bad)) is None


STAMPS = st.integers(-2**31 * 10**9, 2**32 * 10**9) | st.integers(START - 2 * SECOND, START + 2 * SECOND)
TWISTS = st.none() | st.builds(Twist, vectors(3, st.floats(-1e4, 1e4)), vectors(3, st.floats(-1e4, 1e4)), st.floats(0, 1e4))


@no_warning
@examples(100)
@given(st.lists(st.tuples(STAMPS, vectors(3, METRES), vectors(3, ANGLES), TWISTS), max_size=8), STAMPS)
def test_any_samples_in_any_order_add_up_to_a_motion(samples: list, asked: int) -> None:
    reckoner, buffer, flown = Reckoner(), PriorBuffer(10**18), 0.0
    for stamp, place, rpy, twist in samples:
        prior = Prior(stamp, Pose.from_rpy(place, *rpy), np.eye(6))
        motion = reckoner.add(prior, twist)
        buffer.add(prior, twist)
        assert is_finite(motion.pose.position, motion.pose.rotation, motion.flown, motion.loose, motion.doubt)
        assert flown <= motion.flown and motion.loose >= 0 and motion.doubt >= 0
        flown = motion.flown
    for each in buffer._samples:
        assert each.motion is not None and is_finite(each.motion.pose.position, each.motion.flown)


def test_poses_and_velocities_that_go_apart_for_good_put_the_way_in_doubt() -> None:
    """As where a filter has its heading wrong by half a turn: neither the one nor the other can be believed."""
    reckoner = Reckoner()
    rotation = Pose.from_rpy(np.zeros(3), 0.0, 0.0, np.pi).rotation
    for i in range(60):
        pose = Pose(np.array([5.0 * i, 0.0, 100.0]), np.eye(3) if i < 20 else rotation)
        motion = reckoner.add(Prior(i * 50_000_000, pose, np.eye(6)), Twist(np.array([100.0, 0.0, 0.0]), np.zeros(3)))
    # and odometry was never missing
    assert motion.torn > 100 and motion.doubt == 0
