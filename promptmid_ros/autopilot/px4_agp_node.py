"""The node `px4_agp`: the localizer's fixes as AuxGlobalPosition, over DDS to a PX4."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile

from promptmid_core.autopilot.aux_position import aux_position, measurement_of
from promptmid_core.autopilot.fixes import ToldFix
from promptmid_core.autopilot.options import AuxOptions, RelayOptions
from promptmid_core.autopilot.relay import Relay
from promptmid_core.autopilot.silence import Silence
from promptmid_core.errors import InputError, Unavailable
from promptmid_core.outputs import contents
from promptmid_core.outputs.keys import values_of
from promptmid_core.outputs.rates import Rate
from promptmid_ros.autopilot.declaring import declared
from promptmid_ros.autopilot.hearing import hear
from promptmid_ros.autopilot.output_keys import OUTPUT, Spoken
from promptmid_ros.conversions import message as made
from promptmid_ros.guard import Guard
from promptmid_ros.qualities import RELIABLE

# the newer first; before it PX4 took the message of its own estimate
KINDS = ("AuxGlobalPosition", "VehicleGlobalPosition")
TOPIC = "fmu/in/aux_global_position"


def message_kind() -> Any:
    """Return the type of message that PX4 takes. Raises Unavailable where px4_msgs is not installed."""
    try:
        messages = import_module("px4_msgs.msg")
    except ImportError as error:
        raise Unavailable("the process px4_agp needs px4_msgs, which is not installed; build the px4_msgs of your PX4's version "
                          "in the workspace and source it") from error
    return next(getattr(messages, name) for name in KINDS if hasattr(messages, name))


def topic_of(kind: Any, version: int) -> str:
    """Return the topic of a message: PX4 appends its version, where that is not 0; -1 for what the type says."""
    its = int(getattr(kind, "MESSAGE_VERSION", 0)) if version < 0 else version
    return f"{TOPIC}_v{its}" if its else TOPIC


def filled(kind: Any, fields: dict[str, Any]) -> Any:
    """Return a message with those of the fields that its type has."""
    message = kind()
    for name, value in {**fields, "lat_lon_valid": True}.items():
        if hasattr(message, name):
            setattr(message, name, value)
    return message


class Px4AgpNode(Node):
    """Hears the localizer, and publishes one message a fix."""

    def __init__(self, **options: Any) -> None:
        super().__init__("px4_agp", **options)
        self._guard = Guard(self.get_logger().error)
        self._rate, self._sent = Rate(), 0

    def start(self) -> bool:
        """Read the parameters and begin, and return whether that went well. What failed has been logged."""
        try:
            aux, self._relaying = declared(self, AuxOptions, RelayOptions)
            self._kind = message_kind()
        except InputError as error:
            self.get_logger().error(str(error))
            return False
        self._relay = Relay(self._relaying)
        self._publisher = self.create_publisher(self._kind, topic_of(self._kind, aux.message_version), QoSProfile(depth=10))
        hear(self, self._relay, self._guard, self._on_fix, odometry=False)
        self._health = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        self.create_timer(1.0, self._guard(self._tell), clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"{self._kind.__name__} goes to {self._publisher.topic_name}")
        return True

    def stop(self, seconds: float) -> bool:
        """Nothing is at work."""
        return True

    def _on_fix(self, fix: ToldFix) -> None:
        sigma = self._relay.sigma()
        if sigma is None or self._relay.silent(self.get_clock().now().nanoseconds) is not Silence.SPEAKING:
            return
        self._publisher.publish(filled(self._kind, aux_position(measurement_of(fix, sigma), self._relay.resets, self._relaying)))
        self._sent += 1
        self._rate.count()

    def _tell(self) -> None:
        now, relay = self.get_clock().now().nanoseconds, self._relay
        spoken = Spoken(self._kind.__name__, str(self._publisher.topic_name), relay.silent(now), relay.age_s(now), relay.sigma(),
                        self._sent, self._rate.hz(), relay.resets, relay.apart_s(now), relay.problem, self._guard.faults)
        name = self.get_fully_qualified_name().lstrip("/")
        summary = f"silent: {spoken.silence}" if spoken.silence else f"{spoken.message} is published"
        told = contents.diagnostics(now, f"{name}: output", "", summary, OUTPUT, values_of(OUTPUT, spoken))
        self._health.publish(made(DiagnosticArray, told))
