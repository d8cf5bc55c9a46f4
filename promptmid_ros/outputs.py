"""What the node publishes for an image."""

from __future__ import annotations

from importlib import import_module
from math import isfinite
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped, Quaternion, Transform, TransformStamped, Vector3
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import NavSatFix, PointCloud2
from std_msgs.msg import Header

from promptmid_core.errors import InputError
from promptmid_core.geometry import Pose
from promptmid_core.georaster.geodetic import Geodetic, North
from promptmid_core.localization.fix import Candidate
from promptmid_core.localization.odometry import MAP, ODOM
from promptmid_ros import conversions
from promptmid_ros.keys import values_of
from promptmid_ros.match_keys import MATCH, Judged
from promptmid_ros.worker import Outcome

RELIABLE = QoSProfile(depth=10)
TF_PERIOD_NS = 50_000_000


class Outputs:
    """The publishers of a configured node. Raises InputError where a transform is asked for and tf2_msgs is not installed."""

    def __init__(self, node: LifecycleNode, geodetic: Geodetic, base_frame: str, publish_tf: bool) -> None:
        self._node, self._geodetic, self._base_frame = node, geodetic, base_frame
        tf_message = _tf_message() if publish_tf else None
        make = node.create_lifecycle_publisher
        self._pose = make(PoseWithCovarianceStamped, "~/pose", RELIABLE)
        self._ground = make(PoseWithCovarianceStamped, "~/ground_point", RELIABLE)
        self._correction = make(PoseWithCovarianceStamped, "~/correction", RELIABLE)
        self._navsat = make(NavSatFix, "~/navsat_fix", RELIABLE)
        self._hypotheses = make(PointCloud2, "~/hypotheses", RELIABLE)
        self._diagnostics = make(DiagnosticArray, "~/match_diagnostics", QoSProfile(depth=50))
        self._tf = make(tf_message, "/tf", QoSProfile(depth=100)) if tf_message else None
        self._tf_message = tf_message
        self._tf_ns = 0

    def publish(self, outcome: Outcome, latency_ms: float | None) -> None:
        """Every image's diagnostics, the places still possible where somebody listens, and what else a fix brings."""
        fix = outcome.fix
        stamp, prior = fix.stamp_ns, fix.candidate.prior
        covariance = fix.published
        if fix.pose is not None and covariance is not None and prior is not None:
            self._pose.publish(conversions.pose_with_covariance(stamp, fix.pose, covariance))
            if fix.ground is not None:
                self._ground.publish(conversions.ground_point(stamp, fix.ground))
            self._correction.publish(conversions.correction(stamp, fix.pose, prior.pose, covariance))
            self._navsat.publish(conversions.navsat_fix(stamp, fix.pose, covariance, self._geodetic, self._base_frame))
        if self._hypotheses.get_subscription_count():
            self._hypotheses.publish(conversions.hypotheses(stamp, fix.places))
        summary = "fix" if fix.accepted else f"{fix.reason}: {fix.sentence}"
        self._diagnose(summary, Judged(stamp, outcome, latency_ms, outcome.arrival.dropped, north=self._north(fix.candidate)))

    def publish_failure(self, stamp_ns: int, error: str, dropped: int) -> None:
        """For an image on which the program itself failed."""
        self._diagnose(error, Judged(stamp_ns, None, dropped=dropped, failure=error))

    def publish_transform(self, stamp_ns: int, map_from_odom: Pose) -> None:
        """At the odometry's stamps, at most twenty times a second."""
        if self._tf is None or self._tf_message is None or 0 <= stamp_ns - self._tf_ns < TF_PERIOD_NS:
            return
        self._tf_ns = stamp_ns
        x, y, z = (float(value) for value in map_from_odom.position)
        qx, qy, qz, qw = (float(value) for value in map_from_odom.quaternion())
        transform = Transform(translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw))
        header = Header(stamp=conversions.time(stamp_ns), frame_id=MAP)
        self._tf.publish(self._tf_message(transforms=[TransformStamped(header=header, child_frame_id=ODOM, transform=transform)]))

    def destroy(self) -> None:
        for publisher in (self._pose, self._ground, self._correction, self._navsat, self._hypotheses, self._diagnostics,
                          self._tf):
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)

    def _north(self, candidate: Candidate) -> North | None:
        """Grid north at the match, or else at the prior; None where that is no place of the map's CRS."""
        pose = candidate.pose if candidate.pose is not None or candidate.prior is None else candidate.prior.pose
        north = self._geodetic.north(float(pose.position[0]), float(pose.position[1])) if pose is not None else None
        return north if north is not None and isfinite(north.azimuth) and isfinite(north.scale) else None

    def _diagnose(self, summary: str, judged: Judged) -> None:
        name = f"{self._node.get_fully_qualified_name().lstrip('/')}: match"
        self._diagnostics.publish(conversions.diagnostics(judged.stamp_ns, name, self._base_frame, summary, MATCH,
                                                          values_of(MATCH, judged)))


def _tf_message() -> Any:
    try:
        return import_module("tf2_msgs.msg").TFMessage
    except ImportError as error:
        raise InputError("parameter publish_tf is true, but tf2_msgs is not installed; "
                         "install it or set publish_tf to false") from error
