"""Records what the localizer publishes as a rosbag2 folder in mcap storage."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from promptmid_core.bags.writer import BagWriter
from promptmid_core.errors import InputError
from promptmid_core.outputs.topics import DIAGNOSTICS, HEALTH_TOPIC, TOPICS
from promptmid_ros.conversions import kind_of

DEEP = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)


class Recorder:
    """Writes the outputs of the node `localizer` to the folder `path`, each message as it arrived and at the time it arrived.

    A context manager: the folder is complete when the block ends, which raises InputError where it could not be written. The
    executor that spins `node` does the writing. `on_message` is told (topic, serialized message, wall time in ns) of each.
    """

    def __init__(self, node: Node, path: Path, localizer: str = "/localizer",
                 on_message: Callable[[str, bytes, int], None] | None = None) -> None:
        self._node, self._localizer, self._on_message = node, localizer, on_message
        self._bag = BagWriter(path)
        self._lock = threading.Lock()
        self._failure: InputError | None = None
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Recorder:
        self._bag.__enter__()
        kinds = {f"{self._localizer}/{name}": topic.kind for name, topic in TOPICS.items()} | {HEALTH_TOPIC: DIAGNOSTICS}
        self._subscriptions = [
            self._node.create_subscription(kind_of(kind), topic, self._writer(topic, kind), DEEP, raw=True)
            for topic, kind in kinds.items()
        ]
        return self

    def _writer(self, topic: str, kind: str) -> Callable[[bytes], None]:
        def write(data: bytes) -> None:
            now = time.time_ns()
            with self._lock:
                if self._subscriptions and self._failure is None:
                    try:
                        self._bag.write_serialized(topic, kind, data, now)
                    except InputError as failure:
                        # the executor's thread has nobody to tell
                        self._failure = failure
                    self.counts[topic] += 1
            if self._on_message:
                self._on_message(topic, data, now)
        return write

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            self._node.destroy_subscription(subscription)
        if self._failure is not None and kind is None:
            self._bag.__exit__(InputError, self._failure, None)
            raise self._failure
        self._bag.__exit__(kind, error, trace)
