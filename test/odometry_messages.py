"""Odometry of a flight of known poses, as priors and as messages."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from promptmid_core.bags import telemetry
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.odometry import Odometry

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
