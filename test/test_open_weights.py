"""`make weights OPEN=1`: what it leaves out, and that the model card tells every source with its licence."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CARD = (ROOT / "promptmid_core/weights/compact/MODEL_CARD.md").read_text()


def told(*words: str) -> str:
    """The commands of `make weights`, which are not run."""
    return subprocess.run(["make", "-n", "weights", "PROMPTMID_DATA=/data", *words], cwd=ROOT, capture_output=True, text=True,
                          check=True).stdout


def sources(commands: str) -> set[str]:
    (named,) = re.findall(r"--sources (\S+) --out", commands)
    return {"california", *named.split(",")}


def licences() -> dict[str, tuple[str, str, str]]:
    """By source what the card says of its licence, whether it is in the weights, and whether OPEN=1 has it."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in CARD.splitlines() if line.startswith("| `")]
    return {name: (licence, inside, kept) for names, _, licence, inside, kept in rows
            for name in re.findall(r"`([\w-]+)`", names)}


def test_the_card_tells_the_licence_of_each_source() -> None:
    assert {name for name in sources(told()) if not licences()[name][1].startswith("yes")} == set()
    assert all(licences()[name][0] for name in sources(told()))


def test_open_weights_leave_out_what_has_no_licence() -> None:
    free = sources(told("OPEN=1"))
    assert free == {name for name in sources(told()) if licences()[name][2] == "yes"}
    without = {name for name in sources(told()) if licences()[name][0] == "none stated"}
    assert without and without == sources(told()) - free


def test_open_weights_lie_apart_and_are_held_against_what_is_shipped() -> None:
    commands = told("OPEN=1")
    assert "--out weights_out/open" in commands and "--out weights_out\n" in told()
    assert commands.count("--methods promptmid,promptmid:weights_out/open/compact") == 2
    assert "bench" not in told()


@pytest.mark.real_data
def test_the_card_says_of_licences_what_the_data_do(data_folder: Path) -> None:
    for name, (licence, _, _) in licences().items():
        for readme in data_folder.glob(f"data/train/{name}/README.md"):
            stated = re.search(r"^- Licence: (.+)", readme.read_text(), re.MULTILINE)
            assert stated and bool(re.match(r"none stated|no licence file", stated[1])) == (licence == "none stated"), name
