"""The node `localizer`: camera images and odometry in, fixes against the reference map out."""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future as Pending
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import rclpy.logging
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry as OdometryMessage
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Trigger

from promptmid_core.bags.messages import stamp_ns
from promptmid_core.errors import InputError, Refusal
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.fix import State
from promptmid_core.localization.localizer import Localizer
from promptmid_ros import conversions, program
from promptmid_ros.diagnostics import HEALTH, INTERNAL_ERROR, Value
from promptmid_ros.health import Rate, StampGaps, Verdicts, latency_ms, memory_mb
from promptmid_ros.inbox import Arrival, CameraInfos, Inbox
from promptmid_ros.odometry import Odometry
from promptmid_ros.opening import backend_values, open_localizer
from promptmid_ros.outputs import RELIABLE, Outputs
from promptmid_ros.parameters import Parameters, Settings
from promptmid_ros.snapshot import save_snapshot
from promptmid_ros.worker import Outcome, Worker

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
# best effort connects to reliable publishers too; a second of odometry at 200 Hz
ODOMETRY_QOS = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
WARN_EVERY_S = 5.0


@dataclass
class Setup:
    """What configuring makes. `localizer` is replaced when the map is reloaded."""

    settings: Settings
    localizer: Localizer
    outputs: Outputs
    subscriptions: list[Any]


class Activation:
    """What lives from activation to deactivation."""

    def __init__(self, setup: Setup, publish: Callable[[Outcome], None], fail: Callable[[Arrival, str], None]) -> None:
        settings = setup.settings
        setup.localizer.reset()
        self.inbox, self.infos = Inbox(), CameraInfos(settings.mount)
        self.odometry = Odometry(settings.base_frame, settings.options.drift_share / 3)
        self.worker = Worker(self.inbox, self.infos, self.odometry, setup.localizer, settings.prior_wait_s, publish, fail)
        self.images, self.odometry_rate, self.gaps, self.verdicts = Rate(), Rate(), StampGaps(), Verdicts()
        self.last: Outcome | None = None


def told(transition: Callable[..., TransitionCallbackReturn]) -> Callable[..., TransitionCallbackReturn]:
    """rclpy keeps the exceptions of transitions to itself: here they are logged on their way."""

    @wraps(transition)
    def wrapped(self: LifecycleNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(self, state)
        except Exception:
            self.get_logger().error(f"{transition.__name__} failed: {traceback.format_exc()}")
            raise

    return wrapped


class LocalizerNode(LifecycleNode):
    """Configured it has a map, active it matches. Callbacks put down what they get; one worker thread does the work."""

    def __init__(self, **options: Any) -> None:
        # first: the base class makes the services that lead to the transitions
        self._setup: Setup | None = None
        self._activation: Activation | None = None
        self._lifecycle = "unconfigured"
        self._background = ThreadPoolExecutor(1, thread_name_prefix="background")
        super().__init__("localizer", **options)
        self._settings = Parameters(self)
        self._health = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        self.create_timer(1.0, self._publish_health, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.create_service(Trigger, "~/relocalize", self._relocalize)
        self.create_service(Trigger, "~/reload_map", self._reload_map)
        self.create_service(Trigger, "~/save_snapshot", self._save_snapshot)

    @told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            settings = self._settings.read()
            localizer = open_localizer(settings, self._building)
            reference = localizer.reference
            geodetic = Geodetic(reference.frame, reference.vertical_datum)
            outputs = Outputs(self, geodetic, settings.base_frame, settings.publish_tf)
        except InputError as error:
            self.get_logger().error(f"configure failed: {error}")
            return FAILURE
        self._setup = Setup(settings, localizer, outputs, self._subscribe(settings))
        gc.collect()
        gc.freeze()  # what lives as long as the map is not searched in flight, which would stop all threads for tens of ms
        self._lifecycle = "inactive"
        size = f"{reference.grid.width}x{reference.grid.height} px of {reference.gsd:.3f} m"
        self.get_logger().info(f"map {reference.path}: {size}, {reference.frame.crs}, descriptor {reference.descriptor_name}")
        self.get_logger().info("the network runs on {backend}: {backend_why}".format_map(backend_values(localizer)))
        return super().on_configure(state)

    @told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        assert self._setup is not None
        self._activation = Activation(self._setup, self._publish, self._fail)
        self._lifecycle = "active"
        done = super().on_activate(state)
        self._activation.worker.start()
        self.get_logger().info("the localizer is active")
        return done

    @told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._deactivate()
        return super().on_deactivate(state)

    @told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._clean_up()
        return SUCCESS

    @told
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._deactivate()
        self._clean_up()
        self._lifecycle = "finalized"
        return SUCCESS

    @told
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._deactivate()
        self._clean_up()
        return SUCCESS

    def start(self) -> bool:
        """With `autostart`, once, configure and activate; whether the node may go on. What failed has been logged."""
        return not self._settings.autostart or (self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS)

    def stop(self, seconds: float) -> bool:
        """Before the process ends: publish nothing more; whether no thread is at work after at most `seconds`."""
        gc.unfreeze()  # or what holds shared memory would never be freed, and the memory outlive the process
        self._background.shutdown(wait=False, cancel_futures=True)
        return self._activation is None or self._activation.worker.stop(seconds)

    def _subscribe(self, settings: Settings) -> list[Any]:
        subscribe = self.create_subscription
        image = (CompressedImage, "image/compressed") if settings.compressed else (Image, "image")
        return [
            subscribe(*image, self._on_image, qos_profile_sensor_data),
            subscribe(CameraInfo, "camera_info", self._on_camera_info, qos_profile_sensor_data),
            subscribe(OdometryMessage, "odometry", self._on_odometry, ODOMETRY_QOS),
            subscribe(PoseWithCovarianceStamped, "initialpose", self._on_initialpose, RELIABLE),
        ]

    def _deactivate(self) -> None:
        if self._activation is not None:
            self._activation.worker.stop()
            self._activation = None
        self._lifecycle = "inactive"

    def _clean_up(self) -> None:
        if self._setup is not None:
            for subscription in self._setup.subscriptions:
                self.destroy_subscription(subscription)
            self._setup.outputs.destroy()
            self._setup = None
            gc.unfreeze()
        self._lifecycle = "unconfigured"

    def _on_image(self, message: Any) -> None:
        if self._activation is not None:
            self._activation.images.count()
            self._activation.gaps.add(stamp_ns(message.header))
            self._activation.inbox.put(message)

    def _on_camera_info(self, message: CameraInfo) -> None:
        if self._activation is not None:
            self._activation.infos.add(message)

    def _on_odometry(self, message: OdometryMessage) -> None:
        if self._activation is None or self._setup is None:
            return
        odometry = self._activation.odometry
        self._activation.odometry_rate.count()
        odometry.add(message)
        if odometry.refusal is not None:
            self.get_logger().warning(str(odometry.refusal), throttle_duration_sec=WARN_EVERY_S)
        map_from_odom = odometry.map_from_odom
        if map_from_odom is not None:
            self._setup.outputs.publish_transform(stamp_ns(message.header), map_from_odom)

    def _on_initialpose(self, message: PoseWithCovarianceStamped) -> None:
        if self._activation is None:
            return
        try:
            self._activation.odometry.give(message)
        except Refusal as refusal:
            self.get_logger().error(str(refusal))
            return
        self._activation.worker.relocalize()
        self.get_logger().info("initialpose taken: the track starts anew from there")

    def _publish(self, outcome: Outcome) -> None:
        """In the worker's thread."""
        activation, setup, fix = self._activation, self._setup, outcome.fix
        if activation is None or setup is None:
            return
        latency = latency_ms(self.get_clock().now().nanoseconds, fix.stamp_ns)
        setup.outputs.publish(fix, outcome, latency)
        activation.last = outcome
        activation.verdicts.add(str(fix.reason), fix.accepted, outcome.processing_ms, latency)

    def _fail(self, arrival: Arrival, trace: str) -> None:
        """In the worker's thread."""
        self.get_logger().error(f"an image could not be processed: {trace}", throttle_duration_sec=WARN_EVERY_S)
        if self._activation is not None and self._setup is not None:
            self._setup.outputs.publish_failure(stamp_ns(arrival.message.header), trace.strip().splitlines()[-1], arrival.dropped)
            self._activation.verdicts.add(INTERNAL_ERROR, False, (time.monotonic() - arrival.came) * 1e3, None)

    def _relocalize(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._activation is None:
            return _answer(response, False, "the node is not active, so there is no track to start anew")
        self._activation.worker.relocalize()
        return _answer(response, True, "the track starts anew with the next image")

    async def _reload_map(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        setup = self._setup
        if setup is None:
            return _answer(response, False, "the node is not configured, so it has no map to open again; configure it")
        try:
            localizer = await self._aside(lambda: open_localizer(setup.settings))
            old, new = setup.localizer.reference.frame, localizer.reference.frame
            if new != old:
                raise InputError(f"{setup.settings.map} now has the frame {new.crs} with origin {new.origin}, not {old.crs} with "
                                 f"{old.origin} as the odometry counts on; clean up and configure the node for it")
        except InputError as error:
            self.get_logger().error(f"reload_map failed, the old map stays: {error}")
            return _answer(response, False, f"the old map stays: {error}")
        if setup is not self._setup:
            return _answer(response, False, "the node was cleaned up meanwhile")
        setup.localizer = localizer
        if self._activation is not None:
            self._activation.worker.use(localizer)
        return _answer(response, True, f"{setup.settings.map} is used from the next image on; the track starts anew")

    async def _save_snapshot(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        setup, last = self._setup, self._activation.last if self._activation else None
        if setup is None or last is None:
            return _answer(response, False, "no image has been processed yet")
        folder = setup.settings.snapshots or Path(rclpy.logging.get_logging_directory()) / "promptmid_snapshots"
        try:
            saved = await self._aside(lambda: save_snapshot(folder, last, setup.localizer.reference))
        except InputError as error:
            return _answer(response, False, str(error))
        return _answer(response, True, str(saved))

    async def _aside(self, work: Callable[[], Any]) -> Any:
        """The result of work that takes a while, done in another thread so that callbacks go on."""
        done = Future(executor=self.executor)
        pending = self._background.submit(work)

        def finish(pending: Pending[Any]) -> None:
            error = pending.exception()
            if error is None:
                done.set_result(pending.result())
            else:
                done.set_exception(error)
            if self.executor is not None:
                self.executor.wake()

        pending.add_done_callback(finish)
        return await done

    def _publish_health(self, more: dict[str, Value] | None = None) -> None:
        values = self._health_values() | (more or {})
        name = self.get_fully_qualified_name().lstrip("/")
        self._health.publish(conversions.diagnostics(
            self.get_clock().now().nanoseconds, f"{name}: health", "", str(values.get("state", self._lifecycle)), HEALTH, values))

    def _building(self, done: int, total: int) -> None:
        """An engine is being built while the node is configured; timers wait meanwhile."""
        self._publish_health({"engine_built_percent": 100 * done // max(total, 1)})

    def _health_values(self) -> dict[str, Value]:
        values: dict[str, Value] = {"lifecycle": self._lifecycle, "memory_mb": memory_mb()}
        setup, activation = self._setup, self._activation
        if setup is not None:
            reference = setup.localizer.reference
            east, north = reference.frame.origin
            values |= {
                "map": str(reference.path), "map_frame": f"{reference.frame.crs} {east:.0f} {north:.0f}", "gsd_m": reference.gsd,
                "descriptor": reference.descriptor_name, "fingerprint": reference.fingerprint,
                **backend_values(setup.localizer),
            }
        if activation is not None:
            inbox, odometry, last = activation.inbox, activation.odometry, activation.last
            frame = odometry.frame or None
            if frame == "odom":
                frame += " (placed in map)" if odometry.map_from_odom is not None else " (not placed in map)"
            values |= {
                "state": str(last.fix.state if last else State.SEARCHING),
                "image_rate_hz": activation.images.hz(), "camera_rate_hz": activation.gaps.camera_hz(),
                "images_lost_percent": activation.gaps.lost_percent(), "images_received": inbox.received,
                "images_processed": activation.verdicts.processed, "images_dropped": inbox.dropped,
                **activation.verdicts.values(), "camera_info": "received" if activation.infos.received else "missing",
                "odometry_rate_hz": activation.odometry_rate.hz(), "odometry_age_s": activation.odometry_rate.age_s(),
                "odometry_frame": frame, "odometry_problem": str(odometry.refusal or ""),
            }
        return values


def _answer(response: Trigger.Response, success: bool, message: str) -> Trigger.Response:
    response.success, response.message = success, message
    return response


def main(args: list[str] | None = None) -> int:
    """As the program `localizer`."""
    return program.run(LocalizerNode, args)


if __name__ == "__main__":
    sys.exit(main())
