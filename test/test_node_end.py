"""The node's process ends in order, with status 0 and within three seconds, whatever it is doing."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import ACTIVATE, CONFIGURE, SHUTDOWN, Flight, Localizer, end
from simulated import Scene

pytestmark = [pytest.mark.slow, pytest.mark.waits]

ONCE = ((0.0, signal.SIGINT),)
TWICE = ((0.0, signal.SIGINT), (0.02, signal.SIGINT))
TERM = ((0.0, signal.SIGTERM),)
Work = Callable[[Localizer, Scene], None]


def unconfigured(localizer: Localizer, _: Scene) -> None:
    localizer.state()


def inactive(localizer: Localizer, _: Scene) -> None:
    assert localizer.change(CONFIGURE)


def active(localizer: Localizer, _: Scene) -> None:
    assert localizer.change(CONFIGURE)
    assert localizer.change(ACTIVATE)


def finalized(localizer: Localizer, _: Scene) -> None:
    localizer.state()
    assert localizer.change(SHUTDOWN["unconfigured"])


def matching(localizer: Localizer, scene: Scene) -> None:
    localizer.up()
    flight = Flight(scene.bag)
    flight.show(localizer)
    flight.send(localizer, flight.next())
    time.sleep(0.02)


def waiting(localizer: Localizer, scene: Scene) -> None:
    localizer.up()
    flight = Flight(scene.bag)
    flight.send(localizer, flight.next(), odometry=[])
    time.sleep(0.1)


CASES = [(unconfigured, TWICE), (inactive, ONCE), (active, TERM), (finalized, ONCE), (matching, TWICE), (waiting, TERM)]


@pytest.mark.parametrize(("state", "signals"), CASES, ids=[state.__name__ for state, _ in CASES])
def test_a_signal_ends_the_process(scene: Scene, tmp_path: Path, state: Work,
                                   signals: tuple[tuple[float, signal.Signals], ...]) -> None:
    with Localizer(tmp_path, map=scene.map_path, prior_wait_ms=2000) as localizer:
        state(localizer, scene)
        code = end(localizer, *signals)
        assert code == 0, localizer.log()
        assert not any(word in localizer.log() for word in ("Traceback", "terminate called", "ERROR", "WARN")), localizer.log()


def test_a_signal_during_the_start_ends_the_process_too(scene: Scene, tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        status = Path(f"/proc/{localizer.process.pid}/status")
        # from where the program blocks the signal, long before there is a node to stop
        while not int(status.read_text().split("SigBlk:")[1].split()[0], 16) & 1 << signal.SIGINT - 1:
            time.sleep(0.001)
        code = end(localizer, *TWICE)
        assert code == 0, localizer.log()
        assert "Traceback" not in localizer.log()


def test_no_shared_memory_is_left_behind(scene: Scene, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "promptmid_ros.program", "--ros-args", "-p", f"map:={scene.map_path}", "-p", "autostart:=true"]
    environment = os.environ | {"ROS_DOMAIN_ID": str(1 + os.getpid() % 100), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
                                "ROS_LOG_DIR": str(tmp_path)}
    of_others = {str(path) for path in Path("/dev/shm").glob("fastdds_*")}  # which it may hold while it hears them
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    try:
        assert any("the localizer is active" in line for line in process.stderr)
        held = re.findall(r"/dev/shm/fastdds_[0-9a-f]+$", Path(f"/proc/{process.pid}/maps").read_text(), re.MULTILINE)
        segments = set(held) - of_others
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
    assert segments
    assert not [segment for segment in segments if Path(segment).exists()]
