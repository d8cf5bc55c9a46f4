"""The process `mavlink` over DDS: it hears the localizer's topics, sends until one image takes a fix back, and ends in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optional import lacking
from sorties import FRAME, fix_pose, navsat_fix, odometry, pose, verdict

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

import pyproj
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from plain_messages import filled
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import NavSatFix

from promptmid_core.autopilot.options import CarryOptions, MavlinkOptions, RelayOptions
from promptmid_core.errors import InputError
from promptmid_core.outputs import contents
from promptmid_ros.autopilot.declaring import declared
from promptmid_ros.autopilot.output_keys import OUTPUT
from promptmid_ros.conversions import kind_of
from promptmid_ros.conversions import message as message_of

LACKING = lacking("pymavlink", "serial")
pytestmark = [pytest.mark.waits, pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}; nothing speaks MAVLink")]
WAIT_S = 120.0
TO_MAP = pyproj.Transformer.from_crs("EPSG:4326", FRAME.crs, always_xy=True)
KINDS = {"localizer/pose": PoseWithCovarianceStamped, "localizer/navsat_fix": NavSatFix,
         "localizer/match_diagnostics": DiagnosticArray, "odometry": Odometry}
PROGRAM = "import sys\nfrom promptmid_ros.autopilot import program\nsys.exit(program.mavlink())"


class Mavlink:
    """The process, what it is shown, and what comes of it: messages of MAVLink and the keys of its diagnostics."""

    def __init__(self, folder: Path) -> None:
        from promptmid_ros.autopilot.link import dialect

        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.02)
        self._mav = dialect().MAVLink(None)
        self.heard: list[Any] = []
        self._keys: list[dict[str, str]] = []
        self._log = folder / "mavlink.log"
        namespace, domain = f"/autopilot_{os.getpid()}_{time.monotonic_ns()}", 1 + os.getpid() % 100
        environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
                                    "ROS_LOG_DIR": str(folder)}
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"], os.environ["ROS_LOG_DIR"] = "LOCALHOST", str(folder)
        url = f"udpout:127.0.0.1:{self._socket.getsockname()[1]}"
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "--ros-args", "-r", f"__ns:={namespace}", "-p", f"mavlink_url:={url}", "-p",
                 "most_fix_age_s:=30.0"], stdout=output, stderr=subprocess.STDOUT, env=environment)
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node("test", context=self._context, enable_rosout=False)
        self._name = f"{namespace[1:]}/mavlink: output"
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_health, QoSProfile(depth=500))
        self._publishers = {topic: node.create_publisher(kind, f"{namespace}/{topic}", 500) for topic, kind in KINDS.items()}
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._spinning = threading.Thread(target=self._executor.spin, daemon=True)
        self._spinning.start()
        self._node = node

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._executor.shutdown()
        self._spinning.join(5)
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)
        self._socket.close()

    def connect(self) -> None:
        """Until the process hears each topic, counted by its name, which nobody else uses."""
        self.until(lambda: all(publisher.get_subscription_count() == 1 for publisher in self._publishers.values()))

    def until(self, true: Any, act: Any = None) -> None:
        """Listen, and act again and again, until something is so."""
        deadline = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < deadline and self.process.poll() is None, self._log.read_text()
            if act is not None:
                act()
            self.listen()

    def listen(self) -> None:
        try:
            self.heard += self._mav.parse_buffer(self._socket.recv(65536)) or []
        except TimeoutError:
            return

    def show(self, topic: str, message: Any, since_ns: int) -> None:
        """Publish it with a stamp as long ago as the flight's own clock has it."""
        its = filled(KINDS[topic], message)
        its.header.stamp = message_of(kind_of("builtin_interfaces/msg/Time"), contents.time(since_ns))
        self._publishers[topic].publish(its)

    def keys(self) -> dict[str, str]:
        return self._keys[-1] if self._keys else {}

    def of(self, kind: str) -> list[Any]:
        return [message for message in self.heard if message.get_type() == kind]

    def _on_health(self, message: Any) -> None:
        for status in message.status:
            if status.name == self._name:
                self._keys.append({pair.key: pair.value for pair in status.values})


@pytest.fixture
def mavlink(tmp_path: Path) -> Iterator[Mavlink]:
    its = Mavlink(tmp_path)
    yield its
    its.end()


def test_fixes_go_out_until_one_image_takes_them_back(mavlink: Mavlink) -> None:
    mavlink.connect()
    begin = time.time_ns()

    def now() -> float:
        return (time.time_ns() - begin) / 1e9

    def move() -> None:
        seconds = now()
        mavlink.show("odometry", odometry(seconds), begin + round(seconds * 1e9))

    def find() -> None:
        """A fix of a moment that odometry lies around."""
        move()
        seconds, _ = now(), time.sleep(0.001)
        move()
        for topic, message in (("localizer/pose", fix_pose(seconds)), ("localizer/navsat_fix", navsat_fix(seconds)),
                               ("localizer/match_diagnostics", verdict(seconds))):
            mavlink.show(topic, message, begin + round(seconds * 1e9))

    mavlink.until(lambda: len(mavlink.of("GPS_INPUT")) > 3 and mavlink.of("HEARTBEAT"), find)
    for message in mavlink.of("GPS_INPUT"):
        seconds = (message.time_usec - begin / 1e3) / 1e6
        x, y = TO_MAP.transform(message.lon / 1e7, message.lat / 1e7)
        assert np.hypot(*(np.array([x, y]) - FRAME.origin - pose(seconds).position[:2])) < 0.05
    mavlink.until(lambda: mavlink.keys().get("silent") == "" and float(mavlink.keys()["sent"]) > 3, find)
    assert mavlink.keys().keys() == OUTPUT.keys()
    assert float(mavlink.keys()["fix_age_s"]) < 30 and mavlink.keys()["program_errors"] == "0"

    def lose() -> None:
        seconds = now()
        mavlink.show("localizer/match_diagnostics", verdict(seconds, "ambiguous", "LOST"), begin + round(seconds * 1e9))
        move()

    mavlink.until(lambda: mavlink.keys().get("silent") == "lost", lose)
    # what was sent before is on its way no more once a later text has come
    mavlink.until(lambda: any("silent, lost" in text.text for text in mavlink.of("STATUSTEXT")), move)
    mavlink.heard.clear()
    beats = len(mavlink.of("HEARTBEAT"))
    mavlink.until(lambda: len(mavlink.of("HEARTBEAT")) > beats + 1, move)
    assert mavlink.of("GPS_INPUT") == []
    mavlink.process.send_signal(signal.SIGTERM)
    assert mavlink.process.wait(WAIT_S) == 0


def test_parameters_that_cannot_be_are_told_in_one_sentence() -> None:
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        for number, (name, value, told) in enumerate((
                ("mavlink_ulr", "udpout:a:1", "mavlink_ulr is no parameter of m0; is mavlink_url meant"),
                ("most_fix_age_s", 100.0, "parameter most_fix_age_s"), ("system_id", "one", "parameter system_id has to be"),
                ("local_origin_deg", [1.0], "parameter local_origin_deg"))):
            node = rclpy.create_node(f"m{number}", context=context, parameter_overrides=[Parameter(name, value=value)])
            with pytest.raises(InputError, match=told):
                declared(node, MavlinkOptions, RelayOptions, CarryOptions)
            node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
