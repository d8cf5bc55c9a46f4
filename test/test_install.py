"""`make install`: what it does when it is interrupted, repeated, or started where it cannot work.

A stand-in for Python makes a .venv whose pip notes its calls and fails on demand, so that no package is downloaded.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

STAND_IN = """#!/bin/sh
case "$1 $2" in
  "-m venv") for folder; do :; done; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python"; echo venv >>calls ;;
  "-m pip") case "$*" in
    *--dry-run*) [ -f cpu_build ] ;;
    *) echo pip >>calls; for word; do case "$word" in locks/*) echo "$word" >>locks_taken ;; esac; done; [ ! -f no_network ] ;;
    esac ;;
  "-c import cv2"*) ;;
  *) exec "{python}" "$@" ;;
esac
"""


# setuptools, PyTorch, all else, and the package itself
WHOLE = ["venv", "pip", "pip", "pip", "pip"]


@pytest.fixture
def project(tmp_path):
    """A copy of what the installation reads, in a folder with a space in its name."""
    folder = tmp_path / "a clone"
    (folder / ".ci").mkdir(parents=True)
    shutil.copytree(ROOT / "locks", folder / "locks")
    for name in ("setup.py", "setup.cfg", "Makefile", ".ci/install"):
        shutil.copy(ROOT / name, folder / name)
    stand_in = folder / "python-stand-in"
    stand_in.write_text(STAND_IN.format(python=sys.executable))
    stand_in.chmod(0o755)
    return folder


def install(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in {"ROS_DISTRO", "MAKEFLAGS", "MAKELEVEL"}}
    settings = clean | {"PYTHON": "./python-stand-in"} | environment
    return subprocess.run(["make", "install"], cwd=folder, env=settings, capture_output=True, text=True, check=False)


def calls(folder: Path) -> list[str]:
    """What was called since the last look."""
    log = folder / "calls"
    made = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return made


def test_second_run_has_nothing_to_do(project):
    assert install(project).returncode == 0
    assert calls(project) == WHOLE
    assert install(project).returncode == 0
    assert calls(project) == []


def test_failed_download_is_told_and_the_next_run_starts_anew(project):
    (project / "no_network").touch()
    failed = install(project)
    assert failed.returncode != 0
    assert "run the same command again" in failed.stderr
    assert calls(project) == ["venv", "pip"]

    (project / "no_network").unlink()
    (project / ".venv" / "leftover").touch()
    assert install(project).returncode == 0
    assert calls(project) == WHOLE
    assert not (project / ".venv" / "leftover").exists()


def test_changed_pins_are_installed_into_the_same_environment(project):
    install(project)
    calls(project)
    with (project / "locks/dev.txt").open("a") as lock:
        lock.write("# changed\n")
    (project / "no_network").touch()
    assert install(project).returncode != 0
    assert calls(project) == ["pip"]
    # the environment is half changed now, so that it is made again from nothing
    (project / "no_network").unlink()
    assert install(project).returncode == 0
    assert calls(project) == WHOLE


@pytest.mark.parametrize("cpu", [True, False])
def test_pytorch_comes_without_cuda_where_pip_finds_such_a_build(project, cpu):
    if cpu:
        (project / "cpu_build").touch()
    done = install(project)
    assert done.returncode == 0
    taken = (project / "locks_taken").read_text().split()
    torch = ["locks/torch-cpu.txt"] if cpu else ["locks/torch.txt"]
    assert taken == ["locks/build.txt", *torch, "locks/dev.txt", "locks/ros.txt", *([] if cpu else ["locks/torch-cuda.txt"])]
    assert ("with CUDA is taken" in done.stdout) is not cpu


def test_no_file_is_installed_that_has_no_hash(project):
    """The package itself, from its folder, brings nothing along."""
    lines = [line for line in (project / ".ci/install").read_text().splitlines() if line.startswith("pip ")]
    assert len(lines) == 4
    for line in lines:
        assert ("--require-hashes" in line) is not ("--no-deps --no-build-isolation --editable ." in line)


def test_moved_clone_is_installed_again(project):
    install(project)
    calls(project)
    moved = project.rename(project.parent / "moved")
    assert install(moved).returncode == 0
    assert calls(moved) == WHOLE


def test_unusable_python_is_named(project):
    failed = install(project, PYTHON="/no/such/python")
    assert failed.returncode != 0
    assert "PYTHON=/no/such/python does not run or is older than Python 3.11" in failed.stderr
    assert calls(project) == []


def test_sourced_ros_of_another_python_is_refused(project):
    rclpy = project / "ros" / "rclpy"
    rclpy.mkdir(parents=True)
    (rclpy / "__init__.py").touch()
    (rclpy / "_rclpy_pybind11.cpython-399-x86_64-linux-gnu.so").touch()
    failed = install(project, ROS_DISTRO="jazzy", PYTHONPATH=str(rclpy.parent))
    assert failed.returncode != 0
    assert "ROS 2 jazzy is sourced" in failed.stderr
    assert "built for cpython-399-x86_64-linux-gnu" in failed.stderr
    assert calls(project) == []
