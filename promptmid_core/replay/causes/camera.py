"""A camera that is turned beside its mount."""

from __future__ import annotations

import numpy as np

from promptmid_core.geometry import Pose
from promptmid_core.replay.causes.cause import Cause
from promptmid_core.replay.causes.look import FEW, Look

LEAST_DEG, LEAST_YAW_DEG = 0.3, 8.0
SIGMAS, SHARE = 3.0, 0.5
CURE = ("correct the camera's mount (mount_* of the parameters, or /tf_static); promptmid calibrate camera finds it from flights "
        "without truth")


def turned(look: Look) -> Cause | None:
    """The fixes lie to one side of the truth, as the aircraft has it, while the ground that they see is right; or the fixes by
    themselves look so."""
    fixes = [(frame, frame.fix.pose, frame.truth) for frame in look.frames
             if frame.fix.pose is not None and frame.truth is not None]
    heights = [look.above(pose) for _, pose, _ in fixes]
    if len(fixes) >= FEW and np.isfinite(heights).all() and min(heights) > 0:
        # roll and pitch that would move a position so, in the aircraft's own axes
        tilt = np.rad2deg([_ahead(pose, truth) / height for (_, pose, truth), height in zip(fixes, heights, strict=True)])
        middle = np.median(tilt, axis=0)
        spread = 1.4826 * np.median(np.abs(tilt - middle), axis=0) / np.sqrt(len(tilt)) + 1e-9
        ground = [frame.ground_error_px for frame, _, _ in fixes if frame.ground_error_px is not None]
        size = float(np.hypot(*middle))
        position = float(np.median([frame.error_px or 0.0 for frame, _, _ in fixes]))
        right = bool(ground) and float(np.median(ground)) < SHARE * position
        if right and size > LEAST_DEG and size > SIGMAS * float(np.hypot(*spread)):
            metres = np.median([_ahead(pose, truth) for _, pose, truth in fixes], axis=0)
            return Cause("camera_turned", "the camera is turned beside its mount, or its images are stamped late",
                         f"Fixes lie {_side(metres[0], 'ahead of', 'behind')} and {_side(metres[1], 'left of', 'right of')} the "
                         f"truth, as the aircraft has it, though the ground is matched to {np.median(ground):.2f} px: "
                         f"{size:.1f} degrees from {np.median(heights):.0f} m above the ground.", CURE)
    if look.flight.suspicion is None:
        return None
    told = str(look.flight.suspicion)
    return Cause("camera_turned", "the camera is turned beside its mount, or its images are stamped late",
                 f"{told[0].upper()}{told[1:]}.", CURE)


def turned_about_its_axis(look: Look) -> Cause | None:
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
                 "correct mount_yaw_deg, or the heading: in map it counts counter-clockwise from grid east (REP-103), not "
                 "clockwise from true or magnetic north")


def _ahead(pose: Pose, truth: Pose) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """By how much a position lies ahead and left of the truth, m (2,)."""
    east, north = (pose.position - truth.position)[:2]
    c, s = np.cos(truth.yaw), np.sin(truth.yaw)
    return np.array([c * east + s * north, -s * east + c * north])


def _side(metres: float, plus: str, minus: str) -> str:
    return f"{abs(metres):.0f} m {plus if metres >= 0 else minus}"
