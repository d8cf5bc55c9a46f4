"""The aircraft around a node: starts it, sends it shots, hears its verdicts, and holds it to them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_srvs.srv import Trigger

from benchmarks.faults.ledger import Ledger
from benchmarks.faults.roundtrip import IMAGE, INFO, ODOMETRY, RoundTrip, Shot
from promptmid_core.errors import InputError
from promptmid_core.refmap import ReferenceMap
from promptmid_ros.rehearsal.player import RELIABLE
from promptmid_ros.rehearsal.process import LocalizerProcess
from promptmid_ros.rehearsal.recorder import DEEP

# no verdict for so long while images come counts as a hang; discovery may take as long
HANG_S = 30.0
# that a busy machine hands on odometry late is no fault done to the node; the one that comes a second late still is
PRIOR_WAIT_MS = 500
SERVICES = ("reload_map", "relocalize", "save_snapshot")


class Failed(Exception):
    """The node did not do what it has to; the text is one sentence."""


class Aircraft:
    """A node over the map `reference`, with the flight that it is shown. Use in a with block, which starts and ends the node.

    `node` must be spun by somebody else, in another thread. `figures`: what was measured on the way.
    """

    def __init__(self, node: Node, trip: RoundTrip, reference: Path, log: Path, **parameters: Any) -> None:
        self.trip, self.reference, self.parameters = trip, reference, parameters
        self.figures: dict[str, Any] = {}
        self._node, self._log = node, log
        self._settings: Mapping[str, Any] = {"map": str(reference.absolute()), "image_transport": "compressed",
                                             "prior_wait_ms": PRIOR_WAIT_MS, **parameters}
        opened = ReferenceMap.open(reference)
        self._terrain, self._gsd = opened.terrain(), opened.gsd
        self.begin()
        self._publishers = {
            IMAGE: node.create_publisher(CompressedImage, IMAGE, qos_profile_sensor_data),
            INFO: node.create_publisher(CameraInfo, INFO, RELIABLE),
            ODOMETRY: node.create_publisher(Odometry, ODOMETRY, QoSProfile(depth=500)),
        }
        subscribe = node.create_subscription
        self._subscriptions = [
            subscribe(DiagnosticArray, "/localizer/match_diagnostics", lambda message: self.ledger.on_verdict(message), DEEP),
            subscribe(PoseWithCovarianceStamped, "/localizer/pose", lambda message: self.ledger.on_pose(message), DEEP),
            subscribe(DiagnosticArray, "/diagnostics", lambda message: self.ledger.on_health(message), DEEP),
        ]

    def __enter__(self) -> Aircraft:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.process.__exit__(kind, error, trace)
        finally:
            for publisher in self._publishers.values():
                self._node.destroy_publisher(publisher)
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)

    def start(self) -> None:
        """Start the process, configured and active, and be connected with it."""
        self.begin()
        self.process = LocalizerProcess(self._node, self._settings, self._log, dict.fromkeys(SERVICES, Trigger))
        self.process.__enter__()
        self.connect()

    def connect(self) -> None:
        """Until the node hears what is published here and its health is heard."""
        connected = self.ledger.await_(lambda: all(publisher.get_subscription_count() for publisher in self._publishers.values())
                                       and bool(self.ledger.health), HANG_S)
        if not connected:
            raise Failed(f"the node did not connect within {HANG_S:g} s")

    def disconnect(self) -> None:
        """Until the node, which is cleaned up, hears nothing more, so that `connect` waits for what it will subscribe to next."""
        deadline = time.monotonic() + HANG_S
        while any(publisher.get_subscription_count() for publisher in self._publishers.values()):
            if time.monotonic() > deadline:
                raise Failed(f"the node that was cleaned up has subscriptions after {HANG_S:g} s")
            time.sleep(0.005)

    def begin(self) -> None:
        """Count anew, as the node does when it is activated."""
        self.ledger = Ledger(self.trip.camera, self._terrain, self._gsd)

    def ask(self, service: str) -> Any:
        """Return the answer of one of SERVICES."""
        return self.process.call(service, Trigger.Request(), HANG_S + 30)

    def fly(self, shots: Iterable[Shot]) -> list[str]:
        """Send shots; the reason of each that was waited for."""
        reasons = []
        for shot in shots:
            self.send(shot)
            if shot.image is not None and shot.awaited:
                self._await(shot.stamp_ns)
                reasons.append(self.ledger.reason)
        return reasons

    def until_fix(self, most: int, what: str) -> int:
        """Fly until there is a fix, and return the number of images that it took. Raises Failed where `most` bring none."""
        for number in range(1, most + 1):
            if self.fly([self.trip.next()]) == ["fix"]:
                return number
        raise Failed(f"{what} brought no fix within {most} images; the last reason is {self.ledger.reason}")

    def settle(self) -> None:
        """Wait until the node's counters agree with what came of it. Raises Failed where they do not."""
        if not self.ledger.await_(self.ledger.add_up, HANG_S):
            self.process.check_alive()
            verdicts = sum(self.ledger.judged.values())
            raise Failed(f"the counters do not add up: {self.ledger.counts()}, and {verdicts} verdicts came")
        self.ledger.settle()

    def send(self, shot: Shot) -> None:
        """Send a shot and wait for nothing."""
        for message in shot.odometry:
            self._publishers[ODOMETRY].publish(message)
        for message in shot.infos:
            self._publishers[INFO].publish(message)
        if shot.image is not None:
            self.ledger.send(shot.stamp_ns, shot.truth)
            self._publishers[IMAGE].publish(shot.image)
        for message in shot.late:
            self._publishers[ODOMETRY].publish(message)

    def _await(self, stamp: int) -> None:
        if self.ledger.await_verdict(stamp, HANG_S):
            return
        try:
            self.process.check_alive()
        except InputError as error:
            raise Failed(str(error)) from error
        raise Failed(f"the image of stamp {stamp} had no verdict within {HANG_S:g} s; the node counts {self.ledger.counts()}")
