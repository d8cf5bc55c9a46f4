"""What no message, request or timer may bring about by a fault of the program: the end of the node."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from functools import partial, wraps
from pathlib import Path
from typing import Any

Log = Callable[[str], object]


class Ended(Exception):
    """The process has to end, with status 1; the text is one sentence: why."""


class Guard:
    """Calls back in place of a callback: what it raises costs the message that it was called with, and nothing else.

    It is logged with its trace, once for each place in the program, and counted. `Ended` alone passes.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._told: set[str] = set()
        self.faults = 0
        self.last = ""

    def __call__(self, callback: Callable[..., None]) -> Callable[..., None]:
        name = _name(callback)

        @wraps(callback)
        def guarded(*given: Any) -> None:
            try:
                callback(*given)
            except Ended:
                raise
            except Exception as error:
                self.caught(error, name)

        return guarded

    def over(self, services: Iterable[Any]) -> None:
        """Guard services that are there already, those that rclpy itself gives a node: what fails is answered with a response
        that is empty, for these one that tells of no success."""
        for service in services:
            service.callback = self._answering(service.callback)

    def _answering(self, callback: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        name = _name(callback)

        @wraps(callback)
        def answered(request: Any, response: Any) -> Any:
            try:
                return callback(request, response)
            except Exception as error:
                self.caught(error, name)
                return response

        return answered

    def caught(self, error: Exception, what: str) -> None:
        """Count an exception that nobody foresaw, raised by `what`."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        self.faults += 1
        self.last = f"{what}: {type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
        if self.last not in self._told:
            self._told.add(self.last)
            trace = "".join(traceback.format_exception(error))
            self._log(f"the program failed in {what}, which costs what it was called with: {trace}")


def _name(callback: Callable[..., Any]) -> str:
    """What a function is called, also where some of its arguments are given already."""
    while isinstance(callback, partial):
        callback = callback.func
    return getattr(callback, "__name__", type(callback).__name__)
