"""The filter of filter_gtsam.py as a node of ROS 2, in a loop with the localizer.

usage: python examples/filter_gtsam_node.py --ros-args -r dead_reckoning:=/odom -p place_lasts_m:=1700.0
       ros2 launch promptmid_ros localize.launch.py map:=MAP odometry_topic:=/odometry

in    dead_reckoning  nav_msgs/Odometry: velocity and rates of its twist, roll, pitch and height of its pose; nothing else of it
      initialpose     geometry_msgs/PoseWithCovarianceStamped: x, y and yaw in map with their covariance, to begin with
      localizer/pose, localizer/ground_point and localizer/match_diagnostics: the three of an image are taken together; with
      fixes:=pose the first alone
out   odometry        nav_msgs/Odometry in map at the rate of dead_reckoning: the localizer's prior
Its parameters are the fields of Options in filter_gtsam.py.
"""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from filter_gtsam import Filter
from filter_model import Belief, Fix, Motion, Options
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data

KEPT = 50  # images of which a part has come


class FilterNode(Node):
    """Subscribes, gives the filter what comes, and publishes what it makes of each dead reckoning."""

    def __init__(self) -> None:
        super().__init__("filter")
        options = {field.name: self.declare_parameter(field.name, field.default).value for field in fields(Options)}
        self._filter = Filter(Options(**options))
        self._parts: dict[int, dict[str, Any]] = {}
        self._restarts = 0
        self._odometry = self.create_publisher(Odometry, "odometry", QoSProfile(depth=200))
        deep = QoSProfile(depth=50)
        self.create_subscription(Odometry, "dead_reckoning", self._on_motion, QoSProfile(
            depth=500, reliability=qos_profile_sensor_data.reliability))
        self.create_subscription(PoseWithCovarianceStamped, "initialpose", self._on_start, deep)
        self._topics = ("pose",) if options["fixes"] == "pose" else ("pose", "ground_point", "match_diagnostics")
        for topic in self._topics:
            kind = DiagnosticArray if topic == "match_diagnostics" else PoseWithCovarianceStamped
            self.create_subscription(kind, f"localizer/{topic}", partial(self._on_part, topic), deep)

    def _on_start(self, message: PoseWithCovarianceStamped) -> None:
        (place, covariance), (*_, yaw) = _place(message), _rpy(message.pose.pose.orientation)
        self._filter.start(place[:2], yaw, covariance)
        self.get_logger().info(f"begins at {place[0]:.0f}, {place[1]:.0f}")

    def _on_motion(self, message: Odometry) -> None:
        velocity, rate = message.twist.twist.linear, message.twist.twist.angular
        roll, pitch, _ = _rpy(message.pose.pose.orientation)
        up = np.array([-np.sin(pitch), np.sin(roll) * np.cos(pitch), np.cos(roll) * np.cos(pitch)])
        belief = self._filter.move(Motion(_stamp(message), np.array([velocity.x, velocity.y, velocity.z]),
                                          np.array([rate.x, rate.y, rate.z]), up, message.pose.pose.position.z))
        if belief is not None:
            self._odometry.publish(_odometry(belief, message.header.stamp))

    def _on_part(self, topic: str, message: Any) -> None:
        """Take a fix once all of it is there, in whatever order it comes."""
        stamp_ns = _stamp(message)
        parts = self._parts.setdefault(stamp_ns, {})
        parts[topic] = message
        if len(parts) == len(self._topics):
            self._take(stamp_ns, self._parts.pop(stamp_ns))
        while len(self._parts) > KEPT:
            # an image without a fix has diagnostics alone
            del self._parts[min(self._parts)]

    def _take(self, stamp_ns: int, parts: dict[str, Any]) -> None:
        place, covariance = _place(parts["pose"])
        sight = None
        *_, yaw = _rpy(parts["pose"].pose.pose.orientation)
        if "ground_point" in parts:
            place, ground = _place(parts["ground_point"])
            told = {pair.key: pair.value for pair in parts["match_diagnostics"].status[0].values}
            # what is published is larger than that of one fix, for filters without a state of what comes back; and what of the
            # yaw's error goes with that of the place is left out
            covariance = np.diag([0.0, 0.0, covariance[2, 2] / float(told["inflation"])])
            covariance[:2, :2] = ground[:2, :2] / float(told["inflation_ground"])
            sight = np.array([float(told[f"line_of_sight_{axis}"]) for axis in "xyz"])
        if not self._filter.take(Fix(stamp_ns, place, yaw, covariance, sight)):
            self.get_logger().warning(f"a fix is not taken; {self._filter.rejected} rejected, {self._filter.late} too late")
        if self._filter.restarts > self._restarts:
            self._restarts = self._filter.restarts
            self.get_logger().warning("too many fixes in a row were rejected; the filter begins anew around the last of them")


def _place(message: PoseWithCovarianceStamped) -> tuple[np.ndarray, np.ndarray]:
    """The position (3,) of a message, and the covariance (3, 3) of x, y and yaw."""
    place = message.pose.pose.position
    return np.array([place.x, place.y, place.z]), np.array(message.pose.covariance).reshape(6, 6)[np.ix_([0, 1, 5], [0, 1, 5])]


def _odometry(belief: Belief, stamp: Any) -> Odometry:
    message = Odometry(child_frame_id="base_link")
    message.header.frame_id, message.header.stamp = "map", stamp
    place, turn = belief.pose.translation(), belief.pose.rotation().toQuaternion()
    position, orientation = message.pose.pose.position, message.pose.pose.orientation
    position.x, position.y, position.z = (float(axis) for axis in place)
    orientation.x, orientation.y, orientation.z, orientation.w = turn.x(), turn.y(), turn.z(), turn.w()
    message.pose.covariance = belief.in_map().ravel().tolist()
    velocity, rate, covariance = belief.motion()
    for vector, values in ((message.twist.twist.linear, velocity), (message.twist.twist.angular, rate)):
        vector.x, vector.y, vector.z = (float(axis) for axis in values)
    message.twist.covariance = covariance.ravel().tolist()
    return message


def _stamp(message: Any) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def _rpy(q: Any) -> tuple[float, float, float]:
    """Fixed-axis roll, pitch and yaw of a quaternion."""
    return (float(np.arctan2(2 * (q.w * q.x + q.y * q.z), 1 - 2 * (q.x ** 2 + q.y ** 2))),
            float(np.arcsin(np.clip(2 * (q.w * q.y - q.z * q.x), -1.0, 1.0))),
            float(np.arctan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y ** 2 + q.z ** 2))))


def main() -> None:
    rclpy.init()
    try:
        rclpy.spin(FilterNode())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
