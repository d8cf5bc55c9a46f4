"""The package as a whole: what it says about itself agrees, its layers hold, and nothing is left out of an installation."""

import ast
import configparser
import email
import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path

import pytest
from catkin_pkg.package import parse_package
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import promptmid_core

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = {"dask", "distributed", "jinja2", "matplotlib", "pystac", "pystac_client", "rasterio", "rclpy", "rosbags", "torch"}
# rooms of promptmid_core that no aircraft loads
GROUND = {"audit", "bench", "calibration", "cli", "doctor", "export", "fetch", "networks", "preview", "replay", "simulation",
          "training", "refmap.build", "bags.bag"}
HEAVY = OFFLINE | {"cv2", "numpy", "onnxruntime", "pyproj", "scipy", "zarr"}


def run(*command: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def manifest():
    warnings: list[str] = []
    package = parse_package(str(ROOT), warnings=warnings)
    assert not warnings
    return package


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """What setup.py builds: the folder of the packages, and beside it their metadata."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "lib").mkdir()
    build = ("egg_info", "--egg-base", str(folder), "build_py", "--build-lib", str(folder / "lib"))
    done = run(sys.executable, "-W", "ignore", "setup.py", "-q", *build)
    assert done.returncode == 0, done.stderr
    return folder


def test_manifest_names_what_the_node_and_its_tests_need(manifest):
    needed = {depend.name for depend in manifest.exec_depends}
    messages = {f"{name}_msgs" for name in ("diagnostic", "geometry", "lifecycle", "nav", "sensor", "std", "visualization")}
    assert needed >= {"rclpy", "cv_bridge", "launch", "launch_ros", "std_srvs", "python3-numpy", "python3-opencv"} | messages
    assert "launch_testing" in {depend.name for depend in manifest.test_depends}
    assert manifest.get_build_type() == "ament_python"


def test_versions_and_licence_agree(manifest, built):
    metadata = (built / "promptmid_ros.egg-info" / "PKG-INFO").read_text()
    versions = {
        "package.xml": manifest.version,
        "setup.py": re.search(r"^Version: (.+)$", metadata, re.MULTILINE).group(1),
        "promptmid_core": promptmid_core.__version__,
        "CHANGELOG.md": re.search(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE).group(1),
    }
    assert len(set(versions.values())) == 1, versions
    assert [str(licence) for licence in manifest.licenses] == ["Apache-2.0"]
    assert "\nLicense: Apache-2.0\n" in metadata
    assert "Apache License" in (ROOT / manifest.licenses[0].file).read_text()


def test_installation_leaves_no_file_of_the_packages_out(built):
    for package in ("promptmid_core", "promptmid_ros"):
        wanted = {path.relative_to(ROOT) for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix != ".pyc"}
        found = {path.relative_to(built / "lib") for path in (built / "lib" / package).rglob("*") if path.is_file()}
        assert wanted - found == set()


def test_source_distribution_leaves_no_file_of_the_repository_out(tmp_path):
    """Of a copy, as setuptools links and writes beside setup.py."""
    listed = run("git", "ls-files", "-z") if shutil.which("git") else None
    if listed is None or listed.returncode or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout of git, so that nothing tells what belongs to the repository")
    tracked = {name for name in listed.stdout.split("\0") if (ROOT / name).is_file()}
    for name in tracked:
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / "tree" / name)
    done = run(sys.executable, "-W", "ignore", "setup.py", "-q", "sdist", "--dist-dir", str(tmp_path), cwd=tmp_path / "tree")
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames() if "/" in name}
    assert tracked - held == set()


def test_metadata_tells_a_stranger_what_it_is(built):
    metadata = email.message_from_string((built / "promptmid_ros.egg-info" / "PKG-INFO").read_text())
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().strip() == (ROOT / "README.md").read_text().strip()
    assert {line.split(", ")[0] for line in metadata.get_all("Project-URL")} >= {"Documentation", "Source", "Changelog"}
    assert metadata["Home-page"] and metadata["Keywords"] and len(metadata.get_all("Classifier")) > 5


def test_every_command_exists(built):
    entries = configparser.ConfigParser()
    entries.read(built / "promptmid_ros.egg-info" / "entry_points.txt")
    assert "promptmid" in entries["console_scripts"]
    for target in entries["console_scripts"].values():
        module, function = target.split(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_every_requirement_is_pinned_within_its_bounds(built):
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#"))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    lines = (built / "promptmid_ros.egg-info" / "requires.txt").read_text().splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("[")]
    assert len(wanted) > 20
    for requirement in wanted:
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin and requirement.specifier.contains(pin), f"constraints.txt has no pin within {requirement}"


# the rooms whose files need an extra of setup.py as a whole; elsewhere a library of an extra is imported where it is used
ROOMS_OF_EXTRAS = {"training": "train", "networks": "train", "export": "train", "runtime/tensorrt": "tensorrt-rtx"}
EXTRAS = ("train", "tensorrt-rtx", "text", "peers", "mavlink", "fetch")


def imported_by(path: Path, *, at_the_top: bool) -> set[str]:
    """The libraries that a file imports as it is loaded, or those that it imports later, within functions."""
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    names: set[str] = set()
    for node in ast.walk(tree):
        if (id(node) in top) is at_the_top:
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names


@cache
def required(built: Path, *extras: str) -> set[str]:
    """The distributions that setup.py requires, and those of its extras."""
    sections = (built / "promptmid_ros.egg-info" / "requires.txt").read_text().split("\n\n[")
    lines = [line for section in sections[1:] for extra in extras if re.match(f"{extra}[]:]", section)
             for line in section.splitlines()[1:]]
    return {canonicalize_name(Requirement(line).name) for line in [*sections[0].splitlines(), *lines]}


def provided() -> dict[str, set[str]]:
    """The installed libraries, each with the distributions that it comes from."""
    found = importlib.metadata.packages_distributions()
    return {name: {canonicalize_name(distribution) for distribution in found[name]} for name in found}


def test_every_library_that_is_imported_is_a_requirement(built, manifest):
    providers = provided()
    # TensorRT is there under one of several names, or not at all; its type stubs have one name
    own = {"tensorrt", "promptmid_core", "promptmid_ros", *sys.stdlib_module_names, *(it.name for it in manifest.exec_depends)}

    def comes_with(name: str, wanted: set[str]) -> bool:
        if name in providers:
            return bool(wanted & providers[name])
        # not installed, so that its name has to do: `cuda` is of cuda-bindings
        return any(f"{each}-".startswith(f"{canonicalize_name(name)}-") for each in wanted)

    def lacking(names: set[str], *extras: str) -> set[str]:
        wanted = required(built, *extras)
        return {name for name in names - own if not comes_with(name, wanted)}

    for package in ("promptmid_core", "promptmid_ros"):
        for path in ROOT.glob(f"{package}/**/*.py"):
            room = path.relative_to(ROOT / package).parent.as_posix()
            extra = ROOMS_OF_EXTRAS.get(room, "")
            at_once, later = imported_by(path, at_the_top=True), imported_by(path, at_the_top=False)
            assert not lacking(at_once, extra), f"{path} needs what setup.py or package.xml does not name"
            assert not lacking(later, *EXTRAS), f"{path} needs what setup.py or package.xml does not name"


def test_weights_are_loaded_as_tensors_alone():
    """Ruff knows of pickle and YAML, and not of torch."""
    folders = ("promptmid_core", "promptmid_ros", "examples", "benchmarks", "test")
    for path in (path for folder in folders for path in ROOT.glob(f"{folder}/**/*.py")):
        text = path.read_text()
        # most name neither, and need not be parsed
        for node in ast.walk(ast.parse(text)) if "torch" in text and "load" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                told = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert told.get("weights_only") == "True", f"{path}:{node.lineno}"


# what others who write adapters import by this name, and what it is called within
TWICE = {"Patch": {"promptmid_core/bench/matchers/matcher.py", "promptmid_core/geometry/image.py"}}


def test_every_class_name_stands_once():
    places: dict[str, set[str]] = {}
    for path in (*ROOT.glob("promptmid_core/**/*.py"), *ROOT.glob("promptmid_ros/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, set()).add(path.relative_to(ROOT).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1} == TWICE


IMPORT_WITHOUT = """
import importlib, importlib.machinery, pathlib, sys

class Without(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, *place):
        return None if name.split(".")[0] in sys.argv[1:] else super().find_spec(name, *place)

sys.meta_path = [Without if finder is importlib.machinery.PathFinder else finder for finder in sys.meta_path]
sys.path.insert(0, "test")
for path in sorted(pathlib.Path("test").glob("test_*.py")):
    try:
        importlib.import_module(path.stem)
    except BaseException as error:
        print(path.name, type(error).__name__, error)
print("done")
"""


def test_every_test_file_can_be_imported_without_the_extras(built):
    """Under `colcon test` launch's plugin imports each: one that cannot be ends the run, one that is skipped then empties it."""
    always = required(built, "test", "ros")
    extras = required(built, "dev", *EXTRAS) - always
    hidden = sorted(name for name, providers in provided().items() if providers & extras and not providers & always)
    done = run(sys.executable, "-c", IMPORT_WITHOUT, *hidden)
    # where ROS 2 is not installed there is no plugin either
    told = [line for line in done.stdout.splitlines() if "ROS 2" not in line]
    assert told == ["done"], done.stderr


# what a requirement is called in the keys of rosdep, where that is not its own name
ROSDEP_NAMES = {"opencv-python-headless": "opencv", "pyyaml": "yaml", "catkin-pkg": "catkin-pkg-modules"}
NO_ROSDEP_KEY = {"affine", "dask", "distributed", "google-crc32c", "import-linter", "numcodecs", "threadpoolctl", "zarr"}
# `colcon test` runs in one process, and each test once
ONLY_MAKE_TEST = {"pytest-rerunfailures", "pytest-xdist"}


def test_manifest_names_the_requirements_of_pip_that_rosdep_knows(built, manifest):
    keys = {depend.name for depend in (*manifest.exec_depends, *manifest.test_depends) if depend.name.startswith("python3-")}
    wanted = {ROSDEP_NAMES.get(name, name) for name in required(built, "test") - NO_ROSDEP_KEY - ONLY_MAKE_TEST}
    assert {key.removeprefix("python3-").removesuffix("-pip") for key in keys} == wanted


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return run(sys.executable, "-c", program, "--no-logo", "--no-cache", cwd=folder)


def test_layers_hold():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("geometry/grid.py", "import promptmid_core.localization.fix", "Each layer imports only those below it"),
        ("prompts/prompt.py", "import rclpy", "The core knows nothing of ROS"),
        ("unheard_of.py", "", "Each layer imports only those below it"),
    ],
)
def test_a_breach_of_the_layers_is_found(tmp_path, module, line, contract):
    for package in ("promptmid_core", "promptmid_ros"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "promptmid_core" / module).open("a") as source:
        source.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout


def test_import_of_the_package_is_light():
    done = run(sys.executable, "-c", "import sys, promptmid_core; print(*{name.split('.')[0] for name in sys.modules})")
    assert HEAVY.isdisjoint(done.stdout.split())


def test_what_flies_loads_nothing_that_prepares():
    """The node with all that it loads, and both descriptors, opened and used: no offline library, no room of the ground."""
    program = (
        "import sys\n"
        "import numpy as np\n"
        "import promptmid_core.localization.localizer, promptmid_core.localization.intake\n"
        "from promptmid_core.descriptors import load\n"
        "from promptmid_core.geometry import Grid, Patch\n"
        "from promptmid_core.prompts.prompt import Modality, Prompt\n"
        "patch = Patch(np.zeros((64, 64), np.uint8), np.ones((64, 64), bool), Grid(0.0, 0.0, 1.0, 64, 64))\n"
        "for name in ('structural', 'promptmid'):\n"
        "    load(name).describe(patch, Prompt(Modality.OPTICAL))\n"
        "print(*sys.modules)"
    )
    modules = set(run(sys.executable, "-c", program).stdout.split())
    assert {"promptmid_core.localization.localizer", "onnxruntime"} <= modules
    assert OFFLINE.isdisjoint(name.split(".")[0] for name in modules)
    loaded = {".".join(name.split(".")[1:3]) for name in modules if name.startswith("promptmid_core.")}
    assert not {name for name in loaded if name.split(".")[0] in GROUND or name in GROUND}


@pytest.mark.parametrize(("words", "tests"), [([], "test"), (["long"], "test-long")])
@pytest.mark.parametrize("broken", ["", "lint", "test"])
def test_ci_runs_lint_and_tests_and_fails_with_either(tmp_path, broken, words, tests):
    broken = broken.replace("test", tests)
    stand_in = tmp_path / "make"
    stand_in.write_text(f'#!/bin/sh\nfor goal; do :; done\necho "$goal" >> {tmp_path}/calls\n[ "$goal" != "{broken}" ]\n')
    stand_in.chmod(0o755)
    done = run("bash", str(ROOT / ".ci" / "run"), *words, cwd=tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert sorted((tmp_path / "calls").read_text().split()) == ["lint", tests]
    assert (done.returncode == 0) == (broken == "")


def test_make_test_leaves_out_what_is_long_and_nothing_else():
    short, whole = (run("make", "--no-print-directory", "-n", target).stdout.splitlines()[-1] for target in ("test", "test-long"))
    assert short == f"{whole} -m 'not long'"
    assert " -m " not in whole.split("pytest", 1)[1] and " -k " not in whole


@pytest.mark.skipif(not (ROOT / ".venv/typings").is_dir(), reason="make mypy has not been run here")
def test_mypy_knows_the_interface_of_tensorrt():
    program = "import tensorrt as trt\ndef f(c: trt.IExecutionContext) -> bool:\n    return c.execute_async_v3({})\n"
    for stream, status in ((0, 0), ('"0"', 1)):
        done = run(sys.executable, "-m", "mypy", "--strict", "-c", program.format(stream))
        assert done.returncode == status, done.stdout


def test_lint_means_all_three_linters():
    commands = run("make", "--no-print-directory", "-n", "lint").stdout
    for linter in ("ruff check", "mypy --strict promptmid_core promptmid_ros", "lint-imports"):
        assert linter in commands
