"""The mutation target: what it mutates and by which tests, how it counts, and that a trial tells what became of a mutant."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.mutation.__main__ import Journal, wilson
from benchmarks.mutation.equivalent import EQUIVALENT
from benchmarks.mutation.mutants import Mutant, _left_out, difference
from benchmarks.mutation.targets import TARGETS, stages

ROOT = Path(__file__).resolve().parent.parent
# the gates have tests of their own kind; `reach`, `hypothesis`, `solver`, `windows`, `localizer` are held by whole frames
APART = {"closely", "fix", "hypothesis", "integrity", "lateness", "lie", "localizer", "options", "parameter", "quest", "reach",
         "seek", "settings", "solver", "stopwatch", "upkeep", "windows"}


def test_every_file_of_its_rooms_is_mutated_and_every_test_is_there() -> None:
    rooms = [*(ROOT / "promptmid_core/geometry").glob("*.py"), *(ROOT / "promptmid_core/matching").glob("*.py"),
             *(file for file in (ROOT / "promptmid_core/localization").glob("*.py") if file.stem not in APART)]
    wanted = {file.relative_to(ROOT).as_posix() for file in rooms if file.name != "__init__.py"}
    assert wanted <= set(TARGETS)
    for file in TARGETS:
        assert (ROOT / file).is_file(), file
        for test in (test for stage in stages(file) for test in stage):
            assert (ROOT / "test" / test).is_file(), test


def test_what_was_judged_equivalent_is_still_a_line_of_its_file() -> None:
    for (file, was, becomes), why in EQUIVALENT.items():
        assert was in [line.strip() for line in (ROOT / file).read_text().splitlines()], was
        assert was != becomes and why


def test_the_confidence_interval_is_wilsons() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    mutant, path = Mutant("a.py", 3, "NumberReplacer", 0), tmp_path / "journal.jsonl"
    key = Journal.key(mutant, "x = 1\n")
    Journal(path).add(key, mutant, "survived", "x = 2")
    Journal(path).add(key, mutant, "killed", "x = 2")
    assert Journal(path).result(key) == "killed"
    assert Journal(path).result(Journal.key(mutant, "x = 1  # changed\n")) is None


def test_a_larger_sample_holds_the_smaller() -> None:
    places = [Mutant("a.py", 1, "NumberReplacer", i).place(1) for i in range(50)]
    assert len(set(places)) == 50
    assert places != [Mutant("a.py", 1, "NumberReplacer", i).place(2) for i in range(50)]
    assert places == [Mutant("a.py", 9, "NumberReplacer", i).place(1) for i in range(50)], "where it stands does not matter"


def test_annotations_decorators_and_strict_are_left_out() -> None:
    code = "\n".join(["@wrapped(3)", "def f(a: int | None = 1, *, b: list[2]) -> str | None:", "    c: int | float = 4",
                      "    return zip(a, strict=True)"])
    spans = _left_out(code)

    def left_out(text: str) -> bool:
        row = next(i for i, line in enumerate(code.splitlines(), 1) if text in line)
        at = (row, code.splitlines()[row - 1].index(text))
        return any(first <= at < last for first, last in spans)

    assert [left_out(text) for text in ("3)", "int | None", "2]", "str |", "int | float", "True")] == [True] * 6
    assert [left_out(text) for text in ("= 1", "= 4", "zip")] == [False] * 3


def test_the_first_line_that_differs_is_told() -> None:
    assert difference("a\n  b = 1\nc\n", "a\n  b = 2\nc\n") == ("b = 1", "b = 2")


TRIAL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from benchmarks.mutation.trial import tried
root, file = Path(sys.argv[2]), "promptmid_core/sums.py"
for code in (None, "LIMIT = 3\\n", "LIMIT = 2\\n", "LIMIT = 2 +\\n", "while True:\\n    pass\\n", "import os\\nos.abort()\\n"):
    print(tried(root, file, code, ["test_sums.py"], 2)[0])
"""


def test_a_trial_tells_what_became_of_a_mutant(tmp_path: Path) -> None:
    """In a process that has imported nothing of the packages, on a tree of one module and its test."""
    for folder in ("promptmid_core", "test"):
        (tmp_path / folder).mkdir()
    (tmp_path / "promptmid_core/__init__.py").write_text("")
    (tmp_path / "promptmid_core/sums.py").write_text("LIMIT = 2\n")
    test = "from promptmid_core.sums import LIMIT\n\ndef test_limit():\n    assert LIMIT == 2\n"
    (tmp_path / "test/test_sums.py").write_text(test)
    done = subprocess.run([sys.executable, "-c", TRIAL, str(ROOT), str(tmp_path)], capture_output=True, text=True, check=False,
                          timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["survived", "killed", "survived", "broken", "ended", "ended"]
    assert (tmp_path / "promptmid_core/sums.py").read_text() == "LIMIT = 2\n"
