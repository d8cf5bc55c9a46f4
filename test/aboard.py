"""An active node in the process of a test, which spins it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

import rclpy
from harness import Flight, stamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from simulated import Scene
from std_srvs.srv import Trigger

from promptmid_core.bags.messages import stamp_ns
from promptmid_ros.localizer_node import LocalizerNode

SUCCESS, WAIT_S = TransitionCallbackReturn.SUCCESS, 60.0


class Aboard:
    """The node, spun by the test alone; what it hears is put down as its subscriptions do."""

    def __init__(self, scene: Scene, folder: Path, **parameters: Any) -> None:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"], os.environ["ROS_LOG_DIR"] = "LOCALHOST", str(folder)
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=1 + os.getpid() % 100, signal_handler_options=SignalHandlerOptions.NO)
        # on a machine as slow as may be nothing is given up
        parameters = {"map": str(scene.map_path), "snapshot_dir": str(folder), "verdict_timeout_s": 300.0,
                      "service_timeout_s": 300.0} | parameters
        given = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = LocalizerNode(context=self.context, namespace=f"aboard_{os.getpid()}", parameter_overrides=given)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.flight = Flight(scene.bag)
        assert self.node.trigger_configure() == SUCCESS

    def until(self, true: Callable[[], Any]) -> None:
        for _ in range(int(WAIT_S / 0.01)):
            if true():
                return
            self._executor.spin_once(0.01)
        raise AssertionError("it never is so")

    def ask(self, name: str) -> Any:
        """A service, begun: its task, which is done once it has an answer."""
        serve = next(each.callback for each in self.node.services if each.srv_name.endswith(f"/{name}"))
        return self._executor.create_task(serve, Trigger.Request(), Trigger.Response())

    def answer(self, task: Any) -> Any:
        self.until(task.done)
        return task.result()

    def tell(self, stamp: int, odometry: list[Any] | None = None) -> None:
        """What an image of this stamp needs."""
        for message in self.flight.odometry if odometry is None else odometry:
            shift = stamp - stamp_ns(self.flight.image.header)
            self.node._inputs._on_prior("odometry", stamped(message, stamp_ns(message.header) + shift))
        self.node._setup.cameras.add(stamped(self.flight.info, stamp))

    def put(self, stamp: int) -> None:
        self.node._inputs._on_image(stamped(self.flight.image, stamp))

    def judged(self) -> Any:
        """The outcome of what has been put down, once that is there."""
        activation = self.node._activation
        self.until(lambda: activation.verdicts.processed == activation.inbox.received)
        return activation.last

    def show(self, stamp: int | None = None, odometry: list[Any] | None = None) -> tuple[str, str]:
        """Reason and state of the next image."""
        stamp = self.flight.next() if stamp is None else stamp
        self.tell(stamp, odometry)
        self.put(stamp)
        fix = self.judged().fix
        return str(fix.reason), str(fix.state)

    def end(self) -> None:
        self.node.stop(WAIT_S)
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
