"""What is said to an autopilot in MAVLink, and what it answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from promptmid_core.autopilot.carrying import Carried
from promptmid_core.autopilot.external_position import COMMAND, external_position
from promptmid_core.autopilot.fixes import ToldFix
from promptmid_core.autopilot.global_position import global_position
from promptmid_core.autopilot.gps_input import gps_input
from promptmid_core.autopilot.options import EXTERNAL_POSITION, GLOBAL_POSITION, GPS_INPUT, RATES_HZ, MavlinkOptions, RelayOptions
from promptmid_core.autopilot.relay import ANEW_NS, Relay
from promptmid_core.autopilot.silence import Silence
from promptmid_core.autopilot.vision_position import vision_position
from promptmid_core.errors import InputError
from promptmid_core.outputs.rates import Rate
from promptmid_ros.autopilot.link import Link

ONBOARD_CONTROLLER, NO_AUTOPILOT, STATE_ACTIVE, MAVLINK_VERSION = 18, 8, 4, 3
WARNING, INFO = 4, 6
MOST_TEXT = 50


class Speaker:
    """Sends the message that is asked for, a heartbeat with the age of the fix each second, and a text when it falls silent or
    speaks again; `now`: the clock of the stamps in ns.

    Raises InputError where the installed pymavlink has no such message.
    """

    def __init__(self, link: Link, relay: Relay, options: MavlinkOptions, relaying: RelayOptions, now: Callable[[], int]) -> None:
        self._link, self._relay, self._options, self._relaying, self._now = link, relay, options, relaying, now
        if options.mavlink_message == GLOBAL_POSITION and not link.has(GLOBAL_POSITION):
            raise InputError(f"the installed pymavlink does not know {GLOBAL_POSITION}; install a newer one: "
                             "pip install --upgrade pymavlink")
        self._began = time.monotonic()
        self._sent_ns = 0
        self._told: Silence | None = None
        self._heard: float | None = None
        given = (options.local_origin_deg[0], options.local_origin_deg[1])
        self.origin = given if any(given) else None
        self.rate = Rate()
        self.sent = 0
        self.refused = ""
        self.autopilot_apart_s: float | None = None

    def fix(self, fix: ToldFix) -> None:
        """Tell of a new fix, where the message is one that is sent once a fix."""
        if self.origin is None:
            self.origin = fix.latitude, fix.longitude
        now, sigma = self._now(), self._relay.sigma()
        if self._options.mavlink_message in RATES_HZ or sigma is None or self._relay.silent(now) is not Silence.SPEAKING:
            return
        to = {"target_system": self._options.target_system, "target_component": self._options.target_component}
        if self._options.mavlink_message == EXTERNAL_POSITION:
            self._send("COMMAND_INT", **to, **external_position(fix, sigma, now))
        else:
            self._send(GLOBAL_POSITION, **to, **global_position(fix, sigma, now, self._relaying))

    def tick(self) -> None:
        """Tell where the last fix has led to, where that is of a later time than what was told last."""
        carried = self._relay.carried(self._now())
        if not isinstance(carried, Carried) or self.origin is None or 0 <= self._sent_ns - carried.stamp_ns < ANEW_NS:
            return
        self._sent_ns = carried.stamp_ns
        if self._options.mavlink_message == GPS_INPUT:
            self._send(GPS_INPUT, **gps_input(carried, self._relaying))
        else:
            self._send(self._options.mavlink_message, **vision_position(carried, self.origin, self._relay.resets))

    def second(self) -> None:
        """Send the heartbeat with the age of the last fix and its accuracy, and a text where speech or silence have begun."""
        self._link.mend()
        self._link.send("HEARTBEAT", type=ONBOARD_CONTROLLER, autopilot=NO_AUTOPILOT, base_mode=0, custom_mode=0,
                        system_status=STATE_ACTIVE, mavlink_version=MAVLINK_VERSION)
        age, sigma = self._relay.age_s(self._now()), self._relay.sigma()
        if age is not None and sigma is not None:
            since = int((time.monotonic() - self._began) * 1000)
            for name, value in ((b"fix_age_s", age), (b"fix_sig_m", sigma)):
                self._link.send("NAMED_VALUE_FLOAT", time_boot_ms=since, name=name, value=value)
        silence = self.silence()
        if silence is not self._told:
            self._told = silence
            text = f"promptmid: silent, {silence}" if silence else f"promptmid: {self._options.mavlink_message}, fix {age:.1f} s"
            self._link.send("STATUSTEXT", severity=WARNING if silence else INFO, text=text[:MOST_TEXT].encode())

    def silence(self) -> Silence:
        """Return why nothing is told now; SPEAKING where it is."""
        if self._options.mavlink_message not in RATES_HZ:
            return self._relay.silent(self._now())
        carried = self._relay.carried(self._now())
        return Silence.SPEAKING if isinstance(carried, Carried) else carried

    def listen(self) -> None:
        """Answer the autopilot's questions for the time, and keep what it says of commands and of its own clock."""
        for message in self._link.received():
            kind = message.get_type()
            if kind == "TIMESYNC" and message.tc1 == 0:
                self._link.send("TIMESYNC", tc1=self._now(), ts1=message.ts1)
            elif message.get_srcSystem() == self._options.target_system:
                self._keep(kind, message)

    def heard_s(self) -> float | None:
        """Return the seconds since the autopilot's last heartbeat, None before it."""
        return None if self._heard is None else time.monotonic() - self._heard

    def _keep(self, kind: str, message: Any) -> None:
        if kind == "HEARTBEAT" and message.autopilot != NO_AUTOPILOT:
            self._heard = time.monotonic()
        elif kind == "SYSTEM_TIME" and message.time_unix_usec:
            self.autopilot_apart_s = self._now() / 1e9 - message.time_unix_usec / 1e6
        elif kind == "COMMAND_ACK" and message.command == COMMAND:
            self.refused = "" if message.result == 0 else f"MAV_RESULT {message.result}"

    def _send(self, kind: str, /, **fields: Any) -> None:
        if self._link.send(kind, **fields):
            self.sent += 1
            self.rate.count()
