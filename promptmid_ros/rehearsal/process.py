"""The node `localizer` as a process of its own, taken through its lifecycle by its services."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import GetState
from rclpy.node import Node

from promptmid_core.errors import InputError
from promptmid_core.runtime.threads import bound
from promptmid_ros.rehearsal.questions import Questions, tell_dropped
from promptmid_ros.transport import set_profile

NAME = "/localizer"
START_S, CONFIGURE_S, CALL_S, STOP_S = 30.0, 60.0, 10.0, 10.0
LOG_LINES = 8


class LocalizerProcess:
    """Starts the node, configures and activates it; stops it with SIGINT when the block ends.

    `node` must be spun by somebody else, in another thread, and must publish and subscribe already to what the localizer is to
    hear and to say once the block begins. What the process prints goes to the file `log`. `services`: types by name of what is to
    be called besides the lifecycle's. Raises InputError, with the end of the log, where the node does not start, refuses a
    transition, or ends with an error.
    """

    def __init__(self, node: Node, parameters: Mapping[str, Any], log: Path, services: Mapping[str, Any] | None = None) -> None:
        self._node, self._parameters, self._log, self._services = node, parameters, log, services
        self.exit_code: int | None = None

    def __enter__(self) -> LocalizerProcess:
        environment = dict(os.environ)
        set_profile(environment)
        bound(environment)
        tell_dropped(environment)
        self._questions = Questions(self._node, NAME, self._services, lambda: self._log.read_text(errors="replace"))
        # a JSON value is a YAML value, as --ros-args wants it
        settings = [word for name, value in self._parameters.items() for word in ("-p", f"{name}:={json.dumps(value)}")]
        with self._log.open("wb") as output:
            # in a session of its own, so that a Ctrl-C at the terminal reaches it through stop() alone
            self._process = subprocess.Popen(
                [sys.executable, "-m", "promptmid_ros.program", "--ros-args", *settings],
                stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        with ExitStack() as started:
            started.callback(self.stop)
            if not self._questions.meet(START_S, self.check_alive):
                raise self._error(f"offered no lifecycle services within {START_S:g} s")
            self.change_state(Transition.TRANSITION_CONFIGURE, "configure", CONFIGURE_S)
            self.change_state(Transition.TRANSITION_ACTIVATE, "activate", CALL_S)
            started.pop_all()
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, name: str, request: Any, timeout_s: float = CALL_S) -> Any:
        """Return the answer of the service client `name`. Raises InputError where none comes within `timeout_s` or the process
        ends."""
        return self._told(self._questions.put(name, request).answer(timeout_s, self.check_alive), name, timeout_s)

    def change_state(self, transition: int, name: str, timeout_s: float) -> None:
        """Ask for a lifecycle transition. Raises InputError where the node refuses it."""
        if not self._told(self._questions.transition(transition, timeout_s, self.check_alive), "change_state", timeout_s):
            raise self._error(f"refused to {name}")

    def state(self) -> int:
        """Return the lifecycle state, one of lifecycle_msgs/State's constants."""
        answer: State = self.call("get_state", GetState.Request()).current_state
        return int(answer.id)

    def check_alive(self) -> None:
        if self._process.poll() is not None:
            raise self._error(f"ended with exit code {self._process.returncode}")

    def stop(self) -> int:
        """SIGINT, as Ctrl-C gives it; the exit code, that of a kill where the node does not end within STOP_S."""
        if self.exit_code is None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self.exit_code = int(self._process.returncode)
            self._questions.destroy()
        return self.exit_code

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.stop() != 0 and kind is None:
            raise self._error(f"ended with exit code {self.exit_code} when it was stopped by SIGINT")

    def _told(self, answer: Any | None, name: str, timeout_s: float) -> Any:
        if answer is None:
            raise self._error(f"did not answer {NAME}/{name} within {timeout_s:g} s")
        return answer

    def _error(self, what: str) -> InputError:
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()][-LOG_LINES:]
        return InputError(f"the localizer {what}; {self._log} ends with: {' | '.join(lines) or 'nothing'}")
