"""What the node publishes for an image."""

from __future__ import annotations

import traceback
from dataclasses import replace
from importlib import import_module
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile

from promptmid_core.errors import InputError
from promptmid_core.geometry import Pose
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.odometry import MAP, ODOM
from promptmid_core.outputs import contents
from promptmid_core.outputs.live import Live
from promptmid_core.outputs.match_keys import Judged
from promptmid_core.outputs.publication import Publication
from promptmid_core.outputs.story import Story
from promptmid_core.outputs.topics import TOPICS, VIEWS, Topic
from promptmid_core.refmap import ReferenceMap
from promptmid_ros.conversions import kind_of, message
from promptmid_ros.qualities import overridable

TF_PERIOD_NS = 50_000_000


class Outputs:
    """The publishers of a configured node. Raises InputError where a transform is asked for and tf2_msgs is not installed."""

    def __init__(self, node: LifecycleNode, geodetic: Geodetic, base_frame: str, publish_tf: bool, match_image_hz: float) -> None:
        self._node, self._publication = node, Publication(geodetic, base_frame, node.get_fully_qualified_name())
        self._live, self._story = Live(match_image_hz), Story()
        tf_message = _tf_message() if publish_tf else None
        make = node.create_lifecycle_publisher
        self._publishers = {name: make(kind_of(topic.kind), f"~/{name}", **overridable(_qos(topic)))
                            for name, topic in (TOPICS | VIEWS).items()}
        self._tf = make(tf_message, "/tf", QoSProfile(depth=100)) if tf_message else None
        self._tf_message = tf_message
        self._tf_ns = 0

    def publish(self, judged: Judged, reference: ReferenceMap) -> Judged:
        """Every image's diagnostics, what else a fix brings, and where somebody listens what is made on demand; last, of the map
        that the image was matched with, the views. The log gets what is new in the flight.

        Returns what was told.
        """
        if judged.fix is not None:
            judged = replace(judged, north=self._publication.north(judged.fix))
        for name, content in self._publication.of(judged, self._heard):
            self._publishers[name].publish(message(kind_of(TOPICS[name].kind), content))
        turn = self._story.of(judged)
        if turn is not None:
            self._node.get_logger().info(turn)
        try:
            for name, content in self._live.of(judged, reference, self._heard):
                self._publishers[name].publish(message(kind_of(VIEWS[name].kind), content))
        except Exception:
            # the verdict is out and stands: what is only looked at takes nothing from it
            self._node.get_logger().error(f"a view could not be made: {traceback.format_exc()}", throttle_duration_sec=5.0)
        return judged

    def use(self, match_image_hz: float) -> None:
        """Draw pictures of matches so often from now on."""
        self._live.match_image_hz = match_image_hz

    def publish_transform(self, stamp_ns: int, map_from_odom: Pose) -> None:
        """At the odometry's stamps, at most twenty times a second."""
        if self._tf is None or self._tf_message is None or 0 <= stamp_ns - self._tf_ns < TF_PERIOD_NS:
            return
        self._tf_ns = stamp_ns
        transform = {"translation": contents.vector(map_from_odom.position), "rotation": contents.quaternion(map_from_odom)}
        self._tf.publish(message(self._tf_message, {"transforms": [
            {"header": contents.header(stamp_ns, MAP), "child_frame_id": ODOM, "transform": transform}]}))

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in (*self._publishers.values(), self._tf):
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)

    def _heard(self, name: str) -> bool:
        return self._publishers[name].get_subscription_count() > 0


def _qos(topic: Topic) -> QoSProfile:
    durability = DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=topic.depth, durability=durability)


def _tf_message() -> Any:
    try:
        return import_module("tf2_msgs.msg").TFMessage
    except ImportError as error:
        raise InputError("parameter publish_tf is true, but tf2_msgs is not installed; "
                         "install it or set publish_tf to false") from error
