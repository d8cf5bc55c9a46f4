"""Services of a node in another process, asked such that an answer that the middleware drops is told from silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node

Check = Callable[[], object]
# what a server prints that has not yet discovered the reader of its client when it answers; the answer is lost
DROPPED = "client will not receive response"
# Python prints a warning once a place, and each is wanted
WARNINGS = "always:failed to send response:RuntimeWarning"
LOOK_S, AGAIN_S = 0.1, 1.0
REACHED = {
    Transition.TRANSITION_CONFIGURE: "inactive",
    Transition.TRANSITION_CLEANUP: "unconfigured",
    Transition.TRANSITION_ACTIVATE: "active",
    Transition.TRANSITION_DEACTIVATE: "inactive",
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: "finalized",
    Transition.TRANSITION_INACTIVE_SHUTDOWN: "finalized",
    Transition.TRANSITION_ACTIVE_SHUTDOWN: "finalized",
}


def _nothing() -> None:
    pass


class Questions:
    """Asks the services of a lifecycle node `name`: those of its lifecycle, and `services`, their types by name.

    To be made after all else that `node` publishes and subscribes to, and before anything is asked: a participant tells of its
    endpoints in the order in which they were made, so that the first answer of get_state, which is made last, shows that the
    other process knows them all, and loses nothing for want of a reader. `node` must be spun in another thread.

    `log` gives what the other process has printed, in an environment of `tell_dropped`. By it an answer that was lost for all
    that is asked for again; a transition, which cannot be asked for twice, is judged by the state that it has led to.
    """

    def __init__(self, node: Node, name: str, services: Mapping[str, Any] | None = None, log: Callable[[], str] = str) -> None:
        self._node, self._log = node, log
        kinds = {**(services or {}), "change_state": ChangeState, "get_state": GetState}
        self._clients: dict[str, Any] = {its: node.create_client(kind, f"{name}/{its}") for its, kind in kinds.items()}

    def meet(self, timeout_s: float, check: Check = _nothing) -> bool:
        """Whether the state is told within `timeout_s`. It is asked for again and again, as the services of a process that has
        just ended may seem to be there still."""
        deadline = time.monotonic() + timeout_s
        while not all(client.service_is_ready() for client in self._clients.values()):
            check()
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_S)
        question = self.put("get_state", GetState.Request())
        while question.answer(AGAIN_S, check) is None:
            if time.monotonic() > deadline:
                return False
            question.again()
        return True

    def put(self, name: str, request: Any) -> Question:
        """Ask, and do not wait."""
        return Question(self._clients[name], request, lambda: self._log().count(DROPPED))

    def transition(self, transition: int, timeout_s: float, check: Check = _nothing) -> bool | None:
        """Whether a transition succeeds, one of lifecycle_msgs/Transition's constants; None where that is not told in time."""
        question = self.put("change_state", ChangeState.Request(transition=Transition(id=transition)))
        answer = question.answer(timeout_s, check)
        if answer is not None:
            return bool(answer.success)
        state = self.put("get_state", GetState.Request()).answer(timeout_s, check) if question.dropped else None
        return None if state is None else state.current_state.label == REACHED[transition]

    def destroy(self) -> None:
        for client in self._clients.values():
            self._node.destroy_client(client)


class Question:
    """A request on its way. `dropped`: its answer was, and it was not asked again."""

    def __init__(self, client: Any, request: Any, drops: Callable[[], int]) -> None:
        self._client, self._request, self._drops = client, request, drops
        self._once = isinstance(request, ChangeState.Request)
        self._answered = threading.Event()
        self._futures: list[Any] = []
        self.dropped = False
        self.again()

    def answer(self, timeout_s: float, check: Check = _nothing) -> Any | None:
        """Return the answer, None where none comes within `timeout_s`. `check` is called meanwhile, and may raise."""
        deadline = time.monotonic() + timeout_s
        while not self._answered.wait(min(LOOK_S, timeout_s)) and not self.dropped and time.monotonic() < deadline:
            check()
            lost = self._drops() > self._before
            if lost and self._once:
                self.dropped = True
            elif lost:
                self.again()
        return next((future.result() for future in self._futures if future.done()), None)

    def again(self) -> None:
        """Ask once more; an answer to either counts."""
        self._before = self._drops()
        future = self._client.call_async(self._request)
        self._futures.append(future)
        future.add_done_callback(lambda _: self._answered.set())


def tell_dropped(environment: MutableMapping[str, str]) -> None:
    """Have a process of this environment print each answer that it loses."""
    environment["PYTHONWARNINGS"] = ",".join(filter(None, [environment.get("PYTHONWARNINGS"), WARNINGS]))
