"""What an operator may ask of the node: search the map for the aircraft, open the map again, keep the last image."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path

import rclpy.logging
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from std_srvs.srv import Trigger

from promptmid_core.errors import InputError
from promptmid_core.localization.localizer import Localizer
from promptmid_core.outputs.keys import text
from promptmid_ros.activation import Activation, Setup, open_localizer
from promptmid_ros.aside import Aside
from promptmid_ros.guard import Guard
from promptmid_ros.snapshot import save_snapshot

Serve = Callable[[Trigger.Request, Trigger.Response], Awaitable[Trigger.Response]]


class Services:
    """The services `~/relocalize`, `~/reload_map` and `~/save_snapshot` of a node, whose setup and activation the two functions
    give. Work that takes a while is done aside, and each service is of a group of its own, so that callbacks go on."""

    def __init__(self, node: Node, setup: Callable[[], Setup | None], activation: Callable[[], Activation | None],
                 guard: Guard) -> None:
        self._node, self._setup, self._activation, self._guard = node, setup, activation, guard
        self._reloading, self._saving = Aside(node, "reload_map"), Aside(node, "save_snapshot")
        # the default group is held as long as a coroutine of it is awaited
        group = ReentrantCallbackGroup()
        for serve in (self._relocalize, self._reload_map, self._save_snapshot):
            node.create_service(Trigger, f"~/{serve.__name__[1:]}", self._answered(serve), callback_group=group)

    def _answered(self, serve: Serve) -> Serve:
        """A service that answers whatever happens."""

        @wraps(serve)
        async def answered(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            try:
                return await serve(request, response)
            except Exception as error:
                self._guard.caught(error, serve.__name__[1:])
                return _answer(response, False, f"the program failed: {self._guard.last}; the log has the trace")

        return answered

    async def _relocalize(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        activation = self._activation()
        if activation is None:
            return _answer(response, False, "the node is not active, so it has no map to search; activate it")
        if not activation.worker.relocalize():
            return _answer(response, False, "a search of the map runs already; it ends with the first fix")
        return _answer(response, True, "the map is searched from the next image on, until one place is sure")

    async def _reload_map(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        setup = self._setup()
        if setup is None:
            return _answer(response, False, "the node is not configured, so it has no map to open again; configure it")
        settings = setup.settings
        try:
            localizer = await self._reloading.result(lambda: _opened(setup), settings.upkeep.service_timeout_s)
        except InputError as error:
            self._node.get_logger().error(f"reload_map failed, the old map stays: {error}")
            return _answer(response, False, f"the old map stays: {error}")
        except Exception as error:
            self._guard.caught(error, "reload_map")
            return _answer(response, False, f"the old map stays: the program failed: {self._guard.last}; the log has the trace")
        if setup is not self._setup():
            return _answer(response, False, "the node was cleaned up meanwhile")
        # parameters may have been set meanwhile
        localizer.take(setup.settings.options)
        setup.localizer = localizer
        activation = self._activation()
        if activation is not None:
            activation.worker.use(localizer.anew())
        return _answer(response, True, f"{settings.map} is used from the next image on; the track starts anew")

    async def _save_snapshot(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        setup, activation = self._setup(), self._activation()
        last = activation.last if activation else None
        if setup is None or last is None:
            return _answer(response, False, "no image has been processed yet")
        folder = setup.settings.snapshots or Path(rclpy.logging.get_logging_directory()) / "promptmid_snapshots"
        upkeep = setup.settings.upkeep
        try:
            saved = await self._saving.result(lambda: save_snapshot(folder, last, upkeep), upkeep.service_timeout_s)
        except InputError as error:
            return _answer(response, False, str(error))
        return _answer(response, True, str(saved))


def _opened(setup: Setup) -> Localizer:
    """A localizer on the map as it now is. Raises InputError where it cannot take the place of the one that flies."""
    settings, flies = setup.settings, setup.localizer
    localizer = open_localizer(settings, loaded=flies.descriptor)
    old, new = flies.reference.frame, localizer.reference.frame
    datum, its = flies.reference.vertical_datum, localizer.reference.vertical_datum
    if its != datum:
        raise InputError(f"{settings.map} now has the vertical datum {its}, not {datum}; clean up and configure the node for it")
    if new != old:
        raise InputError(f"{settings.map} now has the frame {new.crs} with origin {new.origin}, not {old.crs} with "
                         f"{old.origin} as the odometry counts on; clean up and configure the node for it")
    return localizer


def _answer(response: Trigger.Response, success: bool, message: str) -> Trigger.Response:
    response.success, response.message = success, text(message)
    return response
