"""The topics of the localizer: the type of each, how many messages wait for a slow listener, and whether it is latched."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """A topic: its message type as `package/msg/Name`, the depth of its queue, whether who comes late hears the last message
    (`latched`), and whether its messages are made only while somebody listens (`on_demand`)."""

    kind: str
    depth: int = 10
    latched: bool = False
    on_demand: bool = False


POSE = "geometry_msgs/msg/PoseWithCovarianceStamped"
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"
# below the name of the node
TOPICS = {
    "pose": Topic(POSE),
    "ground_point": Topic(POSE),
    "correction": Topic(POSE),
    "navsat_fix": Topic("sensor_msgs/msg/NavSatFix"),
    "hypotheses": Topic("sensor_msgs/msg/PointCloud2", on_demand=True),
    "match_diagnostics": Topic(DIAGNOSTICS, depth=50),
}
# to look at live, and in no record of a flight
VIEWS = {
    "footprint": Topic("visualization_msgs/msg/MarkerArray", on_demand=True),
    "match_image": Topic("sensor_msgs/msg/Image", depth=1, on_demand=True),
    "map": Topic("nav_msgs/msg/OccupancyGrid", depth=1, latched=True, on_demand=True),
}
HEALTH_TOPIC = "/diagnostics"
