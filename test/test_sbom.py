"""The bill of materials that `make sbom` writes is whole, and says nothing of the machine that it was made on."""

import subprocess
import sys
from pathlib import Path

import pytest
from scripts import FOLDER, script

sbom = script("sbom")
HOME = {"type": "website", "url": "https://example.org"}


def bom(**versions: str) -> dict:
    return {"components": [{"name": name, "version": version} for name, version in versions.items()]}


@pytest.mark.parametrize(("installed", "told"), [
    ({"A_b": "1", "c": "2"}, []),
    ({"a-b": "1"}, ["c is not installed and 2 listed"]),
    ({"a-b": "1", "c": "3"}, ["c is 3 installed and 2 listed"]),
    ({"a-b": "1", "c": "2", "d": "4"}, ["d is 4 installed and not listed"]),
])
def test_what_is_missing_is_told(installed: dict[str, str], told: list[str]) -> None:
    assert sbom.differences(bom(a_b="1", c="2"), installed) == told


def test_no_folder_of_this_machine_is_in_it() -> None:
    made = {"components": [{"name": "own", "externalReferences": [{"type": "distribution", "url": "file:///home/me"}, HOME]},
                           {"name": "other", "externalReferences": [HOME]}, {"name": "third"}]}
    assert sbom.without_places(made)["components"] == [
        {"name": "own", "externalReferences": [HOME]}, {"name": "other", "externalReferences": [HOME]}, {"name": "third"}]


def test_a_folder_that_is_no_environment_is_refused(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, FOLDER / "sbom.py", tmp_path / "none", tmp_path / "sbom.json"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("make sbom: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "sbom.json").exists()
