"""Priors that are wrong beside their drift: what the odometry of a flight says, and what its twist tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from promptmid_core.arrays import Float64
from promptmid_core.bags.messages import pose_from, stamp_ns
from promptmid_core.geometry import Terrain
from promptmid_core.simulation.flight.clock import Clock, seconds
from promptmid_core.simulation.flight.flightplan import Plan
from promptmid_core.simulation.flight.odometry import WrongPrior
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.trajectory import Motion, Trajectory

GSD, SPEED, HEIGHT = 2.0, 20.0, 300.0
EXACT = {"drift_px": 0, "yaw_error_deg": 0, "altitude_error_percent": 0, "attitude_error_deg": 0}
FRAMES = 40


@dataclass(frozen=True)
class Told:
    """What odometry told: seconds (N,), error of the position (N, 3), of roll, pitch and yaw (N, 3), velocity in `map` (N, 3),
    and the first covariances of pose and twist."""

    times: Float64
    error: Float64
    turned: Float64
    velocity: Float64
    covariance: Float64
    twist_covariance: Float64

    def at(self, clock: Clock) -> Float64:
        """The error (frames, 2) of x and y at the frames' stamps."""
        return np.column_stack([np.interp(clock.stamped, self.times, axis) for axis in self.error[:, :2].T])


def told(**values: Any) -> tuple[Told, Clock]:
    """Fly straight east, 300 m above flat ground."""
    options = FlightOptions.of(**{"frames": FRAMES} | EXACT | values)
    clock = Clock.of(options)
    times = np.arange(0, 60, 0.05)
    track = np.column_stack([SPEED * times, 0 * times, 0 * times + HEIGHT])
    sight: Any = None
    view: Any = None
    plan = Plan(sight, Motion(SPEED, 0.1, HEIGHT, 0.05), Trajectory(times, track, np.zeros((len(times), 3))), view)
    prior = WrongPrior(options.prior, GSD, seed=4)
    messages = [m for _, _, m in prior.messages(np.random.default_rng(3), plan, Terrain.flat(), clock)]
    poses = [pose_from(m.pose.pose) for m in messages]
    at = seconds(np.array([stamp_ns(m.header) for m in messages]))
    twist = np.array([[m.twist.twist.linear.x, m.twist.twist.linear.y, m.twist.twist.linear.z] for m in messages])
    true = np.column_stack([SPEED * at, 0 * at, 0 * at + HEIGHT])
    velocity = np.array([pose.rotation @ v for pose, v in zip(poses, twist, strict=True)])
    return Told(at, np.array([p.position for p in poses]) - true, np.array([p.rpy() for p in poses]), velocity,
                np.reshape(messages[0].pose.covariance, (6, 6)), np.reshape(messages[0].twist.covariance, (6, 6))), clock


def test_a_prior_without_any_of_it_is_right() -> None:
    right, _ = told()
    assert np.abs(right.error).max() < 1e-6 and np.abs(right.velocity - (SPEED, 0, 0)).max() < 1e-6


def test_an_understated_covariance_leaves_the_errors_as_they_are() -> None:
    honest, _ = told(drift_px=20, yaw_error_deg=3, altitude_error_percent=2)
    lying, _ = told(drift_px=20, yaw_error_deg=3, altitude_error_percent=2, sigma_stated_factor=1 / 3,
                    yaw_sigma_stated_factor=0.5)
    assert np.array_equal(honest.error, lying.error) and np.array_equal(honest.turned, lying.turned)
    ratio = np.sqrt(np.diag(lying.covariance) / np.diag(honest.covariance))
    assert ratio == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1, 0.5])


def test_a_constant_offset_states_the_sigma_it_is_given() -> None:
    off, _ = told(offset_px=40, sigma_stated_px=5)
    assert np.hypot(*off.error[:, :2].T) == pytest.approx(40 * GSD)
    assert np.ptp(off.error, axis=0) == pytest.approx(0, abs=1e-6)
    assert np.sqrt(np.diag(off.covariance))[:2] == pytest.approx(5 * GSD)
    assert np.abs(off.velocity - (SPEED, 0, 0)).max() < 1e-6
    both, _ = told(sigma_stated_px=6, sigma_stated_factor=0.5)
    assert np.sqrt(np.diag(both.covariance))[:2] == pytest.approx(3 * GSD)


def test_constant_errors_of_yaw_and_height() -> None:
    off, _ = told(yaw_bias_deg=-12, altitude_bias_percent=30)
    assert off.error[:, 2] == pytest.approx(0.3 * HEIGHT)
    assert np.degrees(off.turned[:, 2]) == pytest.approx(-12)
    # the twist is along axes that are turned too, so that it tells the motion as it is
    assert np.abs(off.velocity - (SPEED, 0, 0)).max() < 1e-6


def test_jumps_come_between_two_frames_and_the_twist_tells_nothing() -> None:
    jumped, clock = told(jump=["10:20", "25:6"])
    moved = np.hypot(*np.diff(jumped.at(clock), axis=0).T) / GSD
    expected = np.zeros(FRAMES - 1)
    expected[[9, 24]] = 20, 6
    assert moved == pytest.approx(expected, abs=1e-6)
    assert np.abs(jumped.velocity - (SPEED, 0, 0)).max() < 1e-6
    still, _ = told()
    assert np.array_equal(jumped.covariance, still.covariance) and np.array_equal(jumped.twist_covariance, still.twist_covariance)
    at_once, clock = told(jump="0:7")
    assert np.hypot(*at_once.at(clock).T) == pytest.approx(7 * GSD)


def test_a_jump_in_the_twist_is_what_the_twist_sums_up_to() -> None:
    jumped, clock = told(jump="10:50", jump_in_twist=True)
    error = jumped.at(clock)
    assert np.hypot(*error[9]) == pytest.approx(0, abs=1e-6) and np.hypot(*error[10:].T) == pytest.approx(50 * GSD)
    summed = np.cumsum(jumped.velocity[:, :2] - (SPEED, 0), axis=0) * 0.05
    assert np.hypot(*summed[-1]) == pytest.approx(50 * GSD, rel=1e-6)
    assert summed[-1] == pytest.approx(error[-1])


def test_an_outage_is_silent_and_ends_with_its_offset() -> None:
    cut, clock = told(outage="12:8", outage_offset_px=70)
    begin = clock.stamped[12]
    gap = np.flatnonzero(np.diff(cut.times) > 0.06)
    assert len(gap) == 1
    assert begin - 0.05 <= cut.times[gap[0]] < begin and begin + 8 <= cut.times[gap[0] + 1] < begin + 8.05
    away = np.hypot(*cut.error[:, :2].T) / GSD
    assert away[:gap[0] + 1] == pytest.approx(0, abs=1e-6) and away[gap[0] + 1:] == pytest.approx(70)
    whole, _ = told(outage="12:8", outage_of="images", outage_offset_px=70)
    assert np.allclose(np.diff(whole.times), 0.05)
    # while it goes on, the twist is wrong by what the pose drifts by
    inside = (whole.times > begin + 1) & (whole.times < begin + 7)
    assert np.hypot(*(whole.velocity[inside, :2] - (SPEED, 0)).T) == pytest.approx(70 * GSD / 8)


def test_what_drifts_with_the_way_is_told_by_the_twist() -> None:
    drifting, _ = told(odometry_drift_percent=5)
    away = np.hypot(*drifting.error[:, :2].T)
    assert away == pytest.approx(0.05 * SPEED * drifting.times, abs=1e-6)
    assert np.hypot(*(drifting.velocity[:, :2] - (SPEED, 0)).T) == pytest.approx(0.05 * SPEED)


def test_noise_of_the_twist_is_as_large_as_it_is_stated() -> None:
    noisy, _ = told(twist_noise_percent=10)
    assert np.abs(noisy.error).max() < 1e-6
    assert (noisy.velocity - (SPEED, 0, 0)).std() == pytest.approx(2.0, rel=0.1)
    assert np.sqrt(np.diag(noisy.twist_covariance))[:3] == pytest.approx(2.0, rel=1e-3)


def alike(signal: Float64, lag: int) -> float:
    signal = signal - signal.mean()
    return float((signal[lag:] * signal[:-lag]).mean() / (signal**2).mean())


def test_attitude_errors_are_white_or_slow_or_constant() -> None:
    roll = {tau: told(attitude_error_deg=2, attitude_error_s=tau)[0].turned[:, 0] for tau in (0, 0.5, 5, 60, 2000, np.inf)}
    for tau, error in roll.items():
        assert np.degrees(np.abs(error)).max() < 4.1, tau
    assert abs(alike(roll[0], 1)) < 0.15
    assert alike(roll[0.5], 4) > 0.5 > alike(roll[0.5], 60)
    assert alike(roll[5], 20) > 0.5
    assert 0 < np.ptp(roll[2000]) < np.ptp(roll[60]) < np.radians(4.1)
    assert np.ptp(roll[np.inf]) == 0 and abs(np.degrees(roll[np.inf][0])) == pytest.approx(2)


@pytest.mark.parametrize("tau", [0, 0.5, 5, 300, np.inf])
def test_the_worst_attitude_error_at_the_frames_is_the_one_asked_for(tau: float) -> None:
    wrong, clock = told(attitude_error_deg=2, attitude_error_s=tau)
    worst = [np.abs(np.interp(clock.stamped, wrong.times, axis)).max() for axis in wrong.turned[:, :2].T]
    assert np.degrees(worst) == pytest.approx(2, rel=0.25 if tau < 1 else 1e-6)


def test_mishaps_leave_the_drift_as_it_is() -> None:
    plain, clock = told(drift_px=20)
    wrong, _ = told(drift_px=20, jump="10:20", offset_px=5, twist_noise_percent=3)
    same = plain.times < clock.stamped[10] - 0.2
    shift = (wrong.error - plain.error)[same]
    assert np.hypot(*shift[:, :2].T) == pytest.approx(5 * GSD) and np.ptp(shift, axis=0) == pytest.approx(0, abs=1e-6)


def test_a_slow_attitude_error_is_stated_as_large_as_it_is() -> None:
    """The worst of a constant error is the error itself, not one of 2.5 standard deviations."""
    constant, _ = told(attitude_error_deg=0.5, attitude_error_s=np.inf)
    quick, _ = told(attitude_error_deg=0.5, attitude_error_s=0.1)
    assert np.sqrt(np.diag(constant.covariance)[3:5]) == pytest.approx(np.deg2rad([0.5, 0.5]))
    assert np.sqrt(np.diag(quick.covariance)[3:5]) == pytest.approx(np.deg2rad([0.2, 0.2]))
