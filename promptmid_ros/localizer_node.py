"""The node `localizer`: camera images and odometry in, fixes against the reference map out."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from promptmid_core.bags.messages import stamp_ns
from promptmid_core.descriptors.calibration import uncalibrated
from promptmid_core.errors import InputError
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.attitude import metres_per_tenth
from promptmid_core.localization.cameras import CameraInfos
from promptmid_core.localization.lateness import in_time
from promptmid_core.localization.mounts import Mounts
from promptmid_core.localization.settings import Settings
from promptmid_core.outputs import contents
from promptmid_core.outputs.health_keys import HEALTH, Health
from promptmid_core.outputs.keys import values_of
from promptmid_core.outputs.match_keys import INTERNAL_ERROR, Judged
from promptmid_core.outputs.rates import latency_ms
from promptmid_core.refmap.age import UNKNOWN_AGE, aged
from promptmid_ros.activation import Activation, Setup, open_localizer
from promptmid_ros.common import Common
from promptmid_ros.conversions import message
from promptmid_ros.guard import Guard
from promptmid_ros.inbox import Arrival
from promptmid_ros.inputs import Inputs
from promptmid_ros.outputs import Outputs
from promptmid_ros.parameters import Parameters
from promptmid_ros.qualities import RELIABLE, check_overrides, tell_unused
from promptmid_ros.services import Services
from promptmid_ros.worker import Outcome

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
WARN_EVERY_S, LATCHED_EVERY_S = 5.0, 0.25
# a match in hand is given so long when the node is deactivated
PATIENCE_S = 2.0


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

    def __init__(self, common: Common | None = None, **options: Any) -> None:
        self._common = common or Common()
        # first: the base class makes the services that lead to the transitions
        self._setup: Setup | None = None
        self._activation: Activation | None = None
        self._lifecycle = "unconfigured"
        super().__init__("localizer", **options)
        self._guard = Guard(self.get_logger().error)
        self._inputs = Inputs(self, lambda: self._setup, lambda: self._activation, self._guard)
        self._parameters_of_node = Parameters(self, lambda: self._setup.settings if self._setup else None, self._take)
        self._health = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        for period, look in ((1.0, self._watch), (1.0, self._publish_health), (LATCHED_EVERY_S, self._inputs.listen_to_latched)):
            self.create_timer(period, self._guard(look), clock=steady)
        self._guard.over(self.services)
        Services(self, lambda: self._setup, lambda: self._activation, self._guard)

    @told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            settings = self._parameters_of_node.read()
            check_overrides(self)
            localizer = open_localizer(settings, self._building, common=self._common)
            reference = localizer.reference
            geodetic = Geodetic(reference.frame, reference.vertical_datum)
            outputs = Outputs(self, geodetic, settings.rig.base_frame, settings.publish_tf, settings.match_image_hz)
            self._setup = Setup(settings, localizer, outputs, CameraInfos(), Mounts(settings.rig), geodetic)
            self._inputs.subscribe(self._setup)
            tell_unused(self)
        except InputError as error:
            self.get_logger().error(f"configure failed: {error}")
            self._clean_up()
            return FAILURE
        gc.collect()
        gc.freeze()  # what lives as long as the map is not searched in flight, which would stop all threads for tens of ms
        self._lifecycle = "inactive"
        size = f"{reference.grid.width}x{reference.grid.height} px of {reference.gsd:.3f} m"
        self.get_logger().info(f"map {reference.path}: {size}, {reference.frame.crs}, descriptor {reference.descriptor_name}")
        self.get_logger().info(f"0.1 degrees of attitude move a position by {metres_per_tenth(1000.0):.2f} m for each 1000 m "
                               "above the ground; in flight attitude_m_per_tenth_deg of /diagnostics tells")
        runs_on, why = self._setup.backend
        self.get_logger().info(f"the network runs on {runs_on}: {why}")
        if localizer.descriptor.calibration is None:
            self.get_logger().warning(uncalibrated(localizer.descriptor.calibration_file))
        age, cautions = aged(reference, datetime.now(UTC).date(), settings.options.errors.registration_sigma_px)
        self.get_logger().info(f"the map was taken on {age.taken}" if age else UNKNOWN_AGE)
        for caution in cautions:
            self.get_logger().warning(caution)
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
        self.on_error(state)
        self._lifecycle = "finalized"
        return SUCCESS

    @told
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._deactivate()
        self._clean_up()
        return SUCCESS

    def set_parameters_atomically(self, parameter_list: list[Parameter[Any]]) -> SetParametersResult:
        """In flight what rclpy refuses in its own words, another type or a number out of range, is refused in ours."""
        sentence = "" if self._setup is None else self._parameters_of_node.refusal(parameter_list)
        if sentence:
            return SetParametersResult(successful=False, reason=sentence)
        return super().set_parameters_atomically(parameter_list)

    def start(self) -> bool:
        """Configure and activate with `autostart`, and return whether the node may go on. What failed has been logged."""
        if not self._parameters_of_node.autostart:
            self.get_logger().info(f"waiting to be configured: ros2 lifecycle set {self.get_fully_qualified_name()} configure")
            return True
        return bool(self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS)

    def stop(self, seconds: float) -> bool:
        """Before the process ends: publish nothing more; whether no thread is at work after at most `seconds`."""
        gc.unfreeze()  # or what holds shared memory would never be freed, and the memory outlive the process
        return self._activation is None or self._activation.worker.stop(seconds)

    def _take(self, settings: Settings) -> None:
        """Go by settings that differ in parameters that may change in flight."""
        assert self._setup is not None
        self._setup.take(settings)
        if self._activation is not None:
            self._activation.take(settings)

    def _deactivate(self) -> None:
        activation, self._activation = self._activation, None
        if activation is not None and not activation.worker.stop(PATIENCE_S):
            self.get_logger().error(f"the worker is left alone with its image: {activation.worker.place()}")
        self._lifecycle = "inactive"

    def _clean_up(self) -> None:
        if self._setup is not None:
            for subscription in self._setup.subscriptions:
                self.destroy_subscription(subscription)
            self._setup.outputs.destroy()
            self._setup = None
            gc.unfreeze()
        self._lifecycle = "unconfigured"

    def _publish(self, outcome: Outcome) -> None:
        """In the worker's thread."""
        activation, setup = self._activation, self._setup
        if activation is None or setup is None:
            return
        latency = latency_ms(self.get_clock().now().nanoseconds, outcome.fix.stamp_ns)
        fix = in_time(outcome.fix, latency, setup.settings.most_fix_age_ms)
        activation.last = replace(outcome, fix=fix)
        judged = Judged(fix.stamp_ns, fix, outcome.processing_ms, latency, outcome.arrival.dropped, camera=outcome.camera)
        activation.told = setup.outputs.publish(judged, outcome.reference)
        activation.verdicts.add(str(fix.reason), fix.accepted, outcome.processing_ms, latency)

    def _fail(self, arrival: Arrival, trace: str) -> None:
        """In the worker's thread."""
        self.get_logger().error(f"an image could not be processed: {trace}", throttle_duration_sec=WARN_EVERY_S)
        if self._activation is not None and self._setup is not None:
            self._setup.outputs.publish(Judged(stamp_ns(arrival.message.header), None, dropped=arrival.dropped,
                                               failure=trace.strip().splitlines()[-1]), self._setup.localizer.reference)
            self._activation.verdicts.add(INTERNAL_ERROR, False, (time.monotonic() - arrival.came) * 1e3, None)

    def _watch(self) -> None:
        problem = self._activation.watch() if self._activation is not None else ""
        if problem:
            self.get_logger().error(f"another worker takes over: {problem}")

    def _publish_health(self, engine_built_percent: int | None = None) -> None:
        values = values_of(HEALTH, Health(
            self._lifecycle, self._setup.health if self._setup else None,
            self._activation.health if self._activation else None,
            self._guard.faults, self._guard.last, engine_built_percent))
        name = self.get_fully_qualified_name().lstrip("/")
        summary = str(values.get("state", self._lifecycle))
        self._health.publish(message(DiagnosticArray, contents.diagnostics(
            self.get_clock().now().nanoseconds, f"{name}: health", "", summary, HEALTH, values)))

    def _building(self, done: int, total: int) -> None:
        """An engine is being built while the node is configured; timers wait meanwhile."""
        self._publish_health(100 * done // max(total, 1))
