"""What config/sros2.policy.xml allows is what the running node has, no more and no less; docs/security.md names it all."""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

import rclpy
from nav_msgs.msg import Path as OfTransforms
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from small_maps import rasters

from promptmid_core.descriptors.structural import Structural
from promptmid_core.localization.priorform import DOWNWARD, SOURCES
from promptmid_core.localization.settings import PARAMETERS
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_ros.autopilot.mavlink_node import MavlinkNode
from promptmid_ros.autopilot.page import tables
from promptmid_ros.autopilot.px4_agp_node import Px4AgpNode
from promptmid_ros.localizer_node import LocalizerNode

POLICY = Path(__file__).resolve().parent.parent / "config" / "sros2.policy.xml"
# the graph tells of any node of a name: those of another run of the tests must not be in it
DOMAIN = 101 + os.getpid() % 100
RULES = {("topics", "publish"), ("topics", "subscribe"), ("services", "reply")}


def allowed(kind: str, action: str, node: str = "localizer") -> list[str]:
    """The names of a rule of the policy, whole, as its profile's node resolves them."""
    profile = ElementTree.parse(POLICY).getroot().find(f"enclaves/enclave/profiles/profile[@node='{node}']")
    assert profile is not None
    names = [str(each.text) for rule in profile.findall(kind) if rule.get(action) == "ALLOW" for each in rule]
    own, above = f"/{profile.get('node')}", str(profile.get("ns"))
    return sorted(name if name[0] == "/" else own + name[1:] if name[0] == "~" else above + name for name in names)


@pytest.fixture(scope="module")
def map_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("security")
    return build_map(Sources(rasters(folder)["sar"]), folder / "map", BuildOptions(Structural())).path


@pytest.fixture
def node(map_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalizerNode]:
    """With all that its parameters can open; transforms are not in the wheels of ROS 2, and any type has a graph's names."""
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", SimpleNamespace(TFMessage=OfTransforms))
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=DOMAIN, signal_handler_options=SignalHandlerOptions.NO)
    node = LocalizerNode(context=context, parameter_overrides=[Parameter("map", value=str(map_path)),
                                                               Parameter("publish_tf", value=True),
                                                               Parameter("height_along", value=DOWNWARD)])
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_the_policy_allows_what_the_node_has_and_no_more(node: LocalizerNode, monkeypatch: pytest.MonkeyPatch) -> None:
    published, heard, answered = set(), set(), set()
    monkeypatch.setitem(sys.modules, "px4_msgs.msg", SimpleNamespace(VehicleOdometry=OfTransforms))
    # what each adds to the graph has nothing to do with the other
    for transport, source in zip(cycle(("compressed", "raw")), SOURCES, strict=False):
        node.set_parameters([Parameter("image_transport", value=transport), Parameter("prior_source", value=source)])
        assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        own = (node.get_name(), node.get_namespace())
        published |= {name for name, _ in node.get_publisher_names_and_types_by_node(*own)}
        heard |= {name for name, _ in node.get_subscriber_names_and_types_by_node(*own)}
        answered |= {name for name, _ in node.get_service_names_and_types_by_node(*own)}
        assert not node.get_client_names_and_types_by_node(*own)
        node.trigger_deactivate()
        node.trigger_cleanup()
    assert {"/localizer/pose", "/tf"} <= published and {"/image", "/image/compressed", "/tf_static"} <= heard
    assert allowed("topics", "publish") == sorted(published)
    assert allowed("topics", "subscribe") == sorted(heard)
    assert allowed("services", "reply") == sorted(answered)


@pytest.mark.parametrize("name", ["mavlink", "px4_agp"])
def test_the_policy_and_the_page_have_what_tells_an_autopilot_and_no_more(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pymavlink", reason="pymavlink is not installed")
    # px4_msgs is not in the wheels of ROS 2, and any type has a graph's names
    monkeypatch.setitem(sys.modules, "px4_msgs.msg", SimpleNamespace(AuxGlobalPosition=OfTransforms))
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=DOMAIN, signal_handler_options=SignalHandlerOptions.NO)
    its = Px4AgpNode if name == "px4_agp" else MavlinkNode
    given = Parameter("message_version", value=1) if name == "px4_agp" else Parameter("mavlink_url", value="udpout:127.0.0.1:9")
    node = its(context=context, parameter_overrides=[given])
    assert node.start()
    refused, = node.set_parameters([Parameter("sensor_id", value=3)])
    assert not refused.successful and refused.reason == "sensor_id is read when the process starts; set it there"
    own = (node.get_name(), node.get_namespace())
    published, heard, answered = (sorted(each for each, _ in ask(*own)) for ask in (
        node.get_publisher_names_and_types_by_node, node.get_subscriber_names_and_types_by_node,
        node.get_service_names_and_types_by_node))
    assert node.stop(1.0)
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert allowed("topics", "publish", name) == published and allowed("topics", "subscribe", name) == heard
    assert allowed("services", "reply", name) == answered

    section = (POLICY.parent.parent / "docs" / "ros.md").read_text().partition("## Autopilots")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in section.splitlines()
            if line.startswith("|") and f"`{name}`" in line.split("|")[1]]
    said = [topic for topic in published if topic not in ("/rosout", "/parameter_events")]
    for direction, topics in (("in", heard), ("out", said)):
        told = {topic for row in rows if row[2] == direction for topic in re.findall("`([^`]+)`", row[3])}
        assert {topic.lstrip("/") for topic in topics} <= {topic.lstrip("/") for topic in told}, direction
    assert tables() in section, "python -m promptmid_ros.autopilot.page"


def test_the_policy_is_of_the_form_that_sros2_takes() -> None:
    """Its schema: policy 0.2.0 > enclaves > enclave > profiles > profile > topics, services or actions with ALLOW or DENY."""
    root = ElementTree.parse(POLICY).getroot()
    assert (root.tag, root.attrib) == ("policy", {"version": "0.2.0"})
    enclaves = root.findall("enclaves/enclave")
    assert [enclave.get("path") for enclave in enclaves] == ["/localizer", "/mavlink", "/px4_agp"]
    for enclave in enclaves:
        (profile,) = enclave.findall("profiles/profile")
        assert profile.attrib == {"ns": "/", "node": str(enclave.get("path"))[1:]}
        for rule in profile:
            ((action, qualifier),) = rule.attrib.items()
            assert (rule.tag, action) in RULES and qualifier == "ALLOW"
            assert {each.tag for each in rule} == {rule.tag.removesuffix("s")} and not any(each.attrib for each in rule)
        # nothing is allowed by a pattern
        assert not any(sign in name for kind, action in RULES for name in allowed(kind, action, profile.attrib["node"])
                       for sign in "*?[")


def test_the_page_tells_what_each_parameter_and_service_may_touch() -> None:
    text = (POLICY.parent.parent / "docs" / "security.md").read_text()
    section = text.partition("## What each parameter and service may touch")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    first = {name for row in rows for name in re.findall("`([^`]+)`", row.split("|")[1])}
    told = {name for name, declared in PARAMETERS.items() if isinstance(declared.default, str | bool)}
    services = {name.replace("/localizer/", "~/") for name in allowed("services", "reply")}
    assert first == told | services
