"""What an operator may ask of the node: start the track anew, open the map again, keep the last image."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future as Pending
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import rclpy.logging
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from promptmid_core.errors import InputError
from promptmid_ros.activation import Activation, Setup, open_localizer
from promptmid_ros.snapshot import save_snapshot


class Services:
    """The services `~/relocalize`, `~/reload_map` and `~/save_snapshot` of a node, whose setup and activation the two functions
    give. Work that takes a while is done in a thread of its own, so that callbacks go on."""

    def __init__(self, node: Node, setup: Callable[[], Setup | None], activation: Callable[[], Activation | None]) -> None:
        self._node, self._setup, self._activation = node, setup, activation
        self._background = ThreadPoolExecutor(1, thread_name_prefix="background")
        node.create_service(Trigger, "~/relocalize", self._relocalize)
        node.create_service(Trigger, "~/reload_map", self._reload_map)
        node.create_service(Trigger, "~/save_snapshot", self._save_snapshot)

    def stop(self) -> None:
        """Begin nothing more."""
        self._background.shutdown(wait=False, cancel_futures=True)

    def _relocalize(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        activation = self._activation()
        if activation is None:
            return _answer(response, False, "the node is not active, so there is no track to start anew")
        activation.worker.relocalize()
        return _answer(response, True, "the track starts anew with the next image")

    async def _reload_map(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        setup = self._setup()
        if setup is None:
            return _answer(response, False, "the node is not configured, so it has no map to open again; configure it")
        try:
            localizer = await self._aside(lambda: open_localizer(setup.settings))
            old, new = setup.localizer.reference.frame, localizer.reference.frame
            datum, its = setup.localizer.reference.vertical_datum, localizer.reference.vertical_datum
            if its != datum:
                raise InputError(f"{setup.settings.map} now has the vertical datum {its}, not {datum}; clean up and configure "
                                 "the node for it")
            if new != old:
                raise InputError(f"{setup.settings.map} now has the frame {new.crs} with origin {new.origin}, not {old.crs} with "
                                 f"{old.origin} as the odometry counts on; clean up and configure the node for it")
        except InputError as error:
            self._node.get_logger().error(f"reload_map failed, the old map stays: {error}")
            return _answer(response, False, f"the old map stays: {error}")
        if setup is not self._setup():
            return _answer(response, False, "the node was cleaned up meanwhile")
        setup.localizer = localizer
        activation = self._activation()
        if activation is not None:
            activation.worker.use(localizer)
        return _answer(response, True, f"{setup.settings.map} is used from the next image on; the track starts anew")

    async def _save_snapshot(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        setup, activation = self._setup(), self._activation()
        last = activation.last if activation else None
        if setup is None or last is None:
            return _answer(response, False, "no image has been processed yet")
        folder = setup.settings.snapshots or Path(rclpy.logging.get_logging_directory()) / "promptmid_snapshots"
        try:
            saved = await self._aside(lambda: save_snapshot(folder, last, setup.localizer.reference))
        except InputError as error:
            return _answer(response, False, str(error))
        return _answer(response, True, str(saved))

    async def _aside(self, work: Callable[[], Any]) -> Any:
        """Return the result of work that takes a while, done in another thread."""
        done: Future[Any] = Future(executor=self._node.executor)
        pending = self._background.submit(work)

        def finish(pending: Pending[Any]) -> None:
            try:
                done.set_result(pending.result())
            except Exception as error:
                done.set_exception(error)
            if self._node.executor is not None:
                self._node.executor.wake()

        pending.add_done_callback(finish)
        return await done


def _answer(response: Trigger.Response, success: bool, message: str) -> Trigger.Response:
    response.success, response.message = success, message
    return response
