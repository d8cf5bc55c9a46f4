"""localize.launch.py takes the node to active, a flight in gives poses out, and so it does after a restart."""

import threading
import time
import unittest
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("launch_testing", reason="ROS 2's launch is not installed")

import launch
import launch_testing
import launch_testing.actions
import launch_testing.asserts
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from launch.actions import IncludeLaunchDescription
from launched import launch_file, scene
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import GetState

from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.localization.independent import MOST
from promptmid_ros.rehearsal.live import ros_node
from promptmid_ros.rehearsal.player import RELIABLE, Player
from promptmid_ros.rehearsal.questions import Questions

pytestmark = [pytest.mark.slow, pytest.mark.waits]

# a simulated second passes in a quarter of one
RATE = 4.0
# twice the error that makes a fix misleading: 10 map pixels of 10 m
FAR_M = 200.0


@pytest.mark.launch_test
def generate_test_description() -> launch.LaunchDescription:
    source = launch_file()
    return launch.LaunchDescription([
        IncludeLaunchDescription(source, launch_arguments={"map": str(scene().map_path)}.items()),
        launch_testing.actions.ReadyToTest(),
    ])


def until(true: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The value of `true()` as soon as it is one, or its last."""
    deadline = time.monotonic() + seconds
    while not (value := true()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


class TestFlight(unittest.TestCase):
    def setUp(self) -> None:
        block = ros_node("observer")
        self.node = block.__enter__()
        self.addCleanup(block.__exit__, None, None, None)
        self.questions = self.met()

    def met(self) -> Questions:
        """The node's services once it knows all that is made here so far."""
        questions = Questions(self.node, "/localizer")
        assert questions.meet(60.0), "the node did not tell its state"
        return questions

    def state(self) -> int:
        answer = self.questions.put("get_state", GetState.Request()).answer(30.0)
        assert answer is not None, "get_state was not answered"
        return answer.current_state.id

    def change(self, transition: int) -> None:
        assert self.questions.transition(transition, 30.0)

    def fly(self) -> tuple[list[PoseWithCovarianceStamped], dict[int, int]]:
        """The poses that a flight gives, and of each verdict, by its stamp, how many images were dropped before its own."""
        poses: list[PoseWithCovarianceStamped] = []
        verdicts: dict[int, int] = {}

        def judged(message: DiagnosticArray) -> None:
            dropped = next(pair.value for pair in message.status[0].values if pair.key == "dropped")
            verdicts[stamp_ns(message.header)] = int(dropped)

        subscriptions = [
            self.node.create_subscription(PoseWithCovarianceStamped, "/localizer/pose", poses.append, RELIABLE),
            self.node.create_subscription(DiagnosticArray, "/localizer/match_diagnostics", judged, RELIABLE),
        ]
        assert until(lambda: all(self.node.count_publishers(subscription.topic_name) for subscription in subscriptions))
        player, stop = Player(self.node, open_bag(scene().bag), RATE), threading.Event()
        player.wait_for_subscribers(stop)
        self.met().destroy()
        player.play(stop)
        until(lambda: player.images[-1].stamp_ns in verdicts)
        for subscription in subscriptions:
            self.node.destroy_subscription(subscription)
        return poses, verdicts

    def check_flight(self) -> None:
        poses, verdicts = self.fly()
        truth = dict(open_bag(scene().bag).ground_truth())
        assert list(verdicts) == sorted(verdicts) and set(verdicts) <= set(truth), "verdicts are of images, in their order"
        # on a busy machine a newer one may take the place of one that waits
        assert len(verdicts) + sum(verdicts.values()) == len(truth), "each image has a verdict or is counted as dropped"
        assert poses, "no image gave a fix"
        for message in poses:
            assert message.header.frame_id == "map"
            covariance = np.array(message.pose.covariance).reshape(6, 6)
            position, true = message.pose.pose.position, truth[stamp_ns(message.header)].position
            assert np.hypot(position.x - true[0], position.y - true[1]) < FAR_M
            # those after the first are published larger, as they show the same ground
            assert 0 < covariance[0, 0] < FAR_M**2 * (1 if message is poses[0] else MOST)
            assert covariance[2, 2] == 1e6

    def test_1_flight(self) -> None:
        assert until(lambda: self.state() == State.PRIMARY_STATE_ACTIVE), "the launch did not activate the node"
        self.check_flight()

    def test_2_restart_is_the_operators(self) -> None:
        self.change(Transition.TRANSITION_DEACTIVATE)
        self.change(Transition.TRANSITION_CLEANUP)
        self.change(Transition.TRANSITION_CONFIGURE)
        time.sleep(2.0)
        assert self.state() == State.PRIMARY_STATE_INACTIVE, "the launch activated a node that the operator had stopped"
        self.change(Transition.TRANSITION_ACTIVATE)
        self.check_flight()


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_exit_codes(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)

    def test_no_traceback(self, proc_output: Any) -> None:
        text = "".join(output.text.decode() for output in proc_output)
        assert "Traceback" not in text
