"""The programs `localizer` and `play`; a node as a process spins until SIGINT or SIGTERM, then ends in order and with status 0.

No import stands here that takes time: SIGINT during an import would end a program with Python's traceback.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from promptmid_core.runtime.arenas import bound_arenas
from promptmid_core.runtime.threads import bound
from promptmid_ros.namespaces import localizers, own_words, read_namespaces

SIGNALS = {signal.SIGINT, signal.SIGTERM}
USAGE = """usage: localizer --ros-args -p map:=MAP [-p autostart:=true] [--params-file FILE] [-r TOPIC:=TOPIC ...]

The lifecycle node that matches camera images to the SAR map in the folder MAP and publishes fixes. It subscribes to
image/compressed (or image), camera_info, odometry and initialpose. Without autostart it waits for its transitions:
ros2 lifecycle set /localizer configure. All parameters with their meanings and defaults: config/localizer.yaml, docs/ros.md.

For several cameras name a namespace for each, localizer left right --ros-args ...: a node in each, all in one process, which
has the map in memory once."""
# a match in hand may take this long; what is left after it has nothing to lose
PATIENCE_S = 1.0
# Python's threads take turns; a service that is asked during a match waits several turns for its answer
TURN_S = 0.0005


def main(args: list[str] | None = None) -> int:
    """Return the program `localizer`."""
    # blocked before anything else, so that no thread and no import is ever interrupted: run() asks for them when it is ready
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    bound()
    bound_arenas()
    words = sys.argv if args is None else ["localizer", *args]
    status = _answered(words)
    if status is not None:
        return status
    return run(lambda: localizers(read_namespaces(words)), args)


def _answered(words: list[str]) -> int | None:
    """The exit status where the words of the command are no start of the node: a question, or what is no argument of ROS."""
    from promptmid_core.errors import InputError
    from promptmid_core.localization.settings import parameter_files, read_sections

    if {"-h", "--help"} & set(own_words(words)):
        print(USAGE)
        return 0
    try:
        read_namespaces(words)
    except InputError as error:
        print(f"localizer: {error}", file=sys.stderr)
        return 2
    try:
        for file in parameter_files(words):
            read_sections(file)
    except InputError as error:
        print(f"localizer: {error}", file=sys.stderr)
        return 1
    return None


def play() -> int:
    """Return the program `play`."""
    # until it has its own handlers
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    from promptmid_ros.rehearsal.player import main

    return main()


def run(make_nodes: Callable[[], Sequence[Any]], args: list[str] | None = None) -> int:
    """Spin nodes, which have the methods `start()` and `stop(seconds)`; returns the exit status once a signal came.

    `start` is called in the thread that spins; where one returns False, or a callback raises, the process ends with status 1.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions
    from rclpy.task import Future

    from promptmid_ros.guard import Ended

    sys.setswitchinterval(TURN_S)
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    enough: Future[None] = Future()
    failed = threading.Event()
    nodes = make_nodes()
    # one thread suffices, as no callback takes long: a MultiThreadedExecutor answered several times later beside a match, as its
    # threads compete with it for Python's lock; EventsExecutor is experimental and not in every ROS 2
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)

    def spin() -> None:
        try:
            refused = next((node for node in nodes if not node.start()), None)
            if refused is None:
                executor.spin_until_future_complete(enough)
                return
            if len(nodes) > 1:
                print(f"{refused.get_fully_qualified_name()} could not be started, so the process ends, and with it all of "
                      f"{', '.join(node.get_fully_qualified_name() for node in nodes)}", file=sys.stderr)
        except Ended as error:
            print(f"{nodes[0].get_name()}: {error}", file=sys.stderr)
        except Exception:
            traceback.print_exc()
        failed.set()
        os.kill(os.getpid(), signal.SIGTERM)

    spinning = threading.Thread(target=spin, name="callbacks", daemon=True)
    spinning.start()
    # further signals stay blocked, so that a second Ctrl-C changes nothing
    signal.sigwait(SIGNALS)
    # not executor.shutdown: beside a callback that is about to begin it takes away what rclpy then misses
    enough.set_result(None)
    spinning.join(PATIENCE_S)
    # each is told first, so that all end what they have in hand at the same time
    ended = all([node.stop(0.0) for node in nodes]) or all([node.stop(PATIENCE_S) for node in nodes])
    status = int(failed.is_set())
    if spinning.is_alive() or not ended:
        # only a computation without anything to save is left, and Python cannot end beside it
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(status)
    executor.shutdown()
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown()
    return status


if __name__ == "__main__":
    sys.exit(main())
