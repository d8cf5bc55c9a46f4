"""How commands end: nothing is written twice or over what is read, and a fault of the program is told as one."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptmid_core import cli
from promptmid_core.cli import fault, main
from promptmid_core.errors import LONGEST, InputError, Refusal, shortened
from promptmid_core.reasons import Reason

# the options and arguments by which commands take files and folders that they read, or folders that they make
READ = {"bag", "map", "sar", "optical", "onnx", "pairs", "data", "--map", "--params", "--network", "--live", "--landcover",
        "--dem", "--repair", "--model", "--optical", "--data", "files", "--other", "grounds", "bags", "--camera-calibration",
        "--against", "--criteria", "replays", "packed", "--camera", "--route", "--lock"}
FOLDERS = {"promptmid map build": "out", "promptmid replay": "--out", "promptmid map unpack": "out",
           "promptmid map fetch": "--out",
           "promptmid simulate world": "--out", "promptmid simulate flight": "--out",
           "promptmid bench cut": "out", "promptmid demo": "--out", "promptmid scenario run": "--work",
           "promptmid calibrate descriptor": "--work"}


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every command below a parser."""
    yield parser
    for below in getattr(parser, "words", {}).values():
        yield from commands(below)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from commands(below)


def test_every_option_that_names_a_file_is_known_to_be_read_or_written() -> None:
    written = set()
    for parser in commands(cli.parser()):
        outputs = parser.get_default("outputs") or {}
        for action in parser._actions:
            name = action.option_strings[0] if action.option_strings else action.dest
            if action.dest in outputs:
                written.add(f"{parser.prog} {name}")
            elif action.type is Path and parser.prog.startswith("promptmid train"):
                assert name in READ | {"--out"}
            elif action.type is Path:
                assert name in READ or FOLDERS[parser.prog] == name, f"{parser.prog} {name} is neither"
    assert written == {
        "promptmid plan --out", "promptmid plan --json",
        "promptmid replay --json", "promptmid replay --report", "promptmid scenario run --json",
        "promptmid scenario run --report", "promptmid bench --json", "promptmid bench --plot",
        "promptmid bench --trials-file", "promptmid bench runtime --json", "promptmid map preview --out",
        "promptmid simulate alter --out", "promptmid calibrate descriptor --out",
        "promptmid calibrate camera --out", "promptmid calibrate camera --json", "promptmid map audit --json",
        "promptmid map audit --picture",
        "promptmid map pack file", "promptmid report compare --out",
        "promptmid map info --json", "promptmid map verify --json", "promptmid doctor --json",
        "promptmid export onnx --out", "promptmid export tensorrt --out"}


TWICE = {
    "replay": ["replay", "bag", "--map", "map", "--json", "a", "--report", "./a"],
    "by a link": ["replay", "bag", "--map", "map", "--json", "link", "--report", "file"],
    "by a hard link": ["replay", "bag", "--map", "map", "--json", "hard", "--report", "file"],
    "by way of a folder": ["replay", "bag", "--map", "map", "--json", "a", "--report", "folder/../a"],
    "a file that is not there, by a link": ["replay", "bag", "--map", "map", "--json", "to a", "--report", "a"],
    "calibrate camera": ["calibrate", "camera", "bag", "--map", "map", "--out", "a", "--json", "./a"],
    "bench": ["bench", "pairs", "--json", "a.png", "--plot", "a.png"],
    "trials": ["bench", "pairs", "--json", "a", "--trials-file", "a"],
    "trials that are there": ["bench", "pairs", "--json", "file", "--trials-file", "file"],
    "the journal": ["bench", "pairs", "--json", "a", "--trials-file", "a.journal.csv"],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "hard").hardlink_to(tmp_path / "file")
    (tmp_path / "to a").symlink_to("a")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("promptmid: ")
    return lines[0]


@pytest.mark.parametrize("words", TWICE.values(), ids=TWICE)
def test_two_outputs_of_one_path_are_refused(here: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(here.iterdir())
    assert main(words) == 1
    assert "would be written twice; name files that differ" in told(capsys)
    assert sorted(here.iterdir()) == before and (here / "file").read_text() == "text"


@pytest.mark.parametrize("words", [
    ["replay", "bag", "--map", "map", "--params", "file", "--json", "file"],
    ["replay", "bag", "--map", "map", "--network", "file", "--report", "hard"],
    ["export", "tensorrt", "file", "--out", "link"],
    ["map", "preview", "file", "--out", "file"],
    ["bench", "pairs", "--model", "file", "--json", "file"],
])
def test_what_is_read_is_not_written_over(here: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    assert "is read by the same command; name another file" in told(capsys)
    assert (here / "file").read_text() == "text"


def test_a_device_may_be_written_twice(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "bag", "--map", "map", "--json", "/dev/null", "--report", "/dev/null"]) == 1
    assert "bag is not a recording" in told(capsys)


def broken(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> list[str]:
    """The words of a command that raises an error."""
    def run(args: argparse.Namespace) -> None:
        raise error

    def add(group: Any) -> None:
        group.add_parser("break").set_defaults(run=run)

    monkeypatch.setattr(cli, "FAMILIES", (SimpleNamespace(add=add),))
    return ["break"]


def test_a_fault_of_the_program_is_told_as_one_and_its_trace_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                                                     capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(broken(monkeypatch, ZeroDivisionError("division\nby " + "0" * 10_000))) == cli.FAULT == os.EX_SOFTWARE
    sentence = told(capsys)
    found = re.fullmatch(r"promptmid: a fault of the program, not of what it was given \(ZeroDivisionError: division by 0+.*\); "
                         r"please report it with its trace, (\S+)", sentence)
    assert found and len(sentence) < 2 * LONGEST
    trace = Path(found[1])
    assert trace.parent == tmp_path and trace.stat().st_mode & 0o77 == 0
    assert "Traceback" in trace.read_text() and "in run" in trace.read_text() and "promptmid" in trace.read_text()


def test_where_no_trace_can_be_kept_it_is_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert "the trace below\nZeroDivisionError: 0" in fault.told(ZeroDivisionError(0))


@pytest.mark.parametrize(("error", "status", "said"), [
    (KeyboardInterrupt(), 130, "interrupted"), (MemoryError(), 1, "the memory that this process may have is used up"),
    (InputError("it is so"), 1, "it is so"), (OSError(28, "No space left on device"), 70, "a fault of the program"),
])
def test_each_way_of_ending_has_its_status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException, status: int,
                                           said: str, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(broken(monkeypatch, error)) == status
    assert said in told(capsys)


def test_what_a_sentence_quotes_from_outside_may_have_any_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 200_000
    for error in (InputError(f"the value {long} is none; give another"), Refusal(Reason.PRIOR_FRAME, f"{long}; give another")):
        assert len(str(error)) < LONGEST and str(error).endswith("; give another") and " ... " in str(error)
    assert str(InputError(f"{'y' * LONGEST}")) == shortened("y" * LONGEST) == "y" * LONGEST
    for words in (["map", "info", str(tmp_path), "--region", long], ["replay", "bag", "--map", "map", "--backend", long],
                  ["map", "build", "a.tif", "map", "--gsd", long], [long]):
        with pytest.raises(SystemExit):
            main(words)
        assert len(capsys.readouterr().err) < LONGEST + 200
    (tmp_path / "params.yaml").write_text(f"localizer:\n  ros__parameters:\n    {long}: 1\n")
    assert main(["replay", "bag", "--map", "map", "--params", str(tmp_path / "params.yaml")]) == 1
    assert len(told(capsys)) < LONGEST + 200
