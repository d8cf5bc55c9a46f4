"""The node `mavlink`: what the localizer publishes, to an autopilot that speaks MAVLink."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

from promptmid_core.autopilot.address import address_of
from promptmid_core.autopilot.options import MESSAGES, RATES_HZ, CarryOptions, MavlinkOptions, RelayOptions
from promptmid_core.autopilot.relay import Relay
from promptmid_core.errors import InputError
from promptmid_core.outputs import contents
from promptmid_core.outputs.keys import values_of
from promptmid_ros.autopilot.declaring import declared
from promptmid_ros.autopilot.hearing import hear
from promptmid_ros.autopilot.link import Link
from promptmid_ros.autopilot.output_keys import OUTPUT, Answered, Spoken
from promptmid_ros.autopilot.speaker import Speaker
from promptmid_ros.conversions import message as made
from promptmid_ros.guard import Guard
from promptmid_ros.qualities import RELIABLE

LISTEN_S = 0.01  # an autopilot takes the time that an answer is late by for the way


class MavlinkNode(Node):
    """Hears the localizer and the odometry, and sends."""

    def __init__(self, **options: Any) -> None:
        super().__init__("mavlink", **options)
        self._guard = Guard(self.get_logger().error)
        self._link: Link | None = None

    def start(self) -> bool:
        """Read the parameters, open the link and begin, and return whether that went well. What failed has been logged."""
        try:
            mavlink, relaying, carrying = declared(self, MavlinkOptions, RelayOptions, CarryOptions)
            self._begin(mavlink, relaying, carrying)
        except InputError as error:
            self.get_logger().error(str(error))
            return False
        self.get_logger().info(f"{mavlink.mavlink_message} goes to {mavlink.mavlink_url}")
        return True

    def stop(self, seconds: float) -> bool:
        """Close the link before the process ends; True, as no thread is at work."""
        if self._link is not None:
            self._link.close()
        return True

    def _begin(self, mavlink: MavlinkOptions, relaying: RelayOptions, carrying: CarryOptions) -> None:
        if mavlink.mavlink_message not in MESSAGES:
            raise InputError(f"parameter mavlink_message is '{mavlink.mavlink_message}', not one of {', '.join(MESSAGES)}")
        self._options, rate = mavlink, RATES_HZ.get(mavlink.mavlink_message)
        self._link = Link(address_of(mavlink.mavlink_url), mavlink.system_id, mavlink.component_id)
        self._relay = Relay(relaying, carrying if rate else None)
        self._speaker = Speaker(self._link, self._relay, mavlink, relaying, lambda: self.get_clock().now().nanoseconds)
        hear(self, self._relay, self._guard, self._speaker.fix, odometry=rate is not None)
        self._health = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        timers = [(LISTEN_S, self._speaker.listen), (1.0, self._speaker.second), (1.0, self._tell)]
        for period, act in [*timers, (1 / rate, self._speaker.tick)] if rate else timers:
            self.create_timer(period, self._guard(act), clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _tell(self) -> None:
        now = self.get_clock().now().nanoseconds
        relay, speaker, link = self._relay, self._speaker, self._link
        problem = "; ".join(filter(None, [relay.problem, relay.odometry_problem, link.problem if link else ""]))
        spoken = Spoken(
            self._options.mavlink_message, self._options.mavlink_url, speaker.silence(), relay.age_s(now), relay.sigma(),
            speaker.sent, speaker.rate.hz(), relay.resets, relay.apart_s(now), problem, self._guard.faults,
            Answered(speaker.heard_s(), speaker.autopilot_apart_s, speaker.refused))
        name = self.get_fully_qualified_name().lstrip("/")
        summary = f"silent: {spoken.silence}" if spoken.silence else f"{spoken.message} is sent"
        told = contents.diagnostics(now, f"{name}: output", "", summary, OUTPUT, values_of(OUTPUT, spoken))
        self._health.publish(made(DiagnosticArray, told))
