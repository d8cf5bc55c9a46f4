"""The topics of the localizer that a relay hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import NavSatFix

from promptmid_core.autopilot.fixes import ToldFix
from promptmid_core.autopilot.relay import Relay
from promptmid_ros.guard import Guard

DEEP = QoSProfile(depth=50)
ODOMETRY_QOS = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)


def hear(node: Node, relay: Relay, guard: Guard, told: Callable[[ToldFix], None], odometry: bool) -> None:
    """Give a relay what the localizer publishes, and the odometry where that is asked for; `told` is called with each fix."""
    def into(take: Callable[[Any], ToldFix | None], name: str) -> Callable[[Any], None]:
        def heard(message: Any) -> None:
            fix = take(message)
            if fix is not None:
                told(fix)

        heard.__name__ = name
        return guard(heard)

    for kind, topic, take in ((PoseWithCovarianceStamped, "localizer/pose", relay.add_pose),
                              (NavSatFix, "localizer/navsat_fix", relay.add_place),
                              (DiagnosticArray, "localizer/match_diagnostics", relay.add_verdict)):
        node.create_subscription(kind, topic, into(take, topic), DEEP)
    if odometry:
        node.create_subscription(Odometry, "odometry", guard(relay.add_odometry), ODOMETRY_QOS)
