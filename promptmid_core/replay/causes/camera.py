"""A camera that is turned beside its mount."""

from __future__ import annotations

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose
from promptmid_core.replay.causes.cause import Cause
from promptmid_core.replay.causes.inspection import FEW, Inspection

LEAST_DEG, LEAST_YAW_DEG, SIGMAS = 0.5, 8.0, 3.0
STRAIGHT = 0.95  # length of the mean of the headings as directions, above which a map that is off looks the same
WHAT = "the camera is turned beside its mount, or its images are stamped late"
CURE = ("correct the camera's mount (camera_rpy_deg of the parameters, or /tf_static); promptmid calibrate camera finds it from "
        "flights without truth. On a straight flight a map that lies beside the ground looks the same: promptmid map audit")


def turned(look: Inspection) -> Cause | None:
    """The fixes lie to one and the same side of the truth, as the aircraft has it; or the fixes by themselves look so."""
    fixes = [(frame.fix.pose, frame.truth) for frame in look.frames
             if frame.fix.pose is not None and frame.truth is not None]
    heights = np.array([look.above(pose) for pose, _ in fixes])
    if len(fixes) >= FEW and np.isfinite(heights).all() and heights.min() > 0:
        ahead = np.array([_ahead(pose, truth) for pose, truth in fixes])
        middle, spread = _middle(ahead / heights[:, None])
        size = float(np.rad2deg(np.hypot(*middle)))
        if size > LEAST_DEG and np.hypot(*middle) > SIGMAS * spread and not _of_the_map(fixes, ahead):
            metres = np.median(ahead, axis=0)
            return Cause("camera_turned", WHAT,
                         f"Fixes lie {_side(metres[0], 'ahead of', 'behind')} and {_side(metres[1], 'left of', 'right of')} the "
                         f"truth, as the aircraft has it: {size:.1f} degrees from {np.median(heights):.0f} m above the ground.",
                         CURE)
    if look.flight.suspicion is None:
        return None
    told = str(look.flight.suspicion)
    return Cause("camera_turned", WHAT, f"{told[0].upper()}{told[1:]}.", CURE)


def _of_the_map(fixes: list[tuple[Pose, Pose]], ahead: Float64) -> bool:
    """Whether the fixes lie rather to one side of the truth on the map, whatever way the aircraft flies: then the map is off."""
    headings = np.array([truth.yaw for _, truth in fixes])
    if abs(np.exp(1j * headings).mean()) > STRAIGHT:
        return False
    on_map = np.array([(pose.position - truth.position)[:2] for pose, truth in fixes])
    return _middle(on_map)[1] < _middle(ahead)[1]


def _middle(values: Float64) -> tuple[Float64, float]:
    """The medians of columns, and a robust standard deviation about them."""
    middle = np.median(values, axis=0)
    return middle, 1.4826 * float(np.median(np.hypot(*(values - middle).T)))


def turned_about_its_axis(look: Inspection) -> Cause | None:
    """The matches are turned against the prior by one and the same angle."""
    turns = np.array([frame.fix.pose.yaw - pose.yaw for frame, pose, _ in look.priors if frame.fix.pose is not None])
    if len(turns) < FEW:
        return None
    mean = np.exp(1j * turns).mean()
    degrees = float(np.rad2deg(np.angle(mean)))
    if abs(degrees) < LEAST_YAW_DEG or abs(mean) < 0.98:
        return None
    aside = [abs(np.angle(np.exp(1j * (pose.yaw - truth.yaw)))) for _, pose, _, truth in look.known]
    is_camera = bool(aside) and float(np.rad2deg(np.median(aside))) < abs(degrees) / 2
    axis = "the camera is turned about its axis"
    what = axis if is_camera else f"the heading of the odometry is off, or {axis}"
    return Cause("heading_off", what, f"Matches are turned by {degrees:+.0f} degrees against the odometry in every frame.",
                 "correct camera_rpy_deg, or the heading: in map it counts counter-clockwise from grid east (REP-103), not "
                 "clockwise from true or magnetic north")


def _ahead(pose: Pose, truth: Pose) -> Float64:
    """By how much a position lies ahead and left of the truth, m (2,)."""
    east, north = (pose.position - truth.position)[:2]
    c, s = np.cos(truth.yaw), np.sin(truth.yaw)
    return np.array([c * east + s * north, -s * east + c * north])


def _side(metres: float, plus: str, minus: str) -> str:
    return f"{abs(metres):.0f} m {plus if metres >= 0 else minus}"
