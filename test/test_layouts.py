"""What RViz, Foxglove and the aggregator of diagnostics are given names what the node publishes, each by what can show it."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from promptmid_core.outputs.topics import HEALTH_TOPIC, TOPICS, VIEWS

CONFIG = Path(__file__).resolve().parent.parent / "config"
OUT = {f"/localizer/{name}": topic for name, topic in (TOPICS | VIEWS).items()}
# as the displays of rviz_default_plugins and the panels of Foxglove take them
SHOWS = {
    "Map": "nav_msgs/msg/OccupancyGrid", "MarkerArray": "visualization_msgs/msg/MarkerArray", "Image": "sensor_msgs/msg/Image",
    "PoseWithCovariance": "geometry_msgs/msg/PoseWithCovarianceStamped", "PointCloud2": "sensor_msgs/msg/PointCloud2",
}


def test_rviz_shows_each_topic_by_a_display_of_its_type_and_durability() -> None:
    manager = yaml.safe_load((CONFIG / "localizer.rviz").read_text())["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "map"
    shown = {}
    for display in manager["Displays"]:
        package, _, kind = display["Class"].partition("/")
        topic = display["Topic"]
        its = OUT[topic["Value"]]
        assert package == "rviz_default_plugins" and its.kind == SHOWS[kind], topic["Value"]
        assert topic["Durability Policy"] == ("Transient Local" if its.latched else "Volatile")
        assert topic["Reliability Policy"] == "Reliable" and topic["Depth"] == its.depth
        shown[topic["Value"]] = display["Enabled"]
    assert {f"/localizer/{name}" for name in VIEWS} <= shown.keys()


def test_foxglove_shows_each_view_by_a_panel_of_its_type_and_lays_out_every_panel() -> None:
    layout = json.loads((CONFIG / "localizer.foxglove.json").read_text())
    panels = layout["configById"]

    def laid_out(node: Any) -> list[str]:
        return [node] if isinstance(node, str) else [*laid_out(node["first"]), *laid_out(node["second"])]

    assert sorted(laid_out(layout["layout"])) == sorted(panels)
    in_space = panels["3D!around"]["topics"]
    assert {OUT[topic].kind for topic in in_space} == set(SHOWS.values()) - {SHOWS["Image"]}
    pictured = panels["Image!match"]["imageMode"]["imageTopic"]
    assert OUT[pictured].kind == SHOWS["Image"]
    assert {f"/localizer/{name}" for name in VIEWS} <= {*in_space, pictured}
    for path in panels["Plot!sigma"]["paths"]:
        topic, index = re.fullmatch(r"(/localizer/\w+)\.pose\.covariance\[(\d+)\]", path["value"]).groups()
        assert OUT[topic].kind == SHOWS["PoseWithCovariance"] and int(index) in (0, 7)
    assert panels["DiagnosticSummary!health"]["topicToRender"] == HEALTH_TOPIC


def test_the_aggregator_expects_what_the_nodes_tell() -> None:
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")
    from rclpy.signals import SignalHandlerOptions

    from promptmid_ros.localizer_node import LocalizerNode

    given = yaml.safe_load((CONFIG / "diagnostics_aggregator.yaml").read_text())["analyzers"]["ros__parameters"]
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    # in a namespace of its own: beside another node of its name, the graph tells of either
    node, told = LocalizerNode(context=context, namespace="layouts"), []
    health, node._health = node._health, SimpleNamespace(publish=told.append)
    node._publish_health()
    node._health = health
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert [status.name.removeprefix("layouts/") for status in told[0].status] == given["localizer"]["expected"]
    nodes = [profile.get("node") for profile in ElementTree.parse(CONFIG / "sros2.policy.xml").getroot().iter("profile")]
    assert [f"{name}: " for name in nodes if name != "localizer"] == given["autopilot"]["startswith"]
    assert all(given[each]["type"] == "diagnostic_aggregator/GenericAnalyzer" for each in ("localizer", "autopilot"))
