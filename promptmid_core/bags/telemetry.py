"""The messages of a flight, made from the core's types."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Camera, Pose

MAP_FRAME, BODY_FRAME, CAMERA_FRAME = "map", "base_link", "camera_optical"


@lru_cache(maxsize=1)
def typestore() -> Any:
    """Return the message types of ROS 2 Kilted, as rosbags knows them."""
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_KILTED)


def message(name: str, *fields: object) -> Any:
    """Return a message such as `sensor_msgs/msg/Image`, its fields in the order of its definition."""
    return typestore().types[name](*fields)


def header(stamp_ns: int, frame_id: str) -> Any:
    stamp = message("builtin_interfaces/msg/Time", stamp_ns // 1_000_000_000, stamp_ns % 1_000_000_000)
    return message("std_msgs/msg/Header", stamp, frame_id)


def compressed_image(stamp_ns: int, jpeg: bytes) -> Any:
    return message("sensor_msgs/msg/CompressedImage", header(stamp_ns, CAMERA_FRAME), "jpeg", np.frombuffer(jpeg, np.uint8))


def camera_info(stamp_ns: int, camera: Camera) -> Any:
    """CameraInfo of a raw image: `r` is the identity and `p` repeats `k`."""
    projection = np.column_stack([camera.k, np.zeros(3)]).ravel()
    whole = message("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    return message(
        "sensor_msgs/msg/CameraInfo", header(stamp_ns, CAMERA_FRAME), camera.height, camera.width, camera.model,
        np.asarray(camera.d, np.float64), camera.k.ravel(), np.eye(3).ravel(), projection, 0, 0, whole,
    )


def odometry(stamp_ns: int, pose: Pose, covariance: Float64, velocity: Float64, rotation_rate: Float64,
             twist_covariance: Float64) -> Any:
    """Odometry of `base_link` in `map`; `velocity` (3,) and `rotation_rate` (3,) along the axes of `base_link`."""
    twist = message("geometry_msgs/msg/Twist", _vector(velocity), _vector(rotation_rate))
    return message(
        "nav_msgs/msg/Odometry", header(stamp_ns, MAP_FRAME), BODY_FRAME,
        message("geometry_msgs/msg/PoseWithCovariance", _pose(pose), np.ascontiguousarray(covariance, np.float64).ravel()),
        message("geometry_msgs/msg/TwistWithCovariance", twist, np.ascontiguousarray(twist_covariance, np.float64).ravel()),
    )


def camera_transform(stamp_ns: int, mount: Pose) -> Any:
    """Return the TFMessage of a camera that is fixed to `base_link`; `mount` is the pose of its optical frame there."""
    x, y, z = (float(v) for v in mount.position)
    transform = message("geometry_msgs/msg/Transform", message("geometry_msgs/msg/Vector3", x, y, z),
                        message("geometry_msgs/msg/Quaternion", *(float(v) for v in mount.quaternion())))
    joined = message("geometry_msgs/msg/TransformStamped", header(stamp_ns, BODY_FRAME), CAMERA_FRAME, transform)
    return message("tf2_msgs/msg/TFMessage", [joined])


def pose_with_covariance(stamp_ns: int, pose: Pose, covariance: Float64) -> Any:
    """Return a PoseWithCovarianceStamped of `base_link` in `map`; `covariance` (6, 6) in ROS order."""
    inner = message("geometry_msgs/msg/PoseWithCovariance", _pose(pose), np.ascontiguousarray(covariance, np.float64).ravel())
    return message("geometry_msgs/msg/PoseWithCovarianceStamped", header(stamp_ns, MAP_FRAME), inner)


def pose(stamp_ns: int, pose: Pose) -> Any:
    """Return a PoseStamped of `base_link` in `map`."""
    return message("geometry_msgs/msg/PoseStamped", header(stamp_ns, MAP_FRAME), _pose(pose))


def point(stamp_ns: int, place: tuple[float, float, float]) -> Any:
    """Return a PointStamped of `base_link` in `map`, m; z may be NaN."""
    return message("geometry_msgs/msg/PointStamped", header(stamp_ns, MAP_FRAME), message("geometry_msgs/msg/Point", *place))


def navsat_fix(stamp_ns: int, place: tuple[float, float, float], covariance: Float64) -> Any:
    """Return a NavSatFix of `base_link` at latitude, longitude in degrees and altitude; `covariance` (3, 3) east, north, up,
    known."""
    status = message("sensor_msgs/msg/NavSatStatus", 0, 0)
    return message("sensor_msgs/msg/NavSatFix", header(stamp_ns, BODY_FRAME), status, *place, np.asarray(covariance).ravel(), 3)


def _pose(pose: Pose) -> Any:
    position = message("geometry_msgs/msg/Point", *(float(v) for v in pose.position))
    orientation = message("geometry_msgs/msg/Quaternion", *(float(v) for v in pose.quaternion()))
    return message("geometry_msgs/msg/Pose", position, orientation)


def _vector(v: Float64) -> Any:
    return message("geometry_msgs/msg/Vector3", *(float(x) for x in v))
