"""What is asked of a node, or told it, while it does something else: the last word counts, and nothing that was asked is lost."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

from aboard import SUCCESS, WAIT_S, Aboard
from geometry_msgs.msg import PoseWithCovarianceStamped
from harness import SECOND, Flight, stamped
from rclpy.parameter import Parameter
from simulated import Scene

from promptmid_core.bags.messages import stamp_ns
from promptmid_core.localization.localizer import Localizer
from promptmid_ros import services

pytestmark = [pytest.mark.slow, pytest.mark.waits]


class Gate:
    """Work that goes on once it is let, and until then tells that it has begun; open unless `shut` in a with block."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work, self._begun, self._open = work, threading.Event(), threading.Event()
        self._open.set()

    def __call__(self, *given: Any, **named: Any) -> Any:
        self._begun.set()
        assert self._open.wait(WAIT_S)
        return self._work(*given, **named)

    def shut(self) -> None:
        self._begun.clear()
        self._open.clear()

    def begun(self) -> bool:
        return self._begun.is_set()

    def let(self) -> None:
        self._open.set()


@pytest.fixture(scope="module")
def configured(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aboard]:
    aboard = Aboard(scene, tmp_path_factory.mktemp("meanwhile"))
    yield aboard
    aboard.end()


@pytest.fixture
def aboard(configured: Aboard) -> Iterator[Aboard]:
    assert configured.node.trigger_activate() == SUCCESS
    yield configured
    assert configured.node.trigger_deactivate() == SUCCESS
    assert configured.node._guard.faults == 0, configured.node._guard.last


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(services.open_localizer)
    monkeypatch.setattr(services, "open_localizer", gate)
    yield gate
    gate.let()


@pytest.fixture
def matching(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(Localizer.match)
    monkeypatch.setattr(Localizer, "match", lambda *given: gate(*given))
    yield gate
    gate.let()


def test_parameters_that_are_set_while_a_map_is_opened_hold_for_it(aboard: Aboard, opening: Gate) -> None:
    setup = aboard.node._setup
    before = setup.localizer.reference
    assert aboard.show() == ("fix", "TRACKING")
    opening.shut()
    reload_ = aboard.ask("reload_map")
    aboard.until(opening.begun)
    for risk in (1e-2, 1e-4):
        assert aboard.node.set_parameters([Parameter("risk", value=risk)])[0].successful
    refused = aboard.node.set_parameters([Parameter("map", value="elsewhere")])[0]
    assert not refused.successful and "map is read when the node is configured" in refused.reason
    again = aboard.answer(aboard.ask("reload_map"))
    assert not again.success and "an earlier reload_map has not ended yet" in again.message
    assert aboard.show() == ("fix", "TRACKING") and not reload_.done()
    opening.let()
    assert aboard.answer(reload_).success
    # the last image is still one of the map that it was matched with
    assert aboard.node._activation.last.reference is before is not setup.localizer.reference
    assert aboard.answer(aboard.ask("save_snapshot")).success
    assert aboard.show() == ("fix", "TRACKING")
    flies = aboard.node._activation.worker._localizer
    assert flies.reference is setup.localizer.reference is aboard.node._activation.last.reference
    assert flies.options.track.risk == setup.localizer.options.track.risk == 1e-4


def test_a_search_that_is_asked_for_while_a_map_is_opened_is_made_on_that(aboard: Aboard, opening: Gate) -> None:
    assert aboard.show() == ("fix", "TRACKING")
    opening.shut()
    reload_ = aboard.ask("reload_map")
    aboard.until(opening.begun)
    assert aboard.answer(aboard.ask("relocalize")).success
    opening.let()
    assert aboard.answer(reload_).success
    again = aboard.answer(aboard.ask("relocalize"))
    assert not again.success and "a search of the map runs already" in again.message
    aboard.put(0)  # which shows nothing
    assert (str(aboard.judged().fix.reason), str(aboard.judged().fix.state)) == ("stamp_zero", "LOST")
    assert aboard.node._activation.worker._localizer.reference is aboard.node._setup.localizer.reference
    assert aboard.show() == ("fix", "TRACKING")


def test_a_map_that_was_opened_for_a_node_that_is_cleaned_up_meanwhile_is_not_used(aboard: Aboard, opening: Gate) -> None:
    opening.shut()
    reload_ = aboard.ask("reload_map")
    aboard.until(opening.begun)
    node = aboard.node
    assert [node.trigger_deactivate(), node.trigger_cleanup(), node.trigger_configure(), node.trigger_activate()] == [SUCCESS] * 4
    flies = node._setup.localizer
    opening.let()
    answer = aboard.answer(reload_)
    assert not answer.success and "cleaned up meanwhile" in answer.message
    assert node._setup.localizer is flies and aboard.show() == ("fix", "TRACKING")


def test_a_node_that_is_deactivated_while_a_map_is_opened_flies_with_that_next(aboard: Aboard, opening: Gate) -> None:
    opening.shut()
    reload_ = aboard.ask("reload_map")
    aboard.until(opening.begun)
    before = aboard.node._setup.localizer
    assert aboard.node.trigger_deactivate() == SUCCESS
    opening.let()
    assert aboard.answer(reload_).success and aboard.node._setup.localizer is not before
    assert not aboard.answer(aboard.ask("relocalize")).success
    assert aboard.node.trigger_activate() == SUCCESS
    assert aboard.show() == ("fix", "TRACKING")
    assert aboard.node._activation.last.reference is aboard.node._setup.localizer.reference


def test_deactivated_in_the_middle_of_a_search_it_tells_nothing_of_it_and_begins_anew(
        aboard: Aboard, matching: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    assert aboard.show() == ("fix", "TRACKING")
    assert aboard.answer(aboard.ask("relocalize")).success
    matching.shut()
    stamp = aboard.flight.next()
    aboard.tell(stamp)
    aboard.put(stamp)
    aboard.until(matching.begun)
    searching = aboard.node._activation
    assert not searching.worker.relocalize(), "it has begun"
    close = searching.inbox.close
    monkeypatch.setattr(searching.inbox, "close", lambda: (close(), matching.let()))
    assert aboard.node.trigger_deactivate() == SUCCESS
    assert searching.verdicts.processed == 1
    assert aboard.node.trigger_activate() == SUCCESS
    assert aboard.show() == ("fix", "TRACKING")


def in_odom(message: Any) -> Any:
    """Odometry as of a frame that lies elsewhere."""
    moved = stamped(message, stamp_ns(message.header))
    moved.header.frame_id = "odom"
    moved.pose.pose.position.x -= 3000.0
    return moved


def by_hand(flight: Flight, east: float, stamp: int = 0) -> PoseWithCovarianceStamped:
    given = PoseWithCovarianceStamped(pose=flight.odometry[len(flight.odometry) // 2].pose)
    given = stamped(given, stamp)
    given.header.frame_id = "map"
    given.pose.pose.position.x += east
    given.pose.covariance = np.diag([2500.0, 2500, 0, 0, 0, 0.003]).ravel()
    return given


def test_of_two_poses_by_hand_the_last_holds_whatever_image_is_in_hand(aboard: Aboard, matching: Gate) -> None:
    odometry = [in_odom(message) for message in aboard.flight.odometry]
    assert aboard.show(odometry=odometry) == ("prior_missing", "SEARCHING")
    # stamps of zero and of 1970 mean the newest odometry
    for stamp, east in ((0, 900.0), (12 * SECOND, 0.0)):
        aboard.node._inputs._on_initialpose(by_hand(aboard.flight, east, stamp))
    assert aboard.show(odometry=odometry) == ("fix", "TRACKING")
    matching.shut()
    stamp = aboard.flight.next()
    aboard.tell(stamp, odometry)
    aboard.put(stamp)
    aboard.until(matching.begun)
    held = aboard.node._activation.intake.odometry
    for east in (900.0, 300.0):
        aboard.node._inputs._on_initialpose(by_hand(aboard.flight, east))
    assert held.map_from_odom.position[0] == pytest.approx(3300.0, abs=30.0)
    matching.let()
    assert aboard.judged().fix.accepted
    assert held.map_from_odom.position[0] == pytest.approx(3300.0, abs=30.0), "a fix of before moves nothing"
    worker = aboard.node._activation.worker
    assert worker._asked and not worker.lost
    assert aboard.node._activation.inbox.waited_s() == 0.0


def test_clocks_that_count_from_the_start_or_not_at_all(aboard: Aboard) -> None:
    begin = 12 * SECOND
    assert [aboard.show(begin + i * SECOND) for i in range(2)] == [("fix", "TRACKING")] * 2
    told = aboard.node._activation.told
    assert told.latency_ms is None, "the clock of 1970 is not this machine's"
    # neither images nor what belongs to them cost anything where they have no time
    aboard.put(0)
    assert str(aboard.judged().fix.reason) == "stamp_zero"
    activation = aboard.node._activation
    for message in aboard.flight.odometry[:3]:
        aboard.node._inputs._on_prior("odometry", stamped(message, 0))
    assert "stamp zero" in str(activation.intake.odometry.refusal)
    aboard.node._setup.cameras.add(stamped(aboard.flight.info, 0))
    stamp = begin + 3 * SECOND
    aboard.put(begin + SECOND + SECOND // 20)
    assert str(aboard.judged().fix.reason) == "fix", "what was there before is still there"
    assert aboard.show(stamp) == ("fix", "TRACKING")
