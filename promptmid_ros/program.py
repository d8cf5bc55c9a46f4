"""A node as a process: it spins until SIGINT or SIGTERM, then ends in order and with status 0."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

SIGNALS = {signal.SIGINT, signal.SIGTERM}
# a match in hand may take this long; what is left after it has nothing to lose
PATIENCE_S = 1.0
# Python's threads take turns; a service that is asked during a match waits several turns for its answer
TURN_S = 0.0005


def main(args: list[str] | None = None) -> int:
    """The program `localizer`."""
    # blocked before anything else, so that no thread and no import is ever interrupted: run() asks for them when it is ready
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    from promptmid_ros.localizer_node import LocalizerNode

    return run(LocalizerNode, args)


def run(make_node: Callable[[], Any], args: list[str] | None = None) -> int:
    """Spin a node, which has a method `stop(seconds)`; returns the exit status once a signal came."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    sys.setswitchinterval(TURN_S)
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    failures: list[str] = []
    node = make_node()
    # one thread suffices, as no callback takes long: a MultiThreadedExecutor answered several times later beside a match, as its
    # threads compete with it for Python's lock; EventsExecutor is experimental and not in every ROS 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except Exception:
            failures.append(traceback.format_exc())
            os.kill(os.getpid(), signal.SIGTERM)

    spinning = threading.Thread(target=spin, name="callbacks", daemon=True)
    spinning.start()
    # further signals stay blocked, so that a second Ctrl-C changes nothing
    signal.sigwait(SIGNALS)
    executor.shutdown(timeout_sec=0)
    spinning.join(PATIENCE_S)
    ended = node.stop(PATIENCE_S)
    if failures:
        sys.stderr.write(failures[0])
    status = 1 if failures else 0
    if spinning.is_alive() or not ended:
        # only a computation without anything to save is left, and Python cannot end beside it
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(status)
    node.destroy_node()
    rclpy.shutdown()
    return status


if __name__ == "__main__":
    sys.exit(main())
