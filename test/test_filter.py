"""The filter of examples/filter_gtsam.py: its Jacobians, its honesty on simulated sensors, and late and wrong fixes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from optional import lacking

from benchmarks.loop.sensors import Sensors, Wrong
from promptmid_core.simulation.flight.trajectory import Trajectory

LACKING = lacking("gtsam")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}; no filter of GTSAM")]
if not LACKING:
    import filter_gtsam as example
    import filter_model as model
    import gtsam

    from benchmarks.loop.instruments import motion_of, of_ground

HEIGHT, SPEED, SIGMA, REPEATS_M, STEP_S = 4000.0, 60.0, 4.0, 1400.0, 0.1
YAW_SIGMA = float(np.radians(0.2))
DOWN = np.array([0.0, 0.0, -1.0])


def wandering(seconds: float) -> Trajectory:
    """A flight with a turn to the left, straight ahead, and a turn to the right, again and again."""
    times = np.arange(0.0, seconds + 1, 0.05)
    yaw = 1.6 * np.sin(times / 20)
    track = np.cumsum(np.column_stack([np.cos(yaw), np.sin(yaw)]) * SPEED * 0.05, axis=0)
    sway = np.radians(1.0) * np.column_stack([np.sin(times / 1.7), np.cos(times / 2.3)])
    return Trajectory(times, np.column_stack([track, np.full(len(times), HEIGHT)]), np.column_stack([sway, yaw]))


@dataclass
class Sortie:
    """A flight with its sensors and a fix a second, whose ground errors repeat over REPEATS_M; `errors` (N, 2) and squared
    `distances` (N,) of the filter once a second, and the `sigmas` (N,) that it states along the longer axis."""

    seconds: float = 90.0
    seed: int = 1
    wrong: Wrong = field(default_factory=Wrong)
    boresight_deg: float = 0.0
    late_s: float = 0.3
    silent: tuple[float, float] = (0.0, 0.0)

    def fly(self, options: Any = None) -> Any:
        trajectory, rng = wandering(self.seconds), np.random.default_rng(self.seed)
        self.sensors = Sensors(trajectory, self.wrong, self.seconds, STEP_S, self.seed)
        self.filter = example.Filter(options or model.Options())
        pose = trajectory.pose(0.0)
        sigmas = np.array([30.0, 30.0, np.radians(2.0)])
        off = sigmas * rng.standard_normal(3)
        self.filter.start(pose.position[:2] + off[:2], pose.yaw + off[2], np.diag(sigmas ** 2))
        fixes, waiting = self.fixes(rng), []
        errors, distances, sigmas_seen = [], [], []
        for i in range(self.sensors.count):
            second = i * STEP_S
            belief = self.filter.move(motion_of(self.sensors.read(i)))
            if i % 10 == 5:
                error, covariance = (belief.pose.translation() - trajectory.pose(second).position)[:2], belief.in_map()[:2, :2]
                errors.append(error)
                distances.append(error @ np.linalg.solve(covariance, error))
                sigmas_seen.append(float(np.sqrt(np.linalg.eigvalsh(covariance)[1])))
                waiting.append((second + self.late_s, next(fixes)))
            while waiting and waiting[0][0] <= second:
                fix = waiting.pop(0)[1]
                if not self.silent[0] <= fix.stamp_ns / 1e9 < self.silent[1]:
                    self.filter.take(self.given(fix))
        self.errors, self.distances, self.sigmas = np.array(errors), np.array(distances), np.array(sigmas_seen)
        return self

    def given(self, fix: Any) -> Any:
        """The fix as the filter gets it."""
        return fix

    def fixes(self, rng: np.random.Generator) -> Iterator[Any]:
        boresight = np.radians(self.boresight_deg) * np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
        seen, here, repeated = DOWN + np.cross(boresight, DOWN), None, rng.standard_normal(3)
        for i in range(5, self.sensors.count, 10):
            second = i * STEP_S - 0.033
            pose = self.sensors.truth(second)
            ray = pose.rotation @ seen
            ground = pose.position - pose.position[2] / ray[2] * ray
            if here is not None:
                kept = np.exp(-np.hypot(*(ground - here)[:2]) / REPEATS_M)
                repeated = kept * repeated + np.sqrt(1 - kept ** 2) * rng.standard_normal(3)
            here = ground
            error = SIGMA * (np.sqrt(0.9) * repeated[:2] + np.sqrt(0.1) * rng.standard_normal(2))
            covariance = of_ground(SIGMA ** 2 * np.eye(2), YAW_SIGMA ** 2)
            yaw = pose.yaw + YAW_SIGMA * float(repeated[2])
            yield model.Fix(round(second * 1e9), ground + np.append(error, 0.0), yaw, covariance, DOWN)


@cache
def flown(seed: int, wrong: Wrong) -> Sortie:
    """A sortie that several tests judge and none changes."""
    return Sortie(seed=seed, wrong=wrong).fly()


def drawn(seed: int) -> tuple[Any, Any, Any, Any]:
    """A way, a pose near which it began, what is beside that, and a pose near which it ended."""
    rng = np.random.default_rng(seed)

    def pose() -> Any:
        level = gtsam.Rot3.RzRyRx(*rng.normal(0, 0.1, 2), rng.uniform(-3, 3))
        return gtsam.Pose3(level, np.append(rng.normal(0, 100, 2), HEIGHT))

    before, rate = pose(), np.array([0.02, -0.03, 0.07])
    at = model.Motion(0, np.array([60.0, 2.0, -1.0]), rate, np.array([0.05, -0.02, 0.99]), HEIGHT)
    way = model.Way.from_(at)
    for i in range(1, 12):
        way = way.on(replace(at, stamp_ns=i * 100_000_000, rate=at.rate + 0.01 * i))
    beside = model.Options().sigmas() * rng.standard_normal(model.BESIDE)
    turn, step, _ = way.corrected(beside)
    after = before.compose(gtsam.Pose3(gtsam.Rot3(turn), step)).retract(0.02 * rng.standard_normal(6))
    return way, before, beside, after


def by_differences(function: Any, *arguments: Any) -> list[np.ndarray]:
    """The Jacobians of a function by each of its arguments, poses or vectors."""
    found = []
    for place, argument in enumerate(arguments):
        columns = []
        for i in range(6 if isinstance(argument, gtsam.Pose3) else len(argument)):
            sides = []
            for sign in (1, -1):
                step = np.zeros(6 if isinstance(argument, gtsam.Pose3) else len(argument))
                step[i] = sign * 1e-5
                moved = argument.retract(step) if isinstance(argument, gtsam.Pose3) else argument + step
                sides.append(function(*arguments[:place], moved, *arguments[place + 1:]))
            columns.append((sides[0] - sides[1]) / 2e-5)
        found.append(np.column_stack(columns))
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("error", ["odometry", "level", "ground", "oblique", "pose"])
def test_jacobians_agree_with_differences(error: str, seed: int) -> None:
    way, before, beside, after = drawn(seed)
    options = model.Options(camera_forward_m=0.5, camera_left_m=-0.2, camera_up_m=-0.3)
    sight = {"ground": DOWN, "oblique": np.array([0.5, 0.2, -0.84]), "pose": None}.get(error)
    covariance = of_ground(np.array([[9.0, 2.0], [2.0, 16.0]]), 0.01)
    fix = model.Fix(0, np.array([80.0, -40.0, 120.0]), 3.1, covariance, sight)
    function, arguments = {
        "odometry": (lambda *a: model.odometry_error(way, *a), (before, beside, after)),
        "level": (lambda *a: model.level_error(way.end, *a), (after, beside)),
    }.get(error, (lambda *a: fix.error(*a, options), (after, beside)))
    told, expected = function(*arguments)[1], by_differences(lambda *a: function(*a)[0], *arguments)
    for mine, differences in zip(told, expected, strict=True):
        assert mine == pytest.approx(differences, rel=1e-5, abs=1e-4 * max(1.0, float(np.abs(differences).max()) / 1e3))


def test_what_dead_reckoning_makes_of_a_belief_is_what_its_error_says() -> None:
    """The covariance is carried by what the graph's own factors say, linearised at the belief."""
    way, before, beside, _ = drawn(7)
    options = model.Options()
    covariance = np.diag(np.concatenate([np.full(3, 0.01), np.full(3, 5.0), options.sigmas()]) ** 2)
    belief = model.Belief(way.end, before, beside, covariance)
    after = belief.moved(way, options)
    error, (by_before, by_beside, by_after) = model.odometry_error(way, before, beside, after.pose)
    assert error == pytest.approx(np.zeros(6), abs=1e-9)
    carried = -np.linalg.solve(by_after, np.hstack([by_before, by_beside]))
    noise = np.linalg.inv(by_after) @ np.diag(model.noise_of(way, options) ** 2) @ np.linalg.inv(by_after).T
    assert after.covariance[:6, :6] == pytest.approx(carried @ covariance @ carried.T + noise, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("attitude_s", [0.0, 5.0, pytest.param(60.0, marks=pytest.mark.long), np.inf])
def test_the_estimate_is_honest_however_long_the_attitude_errs_alike(attitude_s: float) -> None:
    sorties = [flown(seed, Wrong(attitude_s=attitude_s)) for seed in range(3)]
    d2 = np.concatenate([each.distances for each in sorties])
    # the mean is 2 where the filter is honest, here of some ten independent errors; on poses it is 16
    assert d2.mean() < 4.0 and d2.max() < 4.5 ** 2
    assert all(each.filter.taken >= 85 and not each.filter.restarts for each in sorties)


def test_independent_poses_of_the_same_flight_make_it_too_sure() -> None:
    """What ~/ground_point is for: a guard, that the honesty above is no matter of sigmas that are large anyway."""
    class Poses(Sortie):
        def given(self, fix: Any) -> Any:
            told = self.sensors.read(round(fix.stamp_ns / 1e9 / STEP_S))
            up = motion_of(told).up
            yaw = self.sensors.truth(fix.stamp_ns / 1e9).yaw
            level = gtsam.Rot3.RzRyRx(np.arctan2(up[1], up[2]), np.arctan2(-up[0], np.hypot(*up[1:])), yaw).matrix()
            place = fix.place - (fix.place[2] - HEIGHT) / (level @ DOWN)[2] * (level @ DOWN)
            tilted = (HEIGHT * np.radians(0.08)) ** 2
            return replace(fix, place=place, covariance=fix.covariance + np.diag([tilted, tilted, 0.0]), sight=None)

    sorties = [[flown(seed, Wrong()) for seed in range(3)], [Poses(seed=seed).fly() for seed in range(3)]]
    ground, poses = (np.concatenate([each.distances for each in part]) for part in sorties)
    assert poses.mean() > 3 * ground.mean()


def test_a_boresight_that_is_told_wrong_is_found_in_turns() -> None:
    sortie = Sortie(seconds=120.0, boresight_deg=0.5).fly()
    found = np.degrees(sortie.filter.belief.beside[model.BORESIGHT])
    sigma = np.degrees(np.sqrt(np.diag(sortie.filter.belief.covariance)[[6 + i for i in model.BORESIGHT]]))
    assert (np.abs(found - np.array([0.354, -0.354])) < 3 * sigma).all() and sigma.max() < 0.06
    assert sortie.distances.max() < 3.5 ** 2


def test_a_late_fix_counts_at_its_stamp() -> None:
    soon, late = flown(1, Wrong()), Sortie(late_s=2.5).fly()
    assert late.filter.taken >= soon.filter.taken - 3 and not late.filter.late
    # the graph is the same, only its end is older
    assert late.errors[20:] == pytest.approx(soon.errors[20:], abs=8.0)
    assert late.distances.max() < 3.5 ** 2


def test_a_fix_that_is_too_late_or_ahead_of_dead_reckoning_is_counted_and_left() -> None:
    sortie = Sortie(seconds=30.0).fly()
    belief, fix = sortie.filter.belief, next(sortie.fixes(np.random.default_rng(0)))
    assert not sortie.filter.take(fix)
    assert not sortie.filter.take(replace(fix, stamp_ns=round(31e9)))
    assert sortie.filter.late == 2 and sortie.filter.belief is belief


def test_a_gap_of_fixes_widens_and_ends_within_what_was_stated() -> None:
    sortie = Sortie(seconds=150.0, silent=(50.0, 120.0)).fly()
    assert sortie.sigmas[118] > 2 * sortie.sigmas[48]
    assert sortie.sigmas[125] < 1.3 * sortie.sigmas[48]
    assert sortie.distances.max() < 3.5 ** 2 and not sortie.filter.rejected


def test_single_wrong_fixes_are_rejected_and_many_make_the_filter_doubt_itself() -> None:
    class Wrongly(Sortie):
        def given(self, fix: Any) -> Any:
            second = fix.stamp_ns / 1e9
            return replace(fix, place=fix.place + np.array([900.0, 0.0, 0.0])) if 40 < second < 43 or second > 70 else fix

    sortie = Wrongly().fly()
    # of the first three none counts; of the last twenty all but those that it takes to doubt
    assert sortie.filter.restarts == 1
    assert sortie.filter.rejected == 3 + example.REJECTED
    assert np.abs(sortie.errors[45:68]).max() < 60
    assert sortie.errors[-1][0] == pytest.approx(900.0, abs=60.0)
