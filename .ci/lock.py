"""Makes locks/ anew from setup.py and constraints.txt: every file that pip may take, by its SHA-256. `make lock` runs it.

uv resolves and asks PyPI for the hashes; it is installed into a folder of its own, which goes again.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS, PINS = ROOT / "locks", ROOT / "constraints.txt"
UV = "uv==0.13.9"
HEADER = "# made by `make lock`: {}\n"
# the machines and Pythons that the locks are for
MACHINES, PYTHONS = ("x86_64", "aarch64"), ("3.11", "3.12", "3.13")
# what only those builds of PyTorch need that bring CUDA, as PyPI's for Linux do
CUDA = re.compile(r"cuda-toolkit|nvidia-.*|triton")
# PyTorch's own builds for processors alone, which are not on PyPI; pip takes one where its settings name a place that has it
CPU_BUILDS = {"torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl":
              "sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"}


@dataclass(frozen=True)
class Entry:
    """A requirement with its marker, as uv writes it, and the hashes of its files."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    def text(self) -> str:
        lines = [str(self.requirement).replace(";", " ;", 1), *(f"--hash={each}" for each in self.hashes)]
        return " \\\n    ".join(lines) + "\n"


def read(text: str) -> list[Entry]:
    """Return what a lock holds: a requirement a line, continued by its hashes."""
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = []
    for line in lines:
        words, *hashes = line.split("--hash=")
        found.append(Entry(Requirement(words.strip()), tuple(each.strip() for each in hashes)))
    return found


def wanted(entry: Entry) -> bool:
    """Return whether one of our machines takes it."""
    marker = entry.requirement.marker
    on = [{"platform_machine": machine, "python_version": python, "python_full_version": f"{python}.0"}
          for machine, python in product(MACHINES, PYTHONS)]
    linux = default_environment() | {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    return marker is None or any(marker.evaluate(linux | each) for each in on)


def resolve(uv: Path, requirements: str, *options: str) -> list[Entry]:
    """Return what requirements, a line each, come to with these further words for uv."""
    command = [str(uv), "pip", "compile", "--quiet", "--universal", "--python-version", PYTHONS[0], "--generate-hashes",
               "--no-annotate", "--no-header", "--no-strip-extras", "--constraints", str(PINS), "-", *options]
    done = subprocess.run(command, input=requirements, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"make lock: uv failed: {done.stderr.strip()}")
    return [each for each in read(done.stdout) if wanted(each)]


def write(name: str, what: str, entries: list[Entry]) -> None:
    (LOCKS / f"{name}.txt").write_text(HEADER.format(what) + "".join(entry.text() for entry in entries))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, UV], check=True)
        uv = Path(folder, "bin", "uv")
        LOCKS.mkdir(exist_ok=True)
        build = "\n".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"])
        stubs = next(line for line in PINS.read_text().splitlines() if line.startswith("tensorrt-stubs=="))
        dev = resolve(uv, build, "setup.py", "--extra=dev")
        cuda = [each for each in dev if CUDA.fullmatch(each.name)]
        write("build", "what builds the package", resolve(uv, build))
        write("package", "what the package requires, without extras", resolve(uv, build, "setup.py"))
        write("ros", "the extra ros, ROS 2 without an installation of it", resolve(uv, build, "setup.py", "--extra=ros"))
        write("dev", "the extra dev, but for the CUDA libraries of PyTorch", [each for each in dev if each not in cuda])
        (torch,) = (each for each in dev if each.name == "torch")
        write("torch", "PyTorch of PyPI", [torch])
        write("torch-cpu", f"PyTorch for processors alone, {', '.join(CPU_BUILDS)}",
              [Entry(Requirement(f"{torch.requirement}+cpu"), tuple(CPU_BUILDS.values()))])
        write("torch-cuda", "the CUDA libraries that PyPI's PyTorch requires", cuda)
        # what they require themselves is TensorRT, which PyPI has for few machines
        write("typings", "the stubs that .ci/typings takes", resolve(uv, stubs, "--no-deps"))


if __name__ == "__main__":
    main()
