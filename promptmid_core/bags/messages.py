"""ROS messages decoded by the names of their fields, the same for messages of rclpy and for those of a bag: cameras and poses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.geometry import NADIR, Camera, Pose, Prior
from promptmid_core.geometry.covariance import fault_of
from promptmid_core.geometry.lens import plainly
from promptmid_core.reasons import Reason

# what a pose of `base_link` in `map` is read from
POSE_TYPES = ("nav_msgs/msg/Odometry", "geometry_msgs/msg/PoseWithCovarianceStamped", "geometry_msgs/msg/PoseStamped")
NAVSAT_FIX = "sensor_msgs/msg/NavSatFix"

FURTHEST_M = 1e8  # from any origin, more than once around the Earth


def stamp_ns(header: Any) -> int:
    """Return the stamp of a std_msgs/Header in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def camera_from(info: Any, mount: Pose = NADIR) -> Camera:
    """Return the camera of the images that a sensor_msgs/CameraInfo comes with; `roi` and `binning` are applied to it.

    A lens that goes by several names and numbers of coefficients comes out the same; `r` and `p`, which are of rectified images,
    are not looked at. Raises Refusal CAMERA_INFO_INVALID.
    """
    k = np.array(info.k, np.float64).reshape(3, 3)
    width, height = int(info.width), int(info.height)
    roi = info.roi
    if roi.width or roi.height or roi.x_offset or roi.y_offset:
        # a size of zero means the rest of the image
        cut = int(roi.width) or width - int(roi.x_offset), int(roi.height) or height - int(roi.y_offset)
        if min(cut) <= 0 or roi.x_offset + cut[0] > width or roi.y_offset + cut[1] > height:
            place = f"{cut[0]}x{cut[1]} at ({roi.x_offset}, {roi.y_offset})"
            raise Refusal(Reason.CAMERA_INFO_INVALID, f"camera_info has a region of {place} outside its {width}x{height}")
        width, height = cut
        k[:2, 2] -= roi.x_offset, roi.y_offset
    across, down = max(1, int(info.binning_x)), max(1, int(info.binning_y))
    # the centre of a binned pixel is the mean of the centres it is made of
    k[0] = (k[0] - (0, 0, (across - 1) / 2)) / across
    k[1] = (k[1] - (0, 0, (down - 1) / 2)) / down
    model, d = plainly(info.distortion_model, np.array(info.d, np.float64))
    try:
        return Camera(width // across, height // down, k, model, d, mount)
    except ValueError as error:
        raise Refusal(Reason.CAMERA_INFO_INVALID, str(error)) from error


def pose_from(msg: Any) -> Pose:
    """Return the pose of a geometry_msgs/Pose. Raises Refusal PRIOR_INVALID for NaN, for quaternions that are not of unit
    length, and for positions beyond FURTHEST_M."""
    position = np.array([msg.position.x, msg.position.y, msg.position.z], np.float64)
    quaternion = np.array([msg.orientation.x, msg.orientation.y, msg.orientation.z, msg.orientation.w], np.float64)
    if not (np.isfinite(position).all() and np.isfinite(quaternion).all()):
        values = f"position {position.tolist()}, orientation {quaternion.tolist()}"
        raise Refusal(Reason.PRIOR_INVALID, f"pose has NaN or infinite values: {values}")
    if np.abs(position).max() > FURTHEST_M:
        place = ", ".join(f"{value:.6g}" for value in position)
        raise Refusal(Reason.PRIOR_INVALID, f"pose has the position ({place}), which is no place on the Earth in metres")
    try:
        return Pose.from_quaternion(position, quaternion)
    except ValueError as error:
        raise Refusal(Reason.PRIOR_INVALID, str(error)) from error


def pose_in(msg: Any) -> Pose:
    """Return the pose that a message of one of POSE_TYPES, or a TransformStamped, carries. Raises Refusal PRIOR_INVALID as
    `pose_from` does."""
    if hasattr(msg, "transform"):
        return pose_from(SimpleNamespace(position=msg.transform.translation, orientation=msg.transform.rotation))
    return pose_from(msg.pose.pose if hasattr(msg.pose, "pose") else msg.pose)


def place_from(msg: Any) -> tuple[float, float, float]:
    """Return latitude and longitude in degrees and altitude of a sensor_msgs/NavSatFix; the altitude may be NaN.

    Raises Refusal PRIOR_INVALID where the receiver had no fix or the place is none on the Earth.
    """
    latitude, longitude = float(msg.latitude), float(msg.longitude)
    if msg.status.status < 0:
        raise Refusal(Reason.PRIOR_INVALID, f"the receiver had no fix (status {msg.status.status})")
    # also of NaN
    if not (abs(latitude) <= 90 and abs(longitude) <= 360):
        raise Refusal(Reason.PRIOR_INVALID, f"latitude {latitude:g}, longitude {longitude:g} is no place")
    return latitude, longitude, float(msg.altitude)


def prior_from(msg: Any) -> Prior:
    """Return the prior of a nav_msgs/Odometry or a geometry_msgs/PoseWithCovarianceStamped.

    Raises Refusal PRIOR_INVALID where pose or covariance cannot be believed.
    """
    return Prior(stamp_ns(msg.header), pose_from(msg.pose.pose), _covariance(np.array(msg.pose.covariance, np.float64)))


def _covariance(values: Float64) -> Float64:
    """36 row-major values -> (6, 6), symmetric to the last bit."""
    covariance = values.reshape(6, 6)
    fault = fault_of(covariance)
    if fault:
        raise Refusal(Reason.PRIOR_INVALID, f"covariance {fault}")
    symmetric: Float64 = (covariance + covariance.T) / 2
    return symmetric
