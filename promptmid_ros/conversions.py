"""What the core finds, as messages."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, PoseWithCovarianceStamped, Quaternion
from geometry_msgs.msg import Pose as PoseMessage
from sensor_msgs.msg import NavSatFix, NavSatStatus, PointCloud2, PointField
from std_msgs.msg import Header

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.fix import UNOBSERVED_VARIANCE, GroundPoint
from promptmid_ros.health import Value
from promptmid_ros.keys import Key, level, text

MAP_FRAME = "map"
X_Y_YAW = [0, 1, 5]
# RViz shows clouds whose x, y and z are float32; of a probability near 1 that would leave too few digits
HYPOTHESIS = np.dtype([("x", "f4"), ("y", "f4"), ("z", "f4"), ("yaw", "f4"), ("probability", "f8")])
FIELD_TYPES = {"f4": PointField.FLOAT32, "f8": PointField.FLOAT64}


def time(stamp_ns: int) -> Time:
    """Return a stamp as a message has it; one that no message can hold, whose nanoseconds made more than a second, is cut."""
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return Time(sec=min(max(seconds, -2**31), 2**31 - 1), nanosec=nanoseconds)


def pose_with_covariance(stamp_ns: int, pose: Pose, covariance: Float64) -> PoseWithCovarianceStamped:
    """Return a pose in `map`; `covariance` (6, 6) in ROS order."""
    message = PoseWithCovarianceStamped(header=Header(stamp=time(stamp_ns), frame_id=MAP_FRAME))
    message.pose.pose = _pose(pose)
    message.pose.covariance = covariance.ravel()
    return message


def ground_point(stamp_ns: int, ground: GroundPoint) -> PoseWithCovarianceStamped:
    """Return where the boresight meets the ground, in `map`; height and orientation are not observed and have variance 1e6."""
    covariance = np.diag(np.full(6, UNOBSERVED_VARIANCE))
    covariance[:2, :2] = ground.published
    return pose_with_covariance(stamp_ns, Pose(ground.point, np.eye(3)), covariance)


def correction(stamp_ns: int, fix: Pose, prior: Pose, covariance: Float64) -> PoseWithCovarianceStamped:
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


def navsat_fix(stamp_ns: int, pose: Pose, covariance: Float64, geodetic: Geodetic, frame_id: str) -> NavSatFix:
    """Return a pose in `map` with covariance (6, 6) as WGS84, its covariance turned from grid north to true north."""
    x, y, z = (float(value) for value in pose.position)
    place = geodetic.place(x, y, z)
    message = NavSatFix(header=Header(stamp=time(stamp_ns), frame_id=frame_id))
    # found by looking at the ground: no satellite service has a part in it, so `service` stays empty
    message.status.status = NavSatStatus.STATUS_FIX
    message.latitude, message.longitude, message.altitude = place
    message.position_covariance = geodetic.turned(x, y, covariance[:3, :3]).ravel()
    message.position_covariance_type = NavSatFix.COVARIANCE_TYPE_KNOWN
    return message


def hypotheses(stamp_ns: int, places: Sequence[tuple[Pose, float]]) -> PointCloud2:
    """Return poses of `base_link` in `map` with their probabilities as a cloud of one point each, in this order."""
    points = np.array([(*pose.position, pose.yaw, probability) for pose, probability in places], HYPOTHESIS)
    fields = [PointField(name=name, offset=field[1], datatype=FIELD_TYPES[field[0].str[1:]], count=1)
              for name, field in (HYPOTHESIS.fields or {}).items()]
    return PointCloud2(header=Header(stamp=time(stamp_ns), frame_id=MAP_FRAME), height=1, width=len(points), fields=fields,
                       is_bigendian=sys.byteorder == "big", point_step=HYPOTHESIS.itemsize,
                       row_step=HYPOTHESIS.itemsize * len(points), data=points.tobytes(), is_dense=True)


def diagnostics(stamp_ns: int, name: str, hardware: str, summary: str, keys: Mapping[str, Key],
                values: Mapping[str, Value]) -> DiagnosticArray:
    """Make one status whose level comes from the rules of its keys; `summary` is followed by the keys that are to blame."""
    its_level, blamed = level(keys, values)
    message = summary + (f" ({', '.join(blamed)})" if blamed else "")
    status = DiagnosticStatus(
        level=bytes([its_level]), name=name, hardware_id=hardware, message=message,
        values=[KeyValue(key=key, value=text(value)) for key, value in values.items()])
    return DiagnosticArray(header=Header(stamp=time(stamp_ns)), status=[status])


def _pose(pose: Pose) -> PoseMessage:
    x, y, z = (float(value) for value in pose.position)
    qx, qy, qz, qw = (float(value) for value in pose.quaternion())
    return PoseMessage(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))
