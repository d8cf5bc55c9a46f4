"""What RViz, Foxglove and the aggregator of diagnostics are given names what the node publishes, each by what can show it."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from promptmid_core.bags.topics import USUAL
from promptmid_core.outputs.contents import HYPOTHESIS
from promptmid_core.outputs.topics import HEALTH_TOPIC, TOPICS, VIEWS

CONFIG = Path(__file__).resolve().parent.parent / "config"
OUT = {f"/localizer/{name}": topic for name, topic in (TOPICS | VIEWS).items()}
# the classes of github.com/ros2/rviz that are used, with the type that a display takes and the settings that it has:
# rviz_default_plugins/plugins_description.xml, the constructors of rviz_default_plugins/src and rviz_common/src/rviz_common
DISPLAYS = {
    "Map": ("nav_msgs/msg/OccupancyGrid", "Alpha, Color Scheme, Draw Behind, Update Topic, Use Timestamp"),
    "MarkerArray": ("visualization_msgs/msg/MarkerArray", "Namespaces"),
    "Image": ("sensor_msgs/msg/Image", "Normalize Range, Min Value, Max Value, Median window"),
    "PoseWithCovariance": ("geometry_msgs/msg/PoseWithCovarianceStamped", "Shape, Alpha, Axes Length, Axes Radius, Covariance"),
    "PointCloud2": ("sensor_msgs/msg/PointCloud2", "Style, Size (Pixels), Size (m), Alpha, Decay Time, Color Transformer, "
                                                   "Position Transformer, Channel Name, Use rainbow, Min Color, Max Color"),
}
PANELS = {f"rviz_common/{name}" for name in ("Displays", "Help", "Selection", "Time", "Tool Properties", "Views")}
TOOLS = {f"rviz_default_plugins/{name}" for name in ("MoveCamera", "Interact", "Select", "Measure", "PublishPoint", "FocusCamera",
                                                     "SetGoal", "SetInitialPose")}
VIEWS_OF_RVIZ = {"rviz_default_plugins/TopDownOrtho": "Scale, Angle, X, Y, Target Frame, Near Clip Distance, Invert Z Axis"}
SETTINGS = {
    "Color Scheme": {"map", "costmap", "raw"}, "Shape": {"Arrow", "Axes"},
    "Color Transformer": {"Intensity", "AxisColor", "FlatColor"},
    "Style": {"Points", "Squares", "Flat Squares", "Spheres", "Boxes", "Tiles"},
}
QUALITIES = {
    "History Policy": {"System Default", "Keep Last", "Keep All"},
    "Reliability Policy": {"System Default", "Reliable", "Best Effort"},
    "Durability Policy": {"System Default", "Transient Local", "Volatile"},
}
# what panels of Foxglove are set with: foxglove.layouts of github.com/foxglove/foxglove-sdk, 0.50
CAMERA = {"distance", "perspective", "phi", "target", "targetOffset", "targetOrientation", "thetaOffset", "fovy", "near", "far"}
SHOWN = {
    "nav_msgs/msg/OccupancyGrid": {"visible", "colorMode", "alpha", "drawBehind", "frameLocked", "minColor", "maxColor"},
    "visualization_msgs/msg/MarkerArray": {"visible", "color", "showOutlines", "namespaces"},
    "geometry_msgs/msg/PoseWithCovarianceStamped": {"visible", "type", "axisScale", "arrowScale", "color", "showCovariance"},
    "sensor_msgs/msg/PointCloud2": {"visible", "pointSize", "pointShape", "decayTime", "colorMode", "flatColor", "colorField",
                                    "gradient", "colorMap", "explicitAlpha", "minValue", "maxValue"},
}
COLOR_MODES = {"nav_msgs/msg/OccupancyGrid": {"custom", "costmap", "map", "raw"},
               "sensor_msgs/msg/PointCloud2": {"flat", "gradient", "colormap", "rgb", "rgba"}}
CONFIGS = {
    "3D": {"cameraState", "followTf", "fixedFrame", "followMode", "publish", "scene", "transforms", "topics", "layers"},
    "Image": {"cameraState", "followMode", "imageMode", "scene", "transforms", "topics", "layers", "synchronize"},
    "Plot": {"paths", "minXValue", "maxXValue", "minYValue", "maxYValue", "showLegend", "isSynced", "xAxisVal"},
    # as layouts are exported; the SDK's own format calls it DiagnosticsSummary
    "DiagnosticSummary": {"minLevel", "pinnedIds", "topicToRender", "hardwareIdFilter", "sortByLevel", "secondsUntilStale"},
}
SERIES = {"value", "id", "enabled", "label", "color", "lineSize", "showLine", "timestampMethod", "timestampPath"}


def listed(names: str) -> set[str]:
    return set(names.split(", "))


def test_rviz_shows_each_topic_by_a_display_of_its_type_and_durability() -> None:
    manager = yaml.safe_load((CONFIG / "localizer.rviz").read_text())["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "map"
    shown = set()
    for display in manager["Displays"]:
        package, _, kind = display["Class"].partition("/")
        topic, (type_, settings) = display["Topic"], DISPLAYS[kind]
        its = OUT[topic["Value"]]
        assert package == "rviz_default_plugins" and its.kind == type_, topic["Value"]
        assert display.keys() <= {"Class", "Name", "Enabled", "Topic"} | listed(settings)
        assert all(display[name] in values for name, values in SETTINGS.items() if name in display)
        assert topic["Durability Policy"] == ("Transient Local" if its.latched else "Volatile")
        assert topic["Reliability Policy"] == "Reliable" and topic["Depth"] == its.depth
        shown.add(topic["Value"])
    assert {f"/localizer/{name}" for name in VIEWS} <= shown


def test_rviz_has_the_classes_and_settings_that_are_named() -> None:
    layout = yaml.safe_load((CONFIG / "localizer.rviz").read_text())
    assert layout.keys() == {"Panels", "Visualization Manager", "Window Geometry"}
    manager = layout["Visualization Manager"]
    assert manager.keys() == {"Class", "Global Options", "Displays", "Tools", "Views"}
    assert manager["Global Options"].keys() <= {"Background Color", "Fixed Frame", "Frame Rate"}
    assert {panel["Class"] for panel in layout["Panels"]} <= PANELS
    assert {tool["Class"] for tool in manager["Tools"]} <= TOOLS
    view = manager["Views"]["Current"]
    assert view.keys() <= {"Class", "Name"} | listed(VIEWS_OF_RVIZ[view["Class"]])
    with_topics = [*manager["Displays"], *(tool for tool in manager["Tools"] if "Topic" in tool)]
    for topic in (each["Topic"] for each in with_topics):
        assert topic.keys() == {"Value", "Depth", *QUALITIES}
        assert all(topic[name] in values for name, values in QUALITIES.items())
    told = next(tool["Topic"]["Value"] for tool in manager["Tools"] if tool["Class"].endswith("SetInitialPose"))
    assert told in USUAL["initial_pose"]


def test_foxglove_shows_each_view_by_a_panel_of_its_type_and_lays_out_every_panel() -> None:
    layout = json.loads((CONFIG / "localizer.foxglove.json").read_text())
    assert layout.keys() == {"configById", "globalVariables", "userNodes", "playbackConfig", "layout"}
    panels = layout["configById"]

    def laid_out(node: Any) -> list[str]:
        if isinstance(node, str):
            return [node]
        assert node.keys() == {"direction", "first", "second", "splitPercentage"} and node["direction"] in ("row", "column")
        return [*laid_out(node["first"]), *laid_out(node["second"])]

    assert sorted(laid_out(layout["layout"])) == sorted(panels)
    for name, panel in panels.items():
        assert panel.keys() <= CONFIGS[name.partition("!")[0]], name
    in_space = panels["3D!around"]["topics"]
    assert {OUT[topic].kind for topic in in_space} == set(SHOWN)
    for topic, settings in in_space.items():
        kind = OUT[topic].kind
        assert settings.keys() <= SHOWN[kind], topic
        assert settings.get("colorMode") in COLOR_MODES.get(kind, {None}), topic
    assert panels["3D!around"]["cameraState"].keys() <= CAMERA and panels["3D!around"]["followTf"] == "map"
    pictured = panels["Image!match"]["imageMode"]["imageTopic"]
    assert OUT[pictured].kind == DISPLAYS["Image"][0]
    assert {f"/localizer/{name}" for name in VIEWS} <= {*in_space, pictured}
    for path in panels["Plot!sigma"]["paths"]:
        assert path.keys() <= SERIES and path["timestampMethod"] in ("receiveTime", "publishTime", "headerStamp", "customField")
        topic, index = re.fullmatch(r"(/localizer/\w+)\.pose\.covariance\[(\d+)\]", path["value"]).groups()
        assert OUT[topic].kind == DISPLAYS["PoseWithCovariance"][0] and int(index) in (0, 7)
    assert panels["DiagnosticSummary!health"]["topicToRender"] == HEALTH_TOPIC


def test_the_channel_that_is_coloured_by_is_one_of_the_cloud() -> None:
    fields = set(HYPOTHESIS.names or ())
    manager = yaml.safe_load((CONFIG / "localizer.rviz").read_text())["Visualization Manager"]
    by_rviz = next(each["Channel Name"] for each in manager["Displays"] if "Channel Name" in each)
    in_space = json.loads((CONFIG / "localizer.foxglove.json").read_text())["configById"]["3D!around"]["topics"]
    by_foxglove = next(each["colorField"] for each in in_space.values() if "colorField" in each)
    assert {by_rviz, by_foxglove} <= fields


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
