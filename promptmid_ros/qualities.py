"""Qualities of service: those of the node's topics, and how a user sets others."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from promptmid_core.errors import InputError

RELIABLE = QoSProfile(depth=10)
# best effort connects to reliable publishers too; a second of odometry at 200 Hz
ODOMETRY_QOS = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
# what is published once, before anybody listens
LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
SPELT = {"reliability": ("reliable", "best_effort", "system_default"), "history": ("keep_last", "keep_all", "system_default")}


def overridable(quality: QoSProfile) -> dict[str, Any]:
    """Return what a topic is made with so that parameters `qos_overrides.TOPIC.publisher|subscription.*` change its quality."""
    # rclpy writes the changes into the profile that it is given
    return {"qos_profile": copy(quality), "qos_overriding_options": QoSOverridingOptions.with_default_policies()}


def subscribed(node: Node, kind: Any, topic: str, callback: Callable[..., None], quality: QoSProfile) -> Any:
    """Return a subscription whose quality parameters may change."""
    return node.create_subscription(kind, topic, callback, **overridable(quality))


def check_overrides(node: Node) -> None:
    """Raise InputError for the first parameter `qos_overrides.*` that was given to a node and is none, or has no value of it."""
    for name, parameter in getattr(node, "_parameter_overrides", {}).items():
        whole, _, policy = name.rpartition(".")
        value = parameter.value
        if not name.startswith("qos_overrides."):
            continue
        if policy not in (*SPELT, "depth") or whole.rpartition(".")[2] not in ("publisher", "subscription"):
            raise InputError(f"{name} is no quality of service that can be set; "
                             "qos_overrides./TOPIC.subscription or .publisher has depth, reliability and history")
        if policy == "depth":
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} is {value}, not a whole number from 1 on")
        elif value not in SPELT[policy]:
            raise InputError(f"{name} is {value}, not {', '.join(SPELT[policy][:-1])} or {SPELT[policy][-1]}")


def tell_unused(node: Node) -> None:
    """Warn of each parameter `qos_overrides.*` that was given to a configured node and names no topic of it."""
    for name in getattr(node, "_parameter_overrides", {}):
        if name.startswith("qos_overrides.") and not node.has_parameter(name):
            node.get_logger().warning(f"{name} is without effect: there is no such topic, as this node is set")
