"""An answer that the middleware drops costs no test and no rehearsal; a node that is silent is told."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ACTIVATE, CONFIGURE, Localizer
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from simulated import Scene

import promptmid_ros.rehearsal.process as process
from promptmid_core.errors import InputError
from promptmid_ros.rehearsal.live import ros_node
from promptmid_ros.rehearsal.questions import DROPPED, WARNINGS, tell_dropped

pytestmark = pytest.mark.slow

# what the node runs before its program: so many answers of a service are lost, as the files of their names say, and told or not
LOSING = """
import pathlib, warnings
from rclpy.service import Service
FOLDER, send = pathlib.Path({folder!r}), Service.send_response
def losing(self, response, header):
    file = FOLDER / self.srv_name.rpartition("/")[2]
    left = int(file.read_text()) if file.exists() else 0
    if not left:
        return send(self, response, header)
    file.write_text(str(left - 1))
    if {told}:
        warnings.warn("failed to send response (timeout): """ + DROPPED + """", RuntimeWarning)
Service.send_response = losing
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lost")


@pytest.fixture(scope="module")
def losing(folder: Path, scene: Scene) -> Iterator[Localizer]:
    """A node that tells what it loses, as the middleware does, and has lost the first two answers."""
    (folder / "get_state").write_text("2")
    with Localizer(folder, harm=LOSING.format(folder=str(folder), told=True), map=scene.map_path) as localizer:
        assert localizer.state() == "unconfigured"
        yield localizer


def lose(folder: Path, service: str, number: int = 1) -> None:
    (folder / service).write_text(str(number))


def test_a_question_whose_answer_was_lost_is_asked_again(losing: Localizer, folder: Path) -> None:
    for service, number in (("get_state", 1), ("get_state", 3)):
        lose(folder, service, number)
        assert losing.state() == "unconfigured"
    lose(folder, "relocalize", 2)
    answer = losing.later("relocalize")
    assert not answer().success


def test_a_transition_whose_answer_was_lost_is_judged_by_the_state_reached(losing: Localizer, folder: Path) -> None:
    for transition, succeeds in ((CONFIGURE, True), (CONFIGURE, False), (ACTIVATE, True)):
        if succeeds:
            lose(folder, "change_state")
            # which may be lost too
            lose(folder, "get_state")
        assert losing.change(transition) == succeeds
    assert losing.state() == "active"
    assert losing.log().count("the localizer is active") == 1


def test_a_refused_transition_whose_answer_was_lost_is_refused(folder: Path, tmp_path: Path) -> None:
    with Localizer(tmp_path, harm=LOSING.format(folder=str(tmp_path), told=True), map=tmp_path / "nothing") as localizer:
        lose(tmp_path, "change_state")
        assert not localizer.change(CONFIGURE)
        assert localizer.log().count("configure failed") == 1


def test_a_node_that_is_silent_is_told(tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with Localizer(tmp_path, harm=LOSING.format(folder=str(tmp_path), told=False), map=scene.map_path) as localizer:
        assert localizer.state() == "unconfigured"
        monkeypatch.setattr("harness.WAIT_S", 2.0)
        lose(tmp_path, "change_state")
        with pytest.raises(AssertionError, match=r"~/change_state was not answered"):
            localizer.change(CONFIGURE)
        lose(tmp_path, "relocalize")
        with pytest.raises(AssertionError, match=r"~/relocalize was not answered"):
            localizer.trigger("relocalize", 2.0)
        # once it has been met, not even this question
        lose(tmp_path, "get_state")
        with pytest.raises(AssertionError, match=r"~/get_state was not answered"):
            localizer.ask("get_state", GetState.Request(), 2.0)
        assert localizer.state() == "inactive"


@pytest.mark.parametrize("told", [True, False])
def test_a_rehearsal_outlives_a_lost_answer_and_tells_silence(told: bool, tmp_path: Path, scene: Scene,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(LOSING.format(folder=str(tmp_path), told=told))
    for name, value in (("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"), ("ROS_LOG_DIR", str(tmp_path)),
                        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST"), ("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))):
        monkeypatch.setenv(name, value)
    lose(tmp_path, "get_state")
    lose(tmp_path, "change_state")
    monkeypatch.setattr(process, "CONFIGURE_S", 60.0 if told else 5.0)
    with ros_node("rehearsal") as node:
        localizer = process.LocalizerProcess(node, {"map": str(scene.map_path)}, tmp_path / "log")
        if told:
            with localizer:
                assert localizer.state() == State.PRIMARY_STATE_ACTIVE
        else:
            with pytest.raises(InputError, match=r"did not answer /localizer/change_state within 5 s"), localizer:
                pass


def test_what_the_user_says_of_warnings_stays() -> None:
    own: dict[str, str] = {}
    tell_dropped(own)
    users = {"PYTHONWARNINGS": "ignore"}
    tell_dropped(users)
    assert (own["PYTHONWARNINGS"], users["PYTHONWARNINGS"]) == (WARNINGS, f"ignore,{WARNINGS}")
