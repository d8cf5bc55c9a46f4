"""Faults of the system under a running node: stopped, without threads, without handles, killed and started again."""

import os
import resource
import signal
import time
from pathlib import Path

import pytest
from harness import Flight, Localizer
from simulated import Scene

from benchmarks.faults.system import limited, segments, sweep
from benchmarks.faults.usage import usage
from promptmid_core.outputs.rates import memory_mb

pytestmark = [pytest.mark.slow, pytest.mark.waits]

# what a process runs before its program: no thread can be started as long as a file is there
NO_THREADS = """
import pathlib, threading
start = threading.Thread.start
def refused(thread):
    if pathlib.Path({file!r}).exists():
        raise RuntimeError("can't start new thread")
    start(thread)
threading.Thread.start = refused
"""
# and each image takes a while
SLOW = """
import time
from promptmid_core.localization.localizer import Localizer
match = Localizer.match
def slow(self, *given):
    time.sleep(0.5)
    return match(self, *given)
Localizer.match = slow
"""


@pytest.fixture(scope="module")
def flight(scene: Scene) -> Flight:
    return Flight(scene.bag)


def tracked(localizer: Localizer, flight: Flight) -> None:
    """A track from its beginning."""
    assert flight.state(localizer) == "SEARCHING"
    assert [flight.show(localizer)["reason"] for _ in range(2)] == ["fix"] * 2


def test_a_process_that_stood_still_with_an_image_in_hand_keeps_its_worker(scene: Scene, flight: Flight,
                                                                           tmp_path: Path) -> None:
    with Localizer(tmp_path, harm=SLOW, map=scene.map_path, verdict_timeout_s=4.0) as localizer:
        tracked(localizer.up(), flight)
        stamp = flight.next()
        flight.send(localizer, stamp)
        time.sleep(0.2)
        localizer.process.send_signal(signal.SIGSTOP)
        time.sleep(6)
        localizer.process.send_signal(signal.SIGCONT)
        assert localizer.verdict(stamp)["reason"] == "fix"
        assert flight.show(localizer)["reason"] == "fix"
        assert localizer.await_health()["workers_replaced"] == "0"


def test_services_are_there_again_once_threads_are(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    none = tmp_path / "no_threads"
    with Localizer(tmp_path, harm=NO_THREADS.format(file=str(none)), map=scene.map_path,
                   snapshot_dir=tmp_path / "shots") as localizer:
        tracked(localizer.up(), flight)
        none.touch()
        assert localizer.trigger("save_snapshot").success
        for _ in range(2):
            answer = localizer.trigger("reload_map")
            assert not answer.success
            assert "RuntimeError" in answer.message
        assert flight.show(localizer)["reason"] == "fix"
        none.unlink()
        assert localizer.trigger("reload_map").success
        tracked(localizer, flight)


def test_without_handles_images_are_judged_and_health_is_told(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path, snapshot_dir=tmp_path / "shots") as localizer:
        tracked(localizer.up(), flight)
        pid = localizer.process.pid
        for name in ("save_snapshot", "reload_map"):
            assert localizer.trigger(name).success
        tracked(localizer, flight)
        with limited(pid, resource.RLIMIT_NOFILE, int(usage(pid)["handles"])):
            for name, told in (("save_snapshot", "Too many open files"), ("reload_map", "the old map stays: ")):
                assert flight.show(localizer)["reason"] == "fix"
                answer = localizer.trigger(name)
                assert not answer.success
                assert told in answer.message
            localizer.health.clear()
            health = localizer.await_health()
            assert (health["memory_mb"], health["program_errors"]) == ("unknown", "0")
        assert localizer.trigger("reload_map").success


def test_resident_memory_is_not_known_without_a_handle() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert (memory_mb() or 0) > 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        assert memory_mb() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_killed_and_started_again_it_searches_and_finds_its_first_fix(scene: Scene, flight: Flight,
                                                                      tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        tracked(localizer.up(), flight)
        held = segments(localizer.process.pid)
        assert held
        os.kill(localizer.process.pid, signal.SIGKILL)
        assert localizer.process.wait(30) == -signal.SIGKILL
        sweep(held)
        assert not any(file.exists() for file in held)
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        tracked(localizer.up(), flight)
