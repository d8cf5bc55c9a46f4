"""The content of messages: values by the names of a message's fields, nested as they are; arrays are those of numpy.

Whoever has the types, rclpy or rosbags, makes the message: fields that are not named keep their default.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.fix import UNOBSERVED_VARIANCE, X_Y_YAW, GroundPoint
from promptmid_core.localization.odometry import MAP
from promptmid_core.outputs.keys import Key, Value, level, text

Content = dict[str, Any]
# as sensor_msgs has them
STATUS_FIX, COVARIANCE_KNOWN = 0, 3
FIELD_TYPES = {"f4": 7, "f8": 8}
# geometry_msgs/Pose of what is given in `map`
UNMOVED: Content = {"position": {"x": 0.0, "y": 0.0, "z": 0.0}, "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}}
# RViz shows clouds whose x, y and z are float32; of a probability near 1 that would leave too few digits
HYPOTHESIS = np.dtype([("x", "f4"), ("y", "f4"), ("z", "f4"), ("yaw", "f4"), ("probability", "f8")])


def time(stamp_ns: int) -> Content:
    """Return a stamp as a message has it; one that no message can hold, whose nanoseconds made more than a second, is cut."""
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return {"sec": min(max(seconds, -2**31), 2**31 - 1), "nanosec": nanoseconds}


def header(stamp_ns: int, frame_id: str = MAP) -> Content:
    """std_msgs/Header."""
    return {"stamp": time(stamp_ns), "frame_id": frame_id}


def vector(values: Sequence[float] | Float64) -> Content:
    """Return three numbers as a Point or a Vector3."""
    x, y, z = (float(value) for value in values)
    return {"x": x, "y": y, "z": z}


def quaternion(pose: Pose) -> Content:
    """geometry_msgs/Quaternion."""
    return dict(zip("xyzw", (float(value) for value in pose.quaternion()), strict=True))


def pose_with_covariance(stamp_ns: int, pose: Pose, covariance: Float64) -> Content:
    """Return a PoseWithCovarianceStamped in `map`; `covariance` (6, 6) in ROS order."""
    return {"header": header(stamp_ns), "pose": {
        "pose": {"position": vector(pose.position), "orientation": quaternion(pose)},
        "covariance": np.array(covariance, np.float64).ravel()}}


def ground_point(stamp_ns: int, ground: GroundPoint) -> Content:
    """Return where the boresight meets the ground, in `map`; height and orientation are not observed and have variance 1e6."""
    covariance = np.diag(np.full(6, UNOBSERVED_VARIANCE))
    covariance[:2, :2] = ground.published
    return pose_with_covariance(stamp_ns, Pose(ground.point, np.eye(3)), covariance)


def correction(stamp_ns: int, fix: Pose, prior: Pose, covariance: Float64) -> Content:
    """T_map_fix * inverse(T_map_prior): what takes any pose in `map` that errs as the prior does to where it should be.

    `covariance` (6, 6) is the fix's. The turn is one about the map's origin, so its error is one of place as well, in
    proportion to the distance from there; what the fix does not observe has variance 1e6.
    """
    moved = fix @ prior.inverse()
    arm = moved.rotation @ prior.position
    lever = np.array([[1, 0, arm[1]], [0, 1, -arm[0]], [0, 0, 1]])
    whole = np.diag(np.full(6, UNOBSERVED_VARIANCE))
    whole[np.ix_(X_Y_YAW, X_Y_YAW)] = lever @ covariance[np.ix_(X_Y_YAW, X_Y_YAW)] @ lever.T
    return pose_with_covariance(stamp_ns, moved, whole)


def navsat_fix(stamp_ns: int, pose: Pose, covariance: Float64, geodetic: Geodetic, frame_id: str) -> Content:
    """Return a pose in `map` with covariance (6, 6) as WGS84, its covariance turned from grid north to true north."""
    x, y, z = (float(value) for value in pose.position)
    latitude, longitude, altitude = geodetic.place(x, y, z)
    # found by looking at the ground: no satellite service has a part in it, so `service` stays 0
    return {"header": header(stamp_ns, frame_id), "status": {"status": STATUS_FIX, "service": 0}, "latitude": latitude,
            "longitude": longitude, "altitude": altitude,
            "position_covariance": geodetic.turned(x, y, covariance[:3, :3]).ravel(),
            "position_covariance_type": COVARIANCE_KNOWN}


def hypotheses(stamp_ns: int, places: Sequence[tuple[Pose, float]]) -> Content:
    """Return poses of `base_link` in `map` with their probabilities as a PointCloud2 of one point each, in this order."""
    points = np.array([(*pose.position, pose.yaw, probability) for pose, probability in places], HYPOTHESIS)
    fields = [{"name": name, "offset": field[1], "datatype": FIELD_TYPES[field[0].str[1:]], "count": 1}
              for name, field in (HYPOTHESIS.fields or {}).items()]
    return {"header": header(stamp_ns), "height": 1, "width": len(points), "fields": fields,
            "is_bigendian": sys.byteorder == "big", "point_step": HYPOTHESIS.itemsize,
            "row_step": HYPOTHESIS.itemsize * len(points), "data": np.frombuffer(points.tobytes(), np.uint8), "is_dense": True}


def diagnostics(stamp_ns: int, name: str, hardware: str, summary: str, keys: Mapping[str, Key],
                values: Mapping[str, Value]) -> Content:
    """Return a DiagnosticArray of one status whose level comes from the rules of its keys; `summary` is followed by what is wrong
    with the values that are worth that level."""
    its_level, blamed = level(keys, values)
    told = [said for key in blamed if (said := keys[key].said(key, values[key]))]
    status = {"level": its_level, "name": name, "hardware_id": hardware,
              "message": summary + (f" ({'; '.join(told)})" if told else ""),
              "values": [{"key": key, "value": text(value)} for key, value in values.items()]}
    return {"header": header(stamp_ns, ""), "status": [status]}
