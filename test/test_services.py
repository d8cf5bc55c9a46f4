"""Services that take long, never return or fail by a fault of the program: they are answered, and nothing else waits for them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import Flight, Localizer
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from simulated import Scene

pytestmark = [pytest.mark.slow, pytest.mark.waits]

# what the process runs before its program: the work of each service does as the file of its name says
HARM = """
import pathlib, time, threading
import promptmid_ros.services as services
FOLDER = pathlib.Path({folder!r})
def harmed(name, work):
    def instead(*given, **named):
        while (FOLDER / name / "hang").exists():
            time.sleep(0.01)
        if (FOLDER / name / "fail").exists():
            raise ZeroDivisionError("as the test wants")
        return work(*given, **named)
    return instead
services.open_localizer = harmed("reload_map", services.open_localizer)
services.save_snapshot = harmed("save_snapshot", services.save_snapshot)
"""
SERVICES = ["reload_map", "save_snapshot"]


@pytest.fixture(scope="module")
def flight(scene: Scene) -> Flight:
    return Flight(scene.bag)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("harmed")


@pytest.fixture(scope="module")
def node(scene: Scene, folder: Path) -> Iterator[Localizer]:
    with harmed(scene, folder) as localizer:
        yield localizer


@pytest.fixture
def localizer(node: Localizer, flight: Flight) -> Localizer:
    """The node, with a track."""
    assert [flight.show(node)["reason"] for _ in range(3)][-1] == "fix"
    return node


@contextmanager
def harmed(scene: Scene, folder: Path) -> Iterator[Localizer]:
    for name in SERVICES:
        (folder / name).mkdir()
    with Localizer(folder, harm=HARM.format(folder=str(folder)), map=scene.map_path, service_timeout_s=2.0,
                   snapshot_dir=folder / "shots") as localizer:
        localizer.up()
        yield localizer


def faults(localizer: Localizer) -> int:
    """The program errors that the node has counted."""
    return int(localizer.await_health()["program_errors"])


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_waits_for_one_that_hangs(localizer: Localizer, flight: Flight, folder: Path, name: str) -> None:
    before, hang = faults(localizer), folder / name / "hang"
    hang.touch()
    other = next(service for service in SERVICES if service != name)
    answer = localizer.later(name)
    # images, odometry, diagnostics and the other services
    assert flight.show(localizer)["reason"] == "fix"
    assert localizer.await_health()["lifecycle"] == "active"
    assert localizer.trigger(other).success
    assert localizer.trigger("relocalize").success
    told = answer()
    assert not told.success
    assert f"{name} did not end within 2 s" in told.message
    again = localizer.trigger(name)
    assert not again.success
    assert f"an earlier {name} has not ended yet" in again.message
    # its result counts no more, and the next is as any other
    track = [flight.show(localizer)["reason"] for _ in range(3)]
    assert track[-1] == "fix"
    hang.unlink()
    until_free(localizer, name)
    assert flight.state(localizer) == ("SEARCHING" if name == "reload_map" else "TRACKING")
    assert faults(localizer) == before


def until_free(localizer: Localizer, name: str) -> None:
    for _ in range(100):
        answer = localizer.trigger(name)
        if answer.success:
            return
        assert "has not ended yet" in answer.message, answer.message
    pytest.fail("the service is never free again")


@pytest.mark.parametrize("name", SERVICES)
def test_the_process_ends_beside_one_that_hangs(scene: Scene, flight: Flight, tmp_path: Path, name: str) -> None:
    with harmed(scene, tmp_path) as localizer:
        flight.show(localizer)
        (tmp_path / name / "hang").touch()
        localizer.later(name)
        assert localizer.trigger("relocalize").success
        localizer.process.send_signal(signal.SIGINT)
        assert localizer.process.wait(30) == 0


@pytest.mark.parametrize("name", SERVICES)
def test_a_fault_of_the_program_is_answered_counted_and_told_once(localizer: Localizer, flight: Flight, folder: Path,
                                                                  name: str) -> None:
    before, told, fail = faults(localizer), localizer.log().count("Traceback"), folder / name / "fail"
    fail.touch()
    for _ in range(2):
        answer = localizer.trigger(name)
        assert not answer.success
        assert "the program failed: " in answer.message
        assert "ZeroDivisionError" in answer.message
        assert ("the old map stays" in answer.message) == (name == "reload_map")
    assert faults(localizer) == before + 2
    assert localizer.await_health().level == 2
    assert localizer.log().count("Traceback") == told + 1
    fail.unlink()
    assert flight.show(localizer)["reason"] == "fix"
    assert localizer.trigger(name).success


def test_a_request_that_fails_in_rclpy_itself_is_answered(localizer: Localizer, flight: Flight) -> None:
    before = faults(localizer)
    bad = [Parameter(name="patch_px", value=ParameterValue(type=255))]
    assert not localizer.ask("set_parameters", SetParameters.Request(parameters=bad)).results
    answer = localizer.ask("set_parameters_atomically", SetParametersAtomically.Request(parameters=bad))
    assert not answer.result.successful
    assert faults(localizer) == before + 2
    health = localizer.await_health()
    assert health.level == 2
    assert "_callback: ValueError in enum.py" in health["program_error"]
    assert flight.show(localizer)["reason"] == "fix"
