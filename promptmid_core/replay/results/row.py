"""A replayed frame as a row of plain values: what `frames.csv` and `frames.jsonl` tell of it."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from promptmid_core.geometry import Pose
from promptmid_core.replay.run import ReplayedFrame

Row = dict[str, Any]
AXES = ("x", "y", "z", "roll", "pitch", "yaw")


def row_of(frame: ReplayedFrame, gsd_m: float) -> Row:
    """Return a frame by name; what is not known is None, and so is what is infinite.

    Metres and degrees in `map`, ns since the epoch, ms; errors also in px of `gsd_m` metres. `x` to `qw`, the fix, as `prior_x`
    to `prior_qw` and `truth_x` to `truth_qw`; `covariance`: of the fix by itself, 36 numbers by rows in ROS order (x y z roll
    pitch yaw), of which `inflation` times those of x, y and yaw are published; `score_*` and `stage_*_ms` as in
    `~/match_diagnostics`.
    """
    fix, candidate = frame.fix, frame.fix.candidate
    prior, ground, told = candidate.prior, frame.fix.ground, frame.fix.protection
    row: Row = {
        "frame": frame.index, "stamp_ns": fix.stamp_ns, "recorded_ns": frame.bag_ns,
        "verdict": "fix" if fix.accepted else "no fix", "reason": str(fix.reason), "sentence": fix.sentence,
        "state": str(fix.state), **_pose("", fix.pose), **_pose("prior_", prior.pose if prior else None),
        "prior_sigma_m": _root(prior.covariance) if prior else None, **_pose("truth_", frame.truth),
        "ground_x": _number(ground.point[0]) if ground else None, "ground_y": _number(ground.point[1]) if ground else None,
        "ground_error_px": _number(frame.ground_error_px), "ground_error_m": _metres(frame.ground_error_px, gsd_m),
        "error_px": _number(frame.error_px), "error_m": _number(frame.error_m), "d2": _number(frame.d2),
        "d2_ground": _number(frame.d2_ground), "prior_error_px": _number(frame.prior_error_px),
        "prior_error_m": _metres(frame.prior_error_px, gsd_m), "sigma_m": _metres(frame.sigma_px, gsd_m),
        "protection_m": _number(told.position) if told else None, "probability": fix.probability, "elsewhere": fix.elsewhere,
        "overruled": fix.overruled, "inflation": fix.inflation if fix.accepted else None,
        "map_disagrees_m": _number(fix.dispute.amount) if fix.dispute else None,
        "observed": " ".join(fix.observed), "covariance": None if fix.covariance is None else fix.covariance.ravel().tolist(),
        "latency_ms": _number(frame.latency_ms),
    }
    return (row | {f"score_{name}": _number(value) for name, value in candidate.scores.items()}
            | {f"stage_{name}_ms": _number(value) for name, value in candidate.stage_ms.items()})


def flat(row: Row) -> Row:
    """Return a row for a table: of the covariance one column for each pair of axes, `cov_x_y`."""
    values = row["covariance"]
    matrix = np.full((6, 6), np.nan) if values is None else np.array(values).reshape(6, 6)
    pairs = {f"cov_{one}_{other}": None if values is None else float(matrix[i, j])
             for i, one in enumerate(AXES) for j, other in enumerate(AXES) if i <= j}
    return {name: value for name, value in row.items() if name != "covariance"} | pairs


def _pose(prefix: str, pose: Pose | None) -> Row:
    names = ("x", "y", "z", "qx", "qy", "qz", "qw")
    values = [None] * len(names) if pose is None else [float(value) for value in (*pose.position, *pose.quaternion())]
    return {f"{prefix}{name}": value for name, value in zip(names, values, strict=True)}


def _root(covariance: Any) -> float:
    return float(np.sqrt(np.trace(covariance[:2, :2])))


def _metres(px: float | None, gsd_m: float) -> float | None:
    return None if px is None else _number(px * gsd_m)


def _number(value: Any) -> float | None:
    return None if value is None or not isfinite(value) else float(value)
