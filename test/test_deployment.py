"""The systemd unit and the Dockerfiles name files, programs, arguments and packages that there are; none of them is run here."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "config" / "promptmid.service"
IMAGES = sorted(ROOT.glob("docker/Dockerfile.*"))
PROGRAMS = re.findall(r'"(\w+) = [\w.]+:\w+"', (ROOT / "setup.py").read_text())
ARGUMENTS = re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', (ROOT / "launch" / "localize.launch.py").read_text())


def settings(section: str) -> list[tuple[str, str]]:
    text = UNIT.read_text().partition(f"[{section}]\n")[2].partition("\n[")[0]
    return [(name, value) for name, _, value in (line.partition("=") for line in text.splitlines() if line and line[0] != "#")]


def check_command(words: list[str]) -> None:
    assert words[:3] in (["ros2", "launch", "promptmid_ros"], ["ros2", "run", "promptmid_ros"]), words
    if words[1] == "run":
        assert words[3] in PROGRAMS
        return
    assert (ROOT / "launch" / words[3]).is_file()
    given = [word.partition(":=")[0] for word in words[4:]]
    assert "map" in given and set(given) <= set(ARGUMENTS)


def instructions(image: Path) -> list[tuple[str, str]]:
    lines = [line for line in image.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined if line)]


def test_the_unit_starts_what_there_is_and_ends_it_by_the_signal_that_is_handed_on() -> None:
    service = dict(settings("Service"))
    (shell, flag, script) = shlex.split(service["ExecStart"])
    assert (shell, flag) == ("/bin/bash", "-c")
    check_command(shlex.split(script.partition("exec ")[2]))
    assert service["KillSignal"] == "SIGINT" and int(service["TimeoutStopSec"]) > 5
    assert service["Restart"] == "on-failure" and service["ProtectSystem"] == "strict"
    assert "Environment" in service and dict(settings("Install")) == {"WantedBy": "multi-user.target"}


def test_there_is_an_image_for_either_machine() -> None:
    assert [image.name for image in IMAGES] == ["Dockerfile.jazzy", "Dockerfile.jetpack"]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_an_image_copies_installs_and_starts_what_there_is(image: Path) -> None:
    told = instructions(image)
    for word, rest in told:
        if word == "COPY":
            for source in shlex.split(rest)[:-1]:
                assert (ROOT / source).exists(), source
    words = dict(told)
    assert words["STOPSIGNAL"] == "SIGINT"
    check_command(re.findall(r'"([^"]+)"', words["CMD"]))
    text = image.read_text()
    assert "--require-hashes -r /tmp/promptmid/package.txt" in text
    pinned = [line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()]
    (by_version,) = re.findall(r"-c /tmp/promptmid/constraints.txt ([\w ]+)", text)
    assert set(by_version.split()) == set(re.findall(r'"(\w+)>=', re.findall(r"^MAVLINK = (.+)$", (ROOT / "setup.py").read_text(),
                                                                           re.MULTILINE)[0])) <= set(pinned)
    # apt has what the manifest asks ROS for, beyond what ros-base brings
    for package in re.findall(r"ros-jazzy-([\w-]+)", text):
        name = package.replace("-", "_")
        assert name == "ros_base" or f"<exec_depend>{name}</exec_depend>" in (ROOT / "package.xml").read_text(), package


def test_the_entrypoint_hands_over_to_what_it_is_given() -> None:
    lines = (ROOT / "docker" / "entrypoint.sh").read_text().splitlines()
    assert lines[0] == "#!/bin/bash" and "set -e" in lines and lines[-1] == 'exec "$@"'


def test_the_page_shows_programs_and_files_that_there_are() -> None:
    text = (ROOT / "docs" / "recipes" / "deployment.md").read_text()
    for name in re.findall(r"-f (docker/\S+)|cp (config/\S+)", text):
        assert (ROOT / "".join(name)).is_file()
    for name in re.findall(r"ros2 run promptmid_ros (\w+)", text):
        assert name in PROGRAMS
