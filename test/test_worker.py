"""The thread that matches: a program error costs its image only, and what is stopped publishes nothing."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flights import CAMERA, ODOMETRY_NS, START_NS, KnownLocalizer, PlainMap, image, odometry, stamps, true_pose

from promptmid_core.bags import telemetry
from promptmid_core.geometry import Prior
from promptmid_core.localization.fix import Candidate, Frame
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.settings import DEFAULTS, Settings
from promptmid_core.reasons import Reason
from promptmid_ros.inbox import Arrival, Inbox
from promptmid_ros.worker import Outcome, Worker


class Flown(KnownLocalizer):
    """Remembers what it was asked, and is lost once it was asked to search the map, until its track is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.reference, self.lost = PlainMap(), False
        self.asked: list[str] = []

    @property
    def searching(self) -> bool:
        return self.lost

    def reset(self) -> None:
        self.lost = False
        self.asked.append("reset")

    def relocalize(self) -> None:
        self.lost = True
        self.asked.append("relocalize")


class Moody(Flown):
    """Fails on the second image, and takes as long as `pause` says."""

    def __init__(self, pause: float = 0.0) -> None:
        super().__init__()
        self.pause, self.seen = pause, 0

    def match(self, frame: Frame, prior: Prior, expect: Any = None) -> Candidate:
        time.sleep(self.pause)
        self.seen += 1
        if self.seen == 2:
            raise RuntimeError("as the test wants")
        return Candidate(frame.stamp_ns, prior, Reason.FIX, "", prior.pose, np.eye(6), ("x", "y", "yaw"))


def make(localizer: Any) -> SimpleNamespace:
    inbox, intake = Inbox(), Intake(Rig())
    intake.cameras.add(telemetry.camera_info(START_NS, CAMERA))
    for stamp in range(START_NS, stamps(10)[-1] + 2 * ODOMETRY_NS, ODOMETRY_NS):
        intake.odometry.add(odometry(stamp, true_pose(stamp)))
    done: list[Outcome] = []
    failed: list[tuple[Arrival, str]] = []
    worker = Worker(inbox, intake, localizer, 0.05, done.append, lambda arrival, trace: failed.append((arrival, trace)))
    return SimpleNamespace(inbox=inbox, intake=intake, worker=worker, done=done, failed=failed)


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    assert condition()


def test_a_program_error_costs_its_own_image_only() -> None:
    at = make(Moody())
    at.worker.start()
    for i, stamp in enumerate(stamps(3)):
        at.inbox.put(image(stamp))
        wait_for(lambda wanted=i + 1: len(at.done) + len(at.failed) == wanted)
    assert at.worker.stop(5)
    assert [outcome.fix.stamp_ns for outcome in at.done] == [stamps(3)[0], stamps(3)[2]]
    assert "RuntimeError: as the test wants" in at.failed[0][1]
    assert {"wait", "decode"} <= set(at.done[0].fix.candidate.stage_ms)


def test_what_is_stopped_publishes_nothing_and_says_whether_it_has_ended() -> None:
    at = make(Moody(pause=0.3))
    at.worker.start()
    at.inbox.put(image(stamps(1)[0]))
    wait_for(lambda: at.inbox.taken == 1)
    time.sleep(0.05)
    at.inbox.put(image(stamps(2)[1]))
    assert not at.worker.stop(0.01)
    assert at.worker.stop(5)
    assert at.done == at.failed == []
    assert (at.inbox.received, at.inbox.taken, at.inbox.dropped) == (2, 1, 1)


def test_the_track_is_forgotten_and_the_localizer_replaced_between_images() -> None:
    first, second = Moody(), Moody()
    resets: list[int] = []
    first.reset = lambda: resets.append(threading.get_ident())  # type: ignore[method-assign]
    at = make(first)
    at.worker.start()
    at.worker.forget()
    at.inbox.put(image(stamps(1)[0]))
    wait_for(lambda: len(at.done) == 1)
    assert len(resets) == 1
    assert resets[0] != threading.get_ident()
    at.worker.use(second)
    at.inbox.put(image(stamps(2)[1]))
    wait_for(lambda: len(at.done) == 2)
    assert (first.seen, second.seen) == (1, 1)
    assert at.done[0].reference is first.reference and at.done[1].reference is second.reference
    assert at.worker.stop(5)


def test_settings_are_taken_between_images_and_never_in_the_middle_of_one() -> None:
    at = make(localizer := Moody(pause=0.2))
    taken: list[tuple[Any, int, bool]] = []
    busy = threading.Event()

    def match(*given: Any) -> Candidate:
        busy.set()
        try:
            return Moody.match(localizer, *given)
        finally:
            busy.clear()

    localizer.match = match  # type: ignore[method-assign]
    localizer.take = lambda options: taken.append((options, threading.get_ident(), busy.is_set()))  # type: ignore[attr-defined]
    at.worker.start()
    at.inbox.put(image(stamps(1)[0]))
    wait_for(busy.is_set)
    settings = [Settings.read(DEFAULTS | {"risk": risk}) for risk in (1e-2, 1e-4)]
    for each in settings:
        at.worker.take(each)
    assert taken == []
    wait_for(lambda: len(at.done) == 1)
    assert taken == []
    localizer.seen = 5
    at.inbox.put(image(stamps(2)[1]))
    wait_for(lambda: len(at.done) == 2)
    assert [(options.track.risk, middle) for options, _, middle in taken] == [(1e-2, False), (1e-4, False)]
    assert {thread for _, thread, _ in taken} != {threading.get_ident()}
    assert at.worker.stop(5)


def idle(localizer: Any) -> Worker:
    """A worker that has not begun."""
    return Worker(Inbox(), SimpleNamespace(), localizer, 0.0, lambda _: None, lambda *_: None)  # type: ignore[arg-type]


def obeys(worker: Worker) -> Any:
    """The localizer in use once the worker has done what is asked of it."""
    while (order := worker._next()) is not None:
        order()
    return worker._localizer


def test_a_search_of_the_map_is_not_begun_while_one_runs() -> None:
    lost = Flown()
    worker = idle(lost)
    assert worker.relocalize()
    assert not worker.relocalize()
    obeys(worker)
    assert not worker.relocalize()
    assert lost.asked == ["relocalize"]


def test_what_is_asked_is_done_in_its_order_so_that_the_last_word_counts() -> None:
    """A pose by hand ends a search, and a search that is asked for after it is begun: also while the one before still runs."""
    here = Flown()
    worker = idle(here)
    worker.relocalize()
    worker.forget()
    assert not obeys(worker).lost
    worker.forget()
    worker.relocalize()
    assert obeys(worker).lost
    worker.forget()
    assert worker.relocalize(), "the search that runs ends with what was asked before"
    assert obeys(worker).lost
    assert here.asked == ["relocalize", "reset", "reset", "relocalize", "reset", "relocalize"]


@pytest.mark.parametrize("runs", [False, True], ids=["asked for", "that runs"])
def test_a_search_goes_on_over_a_map_that_is_opened_again(runs: bool) -> None:
    old, new = Flown(), Flown()
    worker = idle(old)
    worker.relocalize()
    if runs:
        obeys(worker)
    worker.use(new)
    assert not worker.relocalize() and worker.lost
    assert obeys(worker) is new and new.asked == ["relocalize"]
    worker.use(after := Flown())
    worker.forget()
    assert obeys(worker) is after and not after.lost, "a pose by hand comes after it"
    worker.use(next_ := Flown())
    assert obeys(worker) is next_ and next_.asked == [], "who is not lost is not looked for"


def test_what_is_asked_while_something_asked_is_done_is_done_too() -> None:
    """The race that flags have: a second map, set while the first is taken up, was taken for done."""
    first, second = Flown(), Flown()
    worker = idle(Flown())
    worker.use(first)
    order = worker._next()
    assert order is not None
    worker.use(second)
    worker.relocalize()
    order()
    assert worker._localizer is first and worker.lost
    assert obeys(worker) is second and second.lost


def test_what_fails_of_all_that_is_asked_costs_an_image_and_not_the_rest() -> None:
    at = make(localizer := Moody())
    localizer.take = lambda options: 1 / 0  # type: ignore[attr-defined]
    at.worker.take(Settings.read(DEFAULTS))
    at.worker.relocalize()
    at.worker.start()
    at.inbox.put(image(stamps(1)[0]))
    wait_for(lambda: at.failed)
    at.inbox.put(image(stamps(2)[1]))
    wait_for(lambda: at.done)
    assert "ZeroDivisionError" in at.failed[0][1] and localizer.asked == ["relocalize"]
    assert at.worker.stop(5)


class Hung(Flown):
    """Does not return from the first image until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go, self.tracked = threading.Event(), 0

    def match(self, frame: Frame, prior: Prior, expect: Any = None) -> Candidate:
        self.let_go.wait(30)
        return Candidate(frame.stamp_ns, prior, Reason.FIX, "", prior.pose, np.eye(6), ("x", "y", "yaw"))

    def track(self, candidate: Candidate) -> Any:
        self.tracked += 1
        return super().track(candidate)


def test_one_that_is_abandoned_gives_its_image_back_and_moves_nothing_any_more() -> None:
    hung, sound = Hung(), Moody()
    at = make(hung)
    at.worker.start()
    first, second = stamps(2)
    at.inbox.put(image(first))
    wait_for(lambda: at.inbox.taken == 1)
    wait_for(lambda: at.inbox.waited_s() > 0.1)
    assert at.worker.place().startswith("its thread is at work in worker.py:")
    assert at.worker.place().endswith("(match)")
    hand = at.inbox.dismiss()
    assert hand.message.header.stamp == image(first).header.stamp
    other = Worker(at.inbox, at.intake, sound, 0.05, at.done.append, lambda *_: None)
    other.start()
    at.inbox.put(image(second))
    wait_for(lambda: len(at.done) == 1)
    hung.let_go.set()
    wait_for(lambda: at.worker.place() == "its thread has ended")
    assert [outcome.fix.stamp_ns for outcome in at.done] == [second]
    assert at.failed == []
    assert hung.tracked == 0
    wait_for(lambda: at.inbox.waited_s() == 0.0)
    assert other.stop(5)


@pytest.mark.parametrize("what", ["publish", "fail", "both"])
def test_what_cannot_be_published_costs_its_image_only(what: str) -> None:
    at = make(Moody())
    broken = [True]

    def publish(outcome: Outcome) -> None:
        if broken and what != "fail":
            raise AssertionError("no message can hold it")
        at.done.append(outcome)

    def fail(arrival: Arrival, trace: str) -> None:
        at.failed.append((arrival, trace))
        if broken and what != "publish":
            raise AssertionError("no message can hold it")

    at.worker = Worker(at.inbox, at.intake, Moody(), 0.05, publish, fail)
    at.worker.start()
    for i, stamp in enumerate(stamps(2)):  # the second is the one on which the localizer fails
        at.inbox.put(image(stamp))
        wait_for(lambda wanted=i + 1: len(at.done) + len(at.failed) == wanted)
    assert at.failed
    broken.clear()
    at.inbox.put(image(stamps(3)[2]))
    wait_for(lambda: any(outcome.fix.stamp_ns == stamps(3)[2] for outcome in at.done))
    assert at.worker.stop(5)
