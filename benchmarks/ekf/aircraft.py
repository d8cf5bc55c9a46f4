"""What an aircraft publishes of its own motion on the topics of config/ekf.yaml, each message when it is due."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import Imu

from benchmarks.loop.sensors import Reckoned, Sensors
from promptmid_core.arrays import Float64
from promptmid_core.geometry import Pose
from promptmid_core.outputs import contents
from promptmid_ros.conversions import message
from promptmid_ros.inputs import message_type

STATED_M, STATED_DEG = 85.0, 3.0  # of the start, which is 60 m off along each axis, and 2 degrees
OFF_M, OFF_DEG = 60.0, 2.0
VELOCITY_SIGMA, HEIGHT_SIGMA, TILT_SIGMA = 0.5, 10.0, 1.7e-3  # m/s, m, rad
RATE_SIGMA = 1e-3  # rad/s


class Aircraft:
    """Dead reckoning as Odometry, an inertial unit as Imu, a height as a pose, in real time from the stamp `begin_ns` on; at
    first the place where the flight begins, somewhat off."""

    def __init__(self, node: Node, sensors: Sensors) -> None:
        self._sensors, self._yaw = sensors, 0.0
        make = node.create_publisher
        self._start = make(PoseWithCovarianceStamped, "/set_pose", 10)
        self._odometry, self._imu = make(Odometry, "/vio/odometry", 100), make(Imu, "/imu/data", 100)
        self._height = make(PoseWithCovarianceStamped, "/altitude/pose", 100)
        transforms = message_type("tf2_msgs/msg/TFMessage")
        self._transforms = make(transforms, "/tf", 100) if transforms else None

    def connected(self) -> bool:
        return all(each.get_subscription_count() for each in (self._start, self._odometry, self._imu, self._height))

    def fly(self, begin_ns: int) -> threading.Thread:
        """Fly in a thread, which ends with the flight."""
        flying = threading.Thread(target=self._fly, args=(begin_ns,), daemon=True)
        flying.start()
        return flying

    def _fly(self, begin_ns: int) -> None:
        for index in range(self._sensors.count):
            told = self._sensors.read(index)
            stamp = begin_ns + round(told.second * 1e9)
            time.sleep(max(stamp - time.time_ns(), 0) / 1e9)
            if index == 0:
                self._start.publish(self._first(stamp))
                time.sleep(self._sensors.step_s / 2)
            self._tell(stamp, told)

    def _first(self, stamp: int) -> Any:
        true = self._sensors.truth(0.0)
        roll, pitch, yaw = true.rpy()
        off = Pose.from_rpy(true.position + np.array([OFF_M, -OFF_M, 0.0]), roll, pitch, yaw + np.radians(OFF_DEG))
        sigmas = np.array([STATED_M, STATED_M, HEIGHT_SIGMA, 0.01, 0.01, np.radians(STATED_DEG)])
        return message(PoseWithCovarianceStamped, contents.pose_with_covariance(stamp, off, np.diag(sigmas ** 2)))

    def _tell(self, stamp: int, told: Reckoned) -> None:
        self._yaw += self._sensors.step_s * float(told.rate[2])
        attitude = Pose.from_rpy(np.zeros(3), told.roll, told.pitch, self._yaw)
        self._imu.publish(message(Imu, {
            "header": contents.header(stamp, "base_link"), "orientation": contents.quaternion(attitude),
            "orientation_covariance": _diagonal(TILT_SIGMA, TILT_SIGMA, 0.1),
            "angular_velocity": contents.vector(told.rate), "angular_velocity_covariance": _diagonal(*[RATE_SIGMA] * 3),
            # not stated, as REP-145 has it
            "linear_acceleration_covariance": np.array([-1.0, *[0.0] * 8])}))
        twist = {"twist": {"linear": contents.vector(told.velocity), "angular": contents.vector(told.rate)},
                 "covariance": _diagonal(*[VELOCITY_SIGMA] * 3, *[RATE_SIGMA] * 3)}
        self._odometry.publish(message(Odometry, {
            "header": contents.header(stamp, "odom"), "child_frame_id": "base_link", "twist": twist}))
        height = Pose(np.array([0.0, 0.0, told.height]), np.eye(3))
        self._height.publish(message(PoseWithCovarianceStamped, contents.pose_with_covariance(
            stamp, height, np.eye(6) * HEIGHT_SIGMA ** 2)))
        if self._transforms is not None:
            self._transforms.publish(message(self._transforms.msg_type, {"transforms": [{
                "header": contents.header(stamp, "odom"), "child_frame_id": "base_link",
                "transform": {"translation": contents.vector(np.zeros(3)), "rotation": contents.quaternion(attitude)}}]}))


def _diagonal(*sigmas: float) -> Float64:
    return np.diag(np.square(sigmas)).ravel()
