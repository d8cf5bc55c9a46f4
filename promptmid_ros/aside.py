"""Work that takes a while, done beside the callbacks and awaited no longer than a limit."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.task import Future

from promptmid_core.errors import InputError


class Aside:
    """A thread that does one piece of work at a time for the coroutines of a node.

    The thread is a daemon of Python: what never returns, as from a disk that has died, does not hold up the end of the process.
    """

    def __init__(self, node: Node, name: str) -> None:
        self._node, self._name = node, name
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._busy = threading.Lock()
        # not the default group, which the service that awaits may hold
        self._group = ReentrantCallbackGroup()
        threading.Thread(target=_run, args=(self._work, self._busy), name=name, daemon=True).start()

    async def result(self, work: Callable[[], Any], limit_s: float) -> Any:
        """Return what `work` returns, or raise what it raises.

        Raises InputError where it takes longer than the limit, after which its result counts no more, and where the work of an
        earlier call has not ended yet.
        """
        if not self._busy.acquire(blocking=False):
            raise InputError(f"an earlier {self._name} has not ended yet; is its disk there?")
        done: Future[Any] = Future(executor=self._node.executor)
        settling = threading.Lock()

        def settle(value: Any, error: Exception | None) -> None:
            with settling:
                if done.done():
                    return
                if error is None:
                    done.set_result(value)
                else:
                    done.set_exception(error)
            if self._node.executor is not None:
                self._node.executor.wake()

        def job() -> None:
            try:
                settle(work(), None)
            except Exception as error:
                settle(None, error)

        too_long = InputError(f"{self._name} did not end within {limit_s:g} s; is its disk there?")
        try:
            alarm = self._node.create_timer(limit_s, lambda: settle(None, too_long), self._group,
                                            Clock(clock_type=ClockType.STEADY_TIME))
        except Exception:
            self._busy.release()
            raise
        self._work.put(job)
        try:
            return await done
        finally:
            self._node.destroy_timer(alarm)


def _run(work: SimpleQueue[Callable[[], None]], busy: threading.Lock) -> None:
    """Holds nothing of the node between its jobs: what holds shared memory has to be freed when the process ends."""
    while True:
        job = work.get()
        try:
            job()
        except Exception:
            # what cannot even be told, for want of memory, must not end the thread: the alarm answers
            traceback.print_exc()
        finally:
            del job
            busy.release()
