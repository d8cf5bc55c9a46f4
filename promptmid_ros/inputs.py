"""What the node hears: images, cameras, priors, ranges and transforms, put down where the worker takes them up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Range

from promptmid_core.bags.messages import stamp_ns
from promptmid_core.errors import InputError, Refusal
from promptmid_core.localization.priorform import OFF
from promptmid_core.localization.rig import BY_TRANSFORMS
from promptmid_core.localization.sources import TOPICS, stamp_of
from promptmid_ros.activation import Activation, Setup
from promptmid_ros.guard import Guard
from promptmid_ros.qualities import LATCHED, ODOMETRY_QOS, RELIABLE, subscribed

WARN_EVERY_S = 5.0


class Inputs:
    """The subscriptions of a node, whose setup and activation the two functions give."""

    def __init__(self, node: Node, setup: Callable[[], Setup | None], activation: Callable[[], Activation | None],
                 guard: Guard) -> None:
        self._node, self._setup, self._activation, self._guard = node, setup, activation, guard

    def subscribe(self, setup: Setup) -> None:
        """Subscribe to what the settings of a setup call for. Raises InputError where the type of a message is not installed."""
        subscribe = partial(subscribed, self._node)
        image = (CompressedImage, "image/compressed") if setup.settings.compressed else (Image, "image")
        setup.subscriptions += [
            subscribe(*image, self._guard(self._on_image), qos_profile_sensor_data),
            subscribe(CameraInfo, "camera_info", self._guard(setup.cameras.add), qos_profile_sensor_data),
            subscribe(PoseWithCovarianceStamped, "initialpose", self._guard(self._on_initialpose), RELIABLE),
        ]
        for topic, kind in TOPICS[setup.settings.rig.prior.source].items():
            heard = message_type(kind)
            if heard is None:
                raise InputError(f"parameter prior_source is '{setup.settings.rig.prior.source}', but {kind.partition('/')[0]} "
                                 "is not installed; install it or set another source")
            setup.subscriptions.append(subscribe(heard, topic, self._guard(partial(self._on_prior, topic)), ODOMETRY_QOS))
        if setup.settings.rig.prior.height_along != OFF:
            setup.subscriptions.append(subscribe(Range, "height", self._guard(self._on_height), ODOMETRY_QOS))
        transforms = message_type("tf2_msgs/msg/TFMessage")
        if transforms is not None:
            setup.subscriptions.append(subscribe(transforms, "/tf_static", self._guard(self._on_transforms), LATCHED))
            setup.hears_transforms = True
        elif setup.settings.rig.mounted_by == BY_TRANSFORMS:
            raise InputError("parameter extrinsics is 'tf', but tf2_msgs is not installed; install it or set extrinsics to "
                             "'parameters'")

    def listen_to_latched(self) -> None:
        """Hear a camera that publishes its camera_info once, before anybody listens, as soon as there is one.

        A subscription that asks for old messages is refused by all publishers that keep none, with a warning on both sides: so it
        is made for one that does.
        """
        setup = self._setup()
        if setup is None or setup.hears_latched:
            return
        topic = self._node.resolve_topic_name("camera_info")
        offered = [info.qos_profile.durability for info in self._node.get_publishers_info_by_topic(topic)]
        if offered and all(durability is DurabilityPolicy.TRANSIENT_LOCAL for durability in offered):
            add = self._guard(setup.cameras.add)
            setup.subscriptions.append(self._node.create_subscription(CameraInfo, "camera_info", add, LATCHED))
            setup.hears_latched = True

    def _on_image(self, message: Any) -> None:
        activation = self._activation()
        if activation is not None:
            activation.images.count()
            activation.gaps.add(stamp_ns(message.header))
            activation.inbox.put(message)

    def _on_transforms(self, message: Any) -> None:
        setup = self._setup()
        if setup is not None:
            try:
                setup.mounts.add(message)
            except Refusal as refusal:
                self._node.get_logger().error(str(refusal))

    def _on_prior(self, topic: str, message: Any) -> None:
        setup, activation = self._setup(), self._activation()
        if setup is None or activation is None:
            return
        odometry = activation.intake.odometry
        activation.odometry_rate.count()
        activation.intake.source.add(topic, message)
        if odometry.refusal is not None:
            self._node.get_logger().warning(str(odometry.refusal), throttle_duration_sec=WARN_EVERY_S)
        elif odometry.unstated:
            self._node.get_logger().warning(
                f"odometry states no covariance of {', '.join(odometry.unstated)}: the parameters default_sigma_* are taken",
                once=True)
        map_from_odom = odometry.map_from_odom
        if map_from_odom is not None:
            setup.outputs.publish_transform(stamp_of(message), map_from_odom)

    def _on_height(self, message: Range) -> None:
        activation = self._activation()
        if activation is not None:
            height = activation.intake.height
            height.add(message)
            if height.fault:
                self._node.get_logger().warning(f"height is not taken: {height.fault}", throttle_duration_sec=WARN_EVERY_S)

    def _on_initialpose(self, message: PoseWithCovarianceStamped) -> None:
        activation = self._activation()
        if activation is None:
            return
        try:
            activation.intake.odometry.give(message)
        except Refusal as refusal:
            self._node.get_logger().error(str(refusal))
            return
        activation.worker.forget()
        self._node.get_logger().info("initialpose taken: the track starts anew from there")


def message_type(kind: str) -> Any | None:
    """Return the type of messages such as `tf2_msgs/msg/TFMessage`, None where its package is not installed."""
    package, _, name = kind.partition("/msg/")
    try:
        return getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        return None
