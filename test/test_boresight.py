"""A camera that is mounted or timed otherwise than told is suspected from one flight that turns, and no other is."""

import numpy as np
import pytest
from trips import Trip, flown

from promptmid_core.geometry.pose import rotation_rpy, rotation_vector
from promptmid_core.localization.attitude import metres_per_tenth, offset, swing

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("trip", [
    Trip(mount=(0.5, -0.5, 0.5), turns="box", fixes=400), Trip(mount=(0.5, -0.5, 0.5), fixes=300), Trip(mount=(1.0, -1.0, 1.0)),
    Trip(mount=(-3.0, 3.0, 3.0)), Trip(mount=(1.0, -1.0, 0.0), drift=0.05), Trip(mount=(1.0, 1.0, 0.0), taken=0.3),
    Trip(mount=(1.0, -1.0, 0.0), ahead=30.0), Trip(mount=(1.0, -1.0, 0.0), tilt=0.15, tilt_s=60.0),
    Trip(mount=(-1.0, 1.0, 0.0), wrong=0.05),
], ids=["half_box", "half", "one", "three", "drift", "filter", "oblique", "slow_attitude", "wrong_fixes"])
def test_a_wrong_mount_is_suspected(trip: Trip) -> None:
    found = flown(trip, 1).suspicion
    assert found is not None
    # a filter that takes the fixes follows a part of what they are wrong by
    least = 0.4 if trip.taken else 1.0
    for value, truth in ((found.roll_deg, trip.mount[0]), (found.pitch_deg, trip.mount[1])):
        assert abs(value) > least * abs(truth) - 4 * found.sigma_deg
        assert abs(value - truth) < 4 * found.sigma_deg + (1 - least) * abs(truth)
    assert abs(found.delay_s) < 0.05


@pytest.mark.parametrize("trip", [Trip(delay=0.2), Trip(delay=0.2, turns="box"), Trip(delay=0.2, taken=0.3)])
def test_a_delay_is_suspected(trip: Trip) -> None:
    found = flown(trip, 1).suspicion
    assert found is not None and found.told_apart
    assert found.delay_s == pytest.approx(0.2, abs=0.05)
    assert abs(found.roll_deg) < 0.4 and abs(found.pitch_deg) < 0.4
    assert "images stamped 0.2" in str(found) and "promptmid calibrate camera" in str(found)


@pytest.mark.parametrize("trip", [
    Trip(), Trip(turns="box"), Trip(bias=(0.1, -0.1)), Trip(tilt_s=0.0), Trip(tilt_s=60.0), Trip(wind=(6.0, -4.0)),
    Trip(wind=(6.0, -4.0), turns="box"), Trip(scale=0.02), Trip(heading=2.0), Trip(drift=0.05), Trip(taken=0.3),
    Trip(ahead=30.0), Trip(lever=(3.0, 1.0, 0.0), height=300.0, speed=20.0, tilt=0.3), Trip(wrong=0.05),
    Trip(mount=(0.0, 0.0, 3.0)),
], ids=["wander", "box", "bias", "white", "slow_attitude", "wind", "wind_box", "speed", "heading", "drift", "filter", "oblique",
        "lever", "wrong_fixes", "mount_yaw"])
def test_a_camera_as_told_is_not_suspected(trip: Trip) -> None:
    assert flown(trip, 2).suspicion is None


def test_a_straight_flight_tells_nothing() -> None:
    assert flown(Trip(mount=(1.0, -1.0, 0.0), turns="straight"), 1).suspicion is None


def test_swing_is_how_the_ground_moves_with_small_turns() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        rotation = rotation_rpy(*rng.uniform(-0.3, 0.3, 2), rng.uniform(-3, 3))
        sight = np.array([*rng.uniform(-0.5, 0.5, 2), -1.0])
        sight /= np.linalg.norm(sight)
        turned = [[offset(rotation @ rotation_vector(sign * turn), sight, 900.0) for sign in (1, -1)]
                  for turn in 1e-5 * np.eye(3)[:2]]
        change = [(ahead - back) / 2e-5 for ahead, back in turned]
        assert swing(rotation, sight, 900.0) == pytest.approx(np.column_stack(change), rel=1e-6, abs=1e-3)


def test_a_tenth_of_a_degree_is_one_and_three_quarters_of_a_metre_for_each_kilometre() -> None:
    assert metres_per_tenth(1000.0) == pytest.approx(1.7453, abs=1e-4)
    down = np.array([0.0, 0.0, -1.0])
    assert np.linalg.norm(swing(np.eye(3), down, 1000.0), 2) == pytest.approx(1000.0)
