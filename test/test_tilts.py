"""Odometry that states better roll and pitch than its own jumps show is named, and no other."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from odometry_messages import SECOND, START, message
from sights import alike

from promptmid_core.bags import telemetry
from promptmid_core.geometry import Pose
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.rig import Rig

HZ, SECONDS = 10, 45


def heard(error_deg: float, error_s: float, stated_deg: float, *, rates: str = "all", hz: int = HZ, seconds: int = SECONDS,
          jumps: bool = False, odometry: Odometry | None = None, begun: int = START) -> Odometry:
    """Odometry of an aircraft that sways and turns, `rates` of which all, none, or the heading's alone are told; `jumps`: its
    errors change once a second."""
    rng = np.random.default_rng(4)
    times = np.arange(seconds * hz) / hz
    true = np.column_stack([np.deg2rad(3) * np.sin(1.9 * times), np.deg2rad(2) * np.sin(2.3 * times + 1), 0.1 * times])
    slopes = np.gradient(true, times, axis=0)
    errors = np.column_stack([alike(rng, times, error_s or 1e-6) for _ in range(2)])
    if jumps:
        errors = errors[np.arange(len(times)) // hz * hz]
    covariance = np.diag([100.0, 100.0, 25.0, *np.deg2rad([stated_deg, stated_deg, 2.0]) ** 2])
    odometry = odometry or Odometry(Rig())
    for i, second in enumerate(times):
        (roll, pitch, yaw), (roll_s, pitch_s, yaw_s) = true[i], slopes[i]
        rate = np.array([roll_s - yaw_s * np.sin(pitch), pitch_s * np.cos(roll) + yaw_s * np.sin(roll) * np.cos(pitch),
                         yaw_s * np.cos(roll) * np.cos(pitch) - pitch_s * np.sin(roll)])
        rate = {"all": rate, "none": np.zeros(3), "heading": rate * [0, 0, 1]}[rates]
        roll, pitch = true[i, :2] + np.deg2rad(error_deg) * errors[i]
        pose = Pose(np.array([50 * second, 0.0, 3000.0]), rotation_rpy(roll, pitch, yaw))
        stamp = begun + round(second * SECOND)
        odometry.add(telemetry.odometry(stamp, pose, covariance, np.array([50.0, 0, 0]), rate, np.eye(6)))
    return odometry


@pytest.mark.parametrize("said", [{"error_s": 0.0}, {"error_s": 0.0, "jumps": True}, {"error_s": 0.0, "hz": 20}])
def test_a_tilt_that_is_worse_than_stated_is_named_with_both(said: dict[str, Any]) -> None:
    found = heard(0.2, stated_deg=0.05, **said).tilts.understated
    assert found is not None
    assert found.stated_deg == pytest.approx(0.05) and found.shown_deg == pytest.approx(0.2, rel=0.35)
    assert found.times > 2.5 and "stated to 0.050 degrees" in str(found) and "\n" not in str(found)


@pytest.mark.parametrize(("error", "seconds", "stated", "more"), [
    (0.2, 0.0, 0.2, {}), (0.2, 0.0, 0.13, {}), (0.05, 0.0, 0.05, {}), (0.08, 5.0, 0.08, {}), (0.2, 60.0, 0.08, {}),
    (0.0, 0.0, 0.001, {}), (0.2, 0.0, 0.05, {"rates": "none"}), (0.2, 0.0, 0.05, {"rates": "heading"}),
    (0.2, 0.0, 0.05, {"seconds": 25}), (0.0, 0.0, 0.05, {"hz": 4}), (0.2, 0.0, 0.0, {}),
], ids=["honest", "near", "small", "lasting", "slow", "none", "no_rates", "heading_alone", "short", "seldom", "unstated"])
def test_others_are_not(error: float, seconds: float, stated: float, more: dict[str, Any]) -> None:
    assert heard(error, seconds, stated, **more).tilts.worst is None


def test_what_was_named_is_named_no_more_once_it_is_cured_and_the_worst_is_kept() -> None:
    odometry = heard(0.2, 0.0, 0.05)
    worst = odometry.tilts.worst
    heard(0.05, 0.0, 0.05, odometry=odometry, begun=START + SECONDS * SECOND)
    assert odometry.tilts.understated is None and odometry.tilts.worst == worst is not None


def test_a_stamp_that_goes_astray_and_a_message_out_of_order_show_nothing() -> None:
    odometry = heard(0.05, 0.0, 0.05, seconds=35)
    tilted = Pose.from_rpy(np.zeros(3), 0.3, -0.3, 0.0)
    for stamp in (START + 4000 * SECOND, START + 34 * SECOND):
        odometry.add(replace(message(stamp), pose=message(stamp, pose=tilted).pose))
    heard(0.05, 0.0, 0.05, odometry=odometry, begun=START + 35 * SECOND)
    assert odometry.tilts.worst is None
