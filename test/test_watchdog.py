"""A worker that gives no verdict is told, and another takes its place, or the process ends: as the parameter says."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ACTIVATE, DEACTIVATE, Flight, Localizer
from simulated import Scene

from promptmid_core.errors import InputError
from promptmid_core.localization.settings import DEFAULTS, Settings
from promptmid_core.localization.upkeep import EXIT, REPLACE, Upkeep
from promptmid_ros import queues
from promptmid_ros.queues import Queues
from promptmid_ros.watchdog import MOST_IN_A_ROW, Watchdog

pytestmark = [pytest.mark.slow, pytest.mark.waits]

# what a process runs before its program, so that images hang, or end their thread, as long as a file is there
HANGS = """
import pathlib, time
from promptmid_core.localization.localizer import Localizer
match = Localizer.match
def hung(self, *given):
    while pathlib.Path({file!r}).exists():
        time.sleep(0.01)
    return match(self, *given)
Localizer.match = hung
"""
DIES = """
import pathlib, sys
from promptmid_core.localization.localizer import Localizer
match = Localizer.match
def dead(self, *given):
    if pathlib.Path({file!r}).exists():
        sys.exit("as the test wants")
    return match(self, *given)
Localizer.match = dead
"""


def test_it_tells_who_hangs() -> None:
    watchdog = Watchdog(Upkeep(verdict_timeout_s=10.0))
    assert not any(watchdog.hangs(0.0, 0.0, float(second)) for second in range(100, 120))
    # an image that comes at 120.5
    assert [watchdog.hangs(second - 0.5, 0.0, 120.0 + second) for second in range(1, 12)] == [False] * 10 + [True]
    # its worker is replaced, and the next image has its verdict
    assert not watchdog.hangs(0.0, 0.0, 132.0)


@pytest.mark.parametrize("waited_s", [0.2, 7.0], ids=["an image that has just come", "one that has waited"])
def test_time_in_which_the_process_stood_still_does_not_count(waited_s: float) -> None:
    watchdog = Watchdog(Upkeep(verdict_timeout_s=10.0))
    for second in range(8):
        assert not watchdog.hangs(max(waited_s - (7 - second), 0.0), 0.0, 100.0 + second)
    # stopped for an hour, with that image in hand
    assert not watchdog.hangs(waited_s + 3600, 0.0, 3707.0)
    assert not watchdog.hangs(waited_s + 3601, 0.0, 3708.0)
    looks = [watchdog.hangs(waited_s + 3601 + second, 0.0, 3708.0 + second) for second in range(1, 12)]
    # and all the same it is found where the worker hangs
    assert looks == sorted(looks) and looks[-1]


@pytest.mark.parametrize("queued_s", [0.5, 0.95, 1.0])
def test_time_in_which_a_thread_stood_in_line_for_a_processor_does_not_count(queued_s: float) -> None:
    watchdog = Watchdog(Upkeep(verdict_timeout_s=10.0))
    watchdog.hangs(0.0, 0.0, 100.0)
    free = 1 - queued_s
    assert not any(watchdog.hangs(float(second), queued_s, 100.0 + second) for second in range(1, 20))
    # what a thread stood in line for is told when it ends, which may be at a later look
    assert not watchdog.hangs(20.0, 3 * queued_s, 120.0)
    looks = [watchdog.hangs(20.0 + second, 0.0, 120.0 + second) for second in range(1, 13)]
    assert looks == sorted(looks) and looks[-1], "and all the same it is found where the worker hangs"
    assert looks.index(True) + 1 > 10 - 19 * free


def test_the_thread_that_stood_in_line_longest_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def threads(**told: str) -> None:
        for name, text in told.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "schedstat").write_text(text)

    monkeypatch.setattr(queues, "TASKS", tmp_path)
    looks = Queues()
    assert looks.longest_s() == 0.0
    threads(a="5 9000000000 7\n", b="5 1000000000 7\n")
    assert looks.longest_s() == 0.0, "before the first look nobody knows when it was"
    threads(a="5 9100000000 7\n", b="5 1700000000 8\n", c="5 8000000000 7\n")
    assert looks.longest_s() == pytest.approx(0.7)
    threads(b="", c="8 8200000000 7\n")
    (tmp_path / "a" / "schedstat").unlink()
    assert looks.longest_s() == pytest.approx(0.2)
    monkeypatch.setattr(queues, "TASKS", tmp_path / "none")
    assert looks.longest_s() == 0.0


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this system does not tell how long threads stand in line")
def test_beside_another_on_its_processor_a_thread_stands_in_line() -> None:
    where, looks = os.sched_getaffinity(0), Queues()
    looks.longest_s()
    os.sched_setaffinity(0, {min(where)})
    try:
        # it inherits the processor
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
            try:
                stood = 0.0
                while stood < 0.1:
                    stood += looks.longest_s()
            finally:
                other.kill()
    finally:
        os.sched_setaffinity(0, where)


def test_what_hangs_one_after_the_other_ends_the_process() -> None:
    watchdog = Watchdog(Upkeep(on_verdict_timeout=REPLACE))
    assert [watchdog.ends("hung", judged) for judged in (5, 6, 7)] == [False] * MOST_IN_A_ROW
    assert watchdog.ends("hung", 8)
    assert (watchdog.replaced, watchdog.problem) == (4, "hung")

    watchdog = Watchdog(Upkeep(on_verdict_timeout=REPLACE))
    # with verdicts of their own between them
    assert not any(watchdog.ends("hung", judged) for judged in (5, 10, 15, 20, 25))
    # and where there is not even one on the image in hand
    watchdog = Watchdog(Upkeep(on_verdict_timeout=REPLACE))
    assert [watchdog.ends("hung", 5) for _ in range(4)] == [False, False, False, True]


def test_the_process_ends_at_once_where_it_shall() -> None:
    assert Watchdog(Upkeep(on_verdict_timeout=EXIT)).ends("hung", 100)
    with pytest.raises(InputError, match="on_verdict_timeout is 'stop', not 'replace' or 'exit'"):
        Settings.read(dict(DEFAULTS, on_verdict_timeout="stop"))


@pytest.mark.parametrize(("harm", "place"), [(HANGS, "at work in worker.py"), (DIES, "its thread has ended")],
                         ids=["hangs", "dies"])
def test_another_worker_takes_over(scene: Scene, tmp_path: Path, harm: str, place: str) -> None:
    stuck, flight = tmp_path / "stuck", Flight(scene.bag)
    with Localizer(tmp_path, harm=harm.format(file=str(stuck)), map=scene.map_path, verdict_timeout_s=1.0) as localizer:
        localizer.up()
        assert [flight.show(localizer)["reason"] for _ in range(3)][-1] == "fix"
        stuck.touch()
        lost = flight.show(localizer)
        stuck.unlink()
        assert (lost["verdict"], lost["reason"], lost.level) == ("no fix", "internal_error", 2)
        assert "for its verdict" in lost["sentence"]
        # the track is the lost worker's
        assert flight.state(localizer) == "SEARCHING"
        assert [flight.show(localizer)["reason"] for _ in range(2)] == ["fix"] * 2
        localizer.await_health()
        told = [health for health in localizer.health if health.values.get("workers_replaced") == "1"]
        assert told and all(health.level == 2 and "workers_replaced" in health.message for health in told)
        assert place in told[-1]["worker_problem"]
        assert localizer.health[-1]["images_received"] == localizer.health[-1]["images_processed"] == "7"


@pytest.mark.parametrize(("action", "hung"), [("exit", 1), ("replace", MOST_IN_A_ROW + 1)])
def test_the_process_ends_with_1(scene: Scene, tmp_path: Path, action: str, hung: int) -> None:
    stuck, flight = tmp_path / "stuck", Flight(scene.bag)
    harm = HANGS.format(file=str(stuck))
    with Localizer(tmp_path, harm=harm, map=scene.map_path, verdict_timeout_s=1.0, on_verdict_timeout=action) as localizer:
        localizer.up()
        stuck.touch()
        for _ in range(hung):
            assert flight.show(localizer)["reason"] == "internal_error"
        assert localizer.process.wait(30) == 1
        last = localizer.log().strip().splitlines()[-1]
        assert "localizer: an image has waited" in last
        assert "Traceback" not in localizer.log()


def test_it_deactivates_and_ends_beside_a_worker_that_hangs(scene: Scene, tmp_path: Path) -> None:
    stuck, flight = tmp_path / "stuck", Flight(scene.bag)
    with Localizer(tmp_path, harm=HANGS.format(file=str(stuck)), map=scene.map_path) as localizer:
        localizer.up()
        stuck.touch()
        flight.send(localizer, flight.next())
        assert localizer.change(DEACTIVATE)
        assert localizer.change(ACTIVATE)
        flight.send(localizer, flight.next())
        localizer.process.send_signal(signal.SIGTERM)
        assert localizer.process.wait(30) == 0
