"""The node `localizer` as a process, driven over DDS by a test: transitions, messages in, verdicts out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from geometry_msgs.msg import PoseWithCovarianceStamped  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import GetState  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from rcl_interfaces.srv import SetParameters, SetParametersAtomically  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import QoSProfile, qos_profile_sensor_data  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, NavSatFix, PointCloud2, Range  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from promptmid_core.bags.bag import open_bag  # noqa: E402
from promptmid_core.bags.messages import stamp_ns  # noqa: E402
from promptmid_ros.rehearsal.questions import Questions, tell_dropped  # noqa: E402
from promptmid_ros.transport import set_profile  # noqa: E402

# before the first participant of this process, which alone reads it
set_profile()
SECOND = 1_000_000_000
CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
SHUTDOWN = {"unconfigured": Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, "active": Transition.TRANSITION_ACTIVE_SHUTDOWN}
TYPES = {"image/compressed": CompressedImage, "image": Image, "camera_info": CameraInfo, "odometry": Odometry,
         "initialpose": PoseWithCovarianceStamped, "height": Range}
OUTPUTS = {"pose": PoseWithCovarianceStamped, "ground_point": PoseWithCovarianceStamped,
           "correction": PoseWithCovarianceStamped, "navsat_fix": NavSatFix, "hypotheses": PointCloud2}
WAIT_S = 30.0
# a node starts in 2 s, but in 15 beside others on a loaded machine
START_S = 120.0
SERVICES = {**dict.fromkeys(("relocalize", "reload_map", "save_snapshot"), Trigger), "set_parameters": SetParameters,
            "set_parameters_atomically": SetParametersAtomically}
COUNT = count()
PROGRAM = "import sys, promptmid_ros.program\nsys.exit(promptmid_ros.program.main())"


@dataclass
class Verdict:
    """A status of ~/match_diagnostics or /diagnostics."""

    level: int
    message: str
    values: dict[str, str]

    def __getitem__(self, key: str) -> str:
        return self.values[key]


class Localizer:
    """Use in a with block; what the process prints is in `log()`. `harm`: Python that the process runs before its program."""

    def __init__(self, folder: Path, file: Path | None = None, harm: str = "", **parameters: Any) -> None:
        self._log = folder / f"localizer_{time.monotonic_ns()}.log"
        # nodes side by side must not hear each other, also those of another run of the tests that has hit on the same domain
        self.name = f"/test_{os.getpid()}_{next(COUNT)}/localizer"
        namespace = self.name.rpartition("/")[0]
        domain = 1 + os.getpid() % 100
        settings = [word for name, value in parameters.items() for word in ("-p", f"{name}:={_yaml(value)}")]
        settings += ["--params-file", str(file)] if file else []
        self.environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
                                         "ROS_LOG_DIR": str(folder), "OMP_NUM_THREADS": "1"}
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"], os.environ["ROS_LOG_DIR"] = "LOCALHOST", str(folder)
        tell_dropped(self.environment)
        with self._log.open("wb") as output:
            program = ["-c", f"{harm}\n{PROGRAM}"] if harm else ["-m", "promptmid_ros.program"]
            self.process = subprocess.Popen([sys.executable, *program, "--ros-args", "-r", f"__ns:={namespace}", *settings],
                                            stdout=output, stderr=subprocess.STDOUT, env=self.environment)
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node("test", context=self._context, start_parameter_services=True, enable_rosout=False)
        self.verdicts: list[tuple[int, Verdict]] = []
        self.health: list[Verdict] = []
        self.outputs: dict[str, list[Any]] = {name: [] for name in OUTPUTS}
        self._came = threading.Condition()
        deep = QoSProfile(depth=500)
        self.node.create_subscription(DiagnosticArray, f"{self.name}/match_diagnostics", self._on_verdict, deep)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_health, deep)
        for name, kind in OUTPUTS.items():
            self.node.create_subscription(kind, f"{self.name}/{name}", self.outputs[name].append, deep)
        self._publishers = {
            topic: self.node.create_publisher(kind, f"{namespace}/{topic}", qos_profile_sensor_data if "image" in topic else 500)
            for topic, kind in TYPES.items()}
        # last: whose first answer shows that the node knows all the above
        self._questions, self._met = Questions(self.node, self.name, SERVICES, self.log), False
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._spinning = threading.Thread(target=self._executor.spin, daemon=True)
        self._spinning.start()

    def __enter__(self) -> Localizer:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            # killed it would leave its 70 MB of shared memory behind
            self.process.terminate()
            try:
                self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._executor.shutdown()
        self._spinning.join(5)
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def ask(self, name: str, request: Any, timeout: float = WAIT_S) -> Any:
        """The answer of the service ~/name."""
        return self._told(self._asking().put(name, request).answer(timeout), name)

    def later(self, name: str) -> Callable[[], Any]:
        """Ask ~/name, and give what waits for the answer."""
        question = self._asking().put(name, Trigger.Request())
        return lambda: self._told(question.answer(WAIT_S), name)

    def change(self, transition: int) -> bool:
        done = bool(self._told(self._asking().transition(transition, WAIT_S), "change_state"))
        if done and transition == CLEANUP:
            # or connect() would take for its next subscriptions those that are gone
            self.until(lambda: not any(publisher.get_subscription_count() for publisher in self._publishers.values()))
        return done

    def _asking(self) -> Questions:
        self._met = self._met or self._questions.meet(START_S)
        assert self._met, self.log()
        return self._questions

    def _told(self, answer: Any | None, name: str) -> Any:
        assert answer is not None, f"~/{name} was not answered\n{self.log()}"
        return answer

    def up(self) -> Localizer:
        """Configured, active, and connected."""
        assert self.change(CONFIGURE), self.log()
        assert self.change(ACTIVATE), self.log()
        self.connect()
        return self

    def connect(self, *topics: str) -> None:
        """Until the node hears what is published here, `topics` too, and what it publishes is heard."""
        self._asking()
        heard = {topic: publisher.get_subscription_count for topic, publisher in self._publishers.items()}
        self.until(lambda: all(heard[topic]() for topic in ("camera_info", "odometry", "initialpose", *topics))
                    and (heard["image"]() or heard["image/compressed"]())
                    and self.node.count_publishers(f"{self.name}/match_diagnostics"))

    def until(self, true: Callable[[], Any]) -> None:
        """Until that is so, asked again and again."""
        deadline = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def state(self) -> str:
        return str(self.ask("get_state", GetState.Request()).current_state.label)

    def trigger(self, name: str, timeout: float = WAIT_S) -> Any:
        return self.ask(name, Trigger.Request(), timeout)

    def publish(self, topic: str, message: Any) -> None:
        self._publishers[topic].publish(message)

    def verdict(self, stamp: int, number: int = 1) -> Verdict:
        """The last of `number` verdicts on images of a stamp."""
        with self._came:
            self._came.wait_for(lambda: len(self._of(stamp)) >= number, WAIT_S)
            found = self._of(stamp)
        assert len(found) == number, f"{len(found)} verdicts on {stamp}\n{self.log()}"
        return found[-1]

    def await_health(self) -> Verdict:
        """The next status of /diagnostics."""
        with self._came:
            heard = len(self.health)
            assert self._came.wait_for(lambda: len(self.health) > heard, WAIT_S), self.log()
            return self.health[-1]

    def await_state(self, lifecycle: str) -> Verdict:
        """The second status from now, which tells of a lifecycle state."""
        self.await_health()
        health = self.await_health()
        assert health["lifecycle"] == lifecycle
        assert health.level >= (lifecycle != "active")
        assert float(health["memory_mb"]) > 0
        return health

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _of(self, stamp: int) -> list[Verdict]:
        return [verdict for its_stamp, verdict in self.verdicts if its_stamp == stamp]

    def _on_verdict(self, message: Any) -> None:
        with self._came:
            self.verdicts.extend((stamp_ns(message.header), _verdict(status)) for status in message.status)
            self._came.notify_all()

    def _on_health(self, message: Any) -> None:
        with self._came:
            self.health.extend(_verdict(status) for status in message.status if status.name == f"{self.name[1:]}: health")
            self._came.notify_all()


class Flight:
    """One good image of a bag, shown again and again a second later, with camera_info and odometry of its time."""

    def __init__(self, bag: Path, frame: int = 6) -> None:
        images, infos, odometry = [], [], []
        for topic, _, data in open_bag(bag).serialized("/image/compressed", "/camera_info", "/odometry"):
            target, kind = {"/image/compressed": (images, CompressedImage), "/camera_info": (infos, CameraInfo),
                            "/odometry": (odometry, Odometry)}[topic]
            target.append(deserialize_message(data, kind))
        self.image, self.info = images[frame], infos[frame]
        self._taken = stamp_ns(self.image.header)
        self.odometry = [message for message in odometry if abs(stamp_ns(message.header) - self._taken) < SECOND // 4]
        self._count = 0

    def next(self) -> int:
        """The next stamp."""
        self._count += 1
        return self._taken + self._count * SECOND

    def send(self, to: Localizer, stamp: int, image: Any = None, info: Any = None, odometry: Any = None) -> None:
        """Odometry around the stamp, camera_info, then the image, any of them another where given; an empty list sends none."""
        for message in self.odometry if odometry is None else odometry:
            to.publish("odometry", stamped(message, stamp_ns(message.header) + stamp - self._taken))
        for message in [self.info] if info is None else info:
            to.publish("camera_info", stamped(message, stamp))
        # another topic: what was sent first has to be there first
        time.sleep(0.05)
        image = self.image if image is None else image
        to.publish("image/compressed" if hasattr(image, "format") else "image", stamped(image, stamp))

    def state(self, of: Localizer) -> str:
        """The state of the track, told of an image that shows nothing and so changes none."""
        black = np.zeros((self.info.height, self.info.width), np.uint8)
        image = CompressedImage(header=self.image.header, format="jpeg", data=cv2.imencode(".jpg", black)[1].tobytes())
        verdict = self.show(of, image=image)
        assert verdict["reason"] == "image_black"
        return verdict["state"]

    def show(self, to: Localizer, **changes: Any) -> Verdict:
        """The verdict on the next image."""
        stamp = self.next()
        self.send(to, stamp, **changes)
        return to.verdict(stamp)


def stamped(message: Any, stamp: int) -> Any:
    """A copy with another stamp."""
    copy = deepcopy(message)
    copy.header.stamp.sec, copy.header.stamp.nanosec = stamp // SECOND, stamp % SECOND
    return copy


def end(localizer: Localizer, *signals: tuple[float, signal.Signals]) -> int:
    """Send signals, each after its pause in seconds; the exit code of the process, which has to end."""
    for pause, which in signals:
        time.sleep(pause)
        if localizer.process.poll() is None:
            localizer.process.send_signal(which)
    return localizer.process.wait(WAIT_S)


def _verdict(status: Any) -> Verdict:
    return Verdict(ord(status.level), status.message, {pair.key: pair.value for pair in status.values})


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str | Path) else str(value)
