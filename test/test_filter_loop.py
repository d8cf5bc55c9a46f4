"""The filter of examples/filter_gtsam_node.py and the node in a closed loop over DDS, each a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import OUTPUTS, TYPES, WAIT_S, Localizer
from nav_msgs.msg import Odometry
from optional import lacking
from rclpy.serialization import deserialize_message
from simulated import Scene

from benchmarks.loop.flight import Ground, LongFlight, second_of, stamp_of
from benchmarks.loop.sensors import Reckoned, Sensors, Wrong
from promptmid_core.bags import telemetry
from promptmid_core.bags.messages import pose_from, stamp_ns
from promptmid_core.geometry import Pose
from promptmid_core.simulation.flight.options import FlightOptions

LACKING = lacking("gtsam")
pytestmark = [pytest.mark.slow, pytest.mark.waits,
              pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}; no filter of GTSAM")]
ROOT = Path(__file__).resolve().parent.parent
FRAMES, OUTAGE_FROM, OUTAGE_S, STEP_S, AHEAD_S = 70, 40, 15.0, 0.1, 0.2
START_M, START_DEG = 60.0, 2.0


class InTheLoop:
    """The filter as a process beside a localizer, given dead reckoning; `heard`: its odometry by its stamp."""

    def __init__(self, localizer: Localizer, sensors: Sensors, folder: Path, **parameters: float) -> None:
        self._localizer, self._sensors, self._read, self._yaw = localizer, sensors, 0, 0.0
        self.heard: dict[int, Odometry] = {}
        self._came = threading.Condition()
        namespace = localizer.name.rpartition("/")[0]
        self._reckoning = localizer.node.create_publisher(Odometry, f"{namespace}/dead_reckoning", 500)
        localizer.node.create_subscription(Odometry, f"{namespace}/odometry", self._on_odometry, 500)
        self._log = folder / "filter.log"
        settings = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "examples/filter_gtsam_node.py"), "--ros-args", "-r", f"__ns:={namespace}", *settings],
            env=localizer.environment, stdout=self._log.open("w"), stderr=subprocess.STDOUT)

    def __enter__(self) -> InTheLoop:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(WAIT_S)

    def _on_odometry(self, message: Odometry) -> None:
        with self._came:
            self.heard[stamp_ns(message.header)] = message
            self._came.notify_all()

    def begin(self, place: np.ndarray, yaw: float) -> None:
        """Give the start until the filter answers dead reckoning."""
        given = Pose.from_rpy(np.append(place, 0.0), 0.0, 0.0, yaw)
        covariance = np.diag([START_M ** 2, START_M ** 2, 0.0, 0.0, 0.0, np.radians(START_DEG) ** 2])
        message = rclpy_message(telemetry.pose_with_covariance(stamp_of(0.0), given, covariance), OUTPUTS["pose"])
        for _ in range(300):
            self._localizer.publish("initialpose", message)
            self._tell()
            with self._came:
                if self._came.wait_for(lambda: bool(self.heard), 0.2):
                    return
        raise AssertionError(self._log.read_text())

    def move(self, until: float) -> None:
        """Let time pass, and wait until the filter has followed."""
        while self._read < self._sensors.count and self._read * STEP_S <= until:
            self._tell()
        newest = stamp_of((self._read - 1) * STEP_S)
        with self._came:
            assert self._came.wait_for(lambda: newest in self.heard, WAIT_S), self._log.read_text()

    def _tell(self) -> None:
        told: Reckoned = self._sensors.read(self._read)
        self._yaw += STEP_S * float(told.rate[2])
        pose = Pose.from_rpy(np.array([0.0, 0.0, told.height]), told.roll, told.pitch, self._yaw)
        message = telemetry.odometry(stamp_of(told.second), pose, np.eye(6), told.velocity, told.rate, np.eye(6))
        self._reckoning.publish(rclpy_message(message, Odometry))
        self._read += 1


def rclpy_message(message: Any, kind: Any) -> Any:
    """A message of the simulation as one of rclpy."""
    return deserialize_message(bytes(telemetry.typestore().serialize_cdr(message, message.__msgtype__)), kind)


@pytest.fixture(scope="module")
def flown(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A flight with an outage of images, a start that is off, odometry that drifts and a camera that looks 0.5 degrees aside:
    the filter's odometry, the sensors, and the node's reasons by the second of the image."""
    folder = tmp_path_factory.mktemp("loop")
    reference = scene.reference()
    options = FlightOptions.of(frames=FRAMES, seed=4, footprint_px=400, image_size=(480, 360), speed_mps=60.0,
                               boresight_error_deg=(0.35, -0.35, 0.0), outage=((OUTAGE_FROM, OUTAGE_S),), outage_of="images")
    flight = LongFlight.over(Ground(scene.optical, scene.dem, reference.frame, reference.gsd), options)
    sensors = Sensors(flight.trajectory, Wrong(attitude_bias_deg=0.05), flight.seconds, STEP_S, 4)
    reasons: list[tuple[float, str]] = []
    with (Localizer(folder, map=scene.map_path, prior_wait_ms=2000) as localizer,
          InTheLoop(localizer, sensors, folder, place_lasts_m=170 * reference.gsd) as loop):
        localizer.up()
        true = sensors.truth(0.0)
        loop.begin(true.position[:2] + START_M * np.array([1.0, -1.0]), true.yaw + np.radians(START_DEG))
        for info, image in flight.shots():
            stamp = stamp_ns(image.header)
            loop.move(second_of(stamp) + AHEAD_S)
            localizer.publish("camera_info", rclpy_message(info, TYPES["camera_info"]))
            localizer.publish("image/compressed", rclpy_message(image, TYPES["image/compressed"]))
            reasons.append((second_of(stamp), localizer.verdict(stamp)["reason"]))
        yield loop.heard, sensors, reasons, reference.gsd


def errors(heard: dict[int, Odometry], sensors: Sensors) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds (N,), errors (N, 2) and the stated sigma (N,) along the longer axis, of all that the filter told."""
    told = [heard[stamp] for stamp in sorted(heard)]
    at = np.array([second_of(stamp_ns(message.header)) for message in told])
    off = np.array([(pose_from(message.pose.pose).position - sensors.truth(second).position)[:2]
                    for second, message in zip(at, told, strict=True)])
    covariances = np.array([message.pose.covariance for message in told]).reshape(-1, 6, 6)[:, :2, :2]
    return at, off, np.sqrt(np.linalg.eigvalsh(covariances)[:, 1])


def test_the_loop_is_closed_and_honest(flown: Any) -> None:
    heard, sensors, reasons, gsd = flown
    at, off, stated = errors(heard, sensors)
    assert len(at) > 10 * (FRAMES - 2), "odometry at the rate of dead reckoning"
    assert [reason for _, reason in reasons].count("fix") >= len(reasons) - 3
    assert (np.hypot(*off.T) <= 3 * stated).all()
    settled = (at > 20) & ((at < OUTAGE_FROM) | (at > OUTAGE_FROM + OUTAGE_S + 5))
    assert float(np.percentile(np.hypot(*off[settled].T), 95)) / gsd < 3


def test_no_jump_is_larger_than_what_was_stated(flown: Any) -> None:
    heard, sensors, _, _ = flown
    _, off, stated = errors(heard, sensors)
    assert (np.hypot(*np.diff(off, axis=0).T) <= 3 * stated[:-1]).all()


def test_it_is_back_within_ten_images_of_an_outage(flown: Any) -> None:
    heard, sensors, reasons, gsd = flown
    at, off, stated = errors(heard, sensors)
    begin = [second for second, _ in reasons if second < OUTAGE_FROM + 5][-1]
    after = [(second, reason) for second, reason in reasons if second > begin + 5]
    during = (at > begin + 5) & (at < after[0][0])
    assert stated[during][-1] > stated[during][0], "what is not measured becomes less sure"
    assert "fix" in [reason for _, reason in after[:10]]
    assert float(np.hypot(*off[at <= after[9][0]][-1])) / gsd < 3
