"""Some cases of the targets of `make fuzz`, those of its corpus first; and the fuzzer itself, which has to notice faults."""

import json
from pathlib import Path
from random import Random

import pytest

from benchmarks.fuzz.__main__ import CORPUS, TARGETS
from benchmarks.fuzz.fuzzer import fuzz
from promptmid_core.errors import InputError, Refusal
from promptmid_core.reasons import Reason

pytestmark = pytest.mark.slow

CASES = {"messages": 300, "images": 500, "headers": 100, "maps": 100, "documents": 150, "json": 3000}


@pytest.mark.parametrize("name", CASES)
def test_no_case_fails(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parent.parent)
    target = TARGETS[name]()
    try:
        known = fuzz(target, 0, cases=json.loads(CORPUS.read_text())[name])
        drawn = fuzz(target, 1, cases=range(CASES[name]))
    finally:
        target.close()
    assert known.failures == drawn.failures == {}
    assert drawn.executions == CASES[name]
    # neither all is taken nor all refused
    assert len(drawn.outcomes) > 1


class Moody:
    """Does on each case what its number says."""

    name, hang_s = "moody", 1

    def __init__(self) -> None:
        self.seen: list[float] = []

    def run(self, rng: Random) -> str:
        self.seen.append(rng.random())
        match len(self.seen):
            case 2:
                raise InputError("refused in a sentence")
            case 3:
                raise Refusal(Reason.LOW_TEXTURE, "refused in a sentence")
            case 4:
                raise InputError("refused in\ntwo lines")
            case 5 | 6:
                raise ZeroDivisionError("a fault")
            case 7:
                while True:
                    pass
        return "taken"

    def close(self) -> None:
        pass


def test_what_is_no_refusal_is_a_failure_and_told_once_a_place() -> None:
    target = Moody()
    tally = fuzz(target, 3, cases=range(10, 18))
    assert tally.executions == 8
    assert tally.outcomes == {"taken": 2, "refused": 2, "low_texture": 1}
    assert sorted(tally.failures) == [13, 14, 16]
    assert tally.failed == 4
    assert "no sentence" in tally.failures[13]
    assert "ZeroDivisionError" in tally.failures[14]
    assert "Hang" in tally.failures[16]


def test_a_case_is_that_of_its_seed_and_number_alone() -> None:
    drawn = []
    for seed, cases in ((1, range(5)), (1, range(3, 5)), (2, range(5))):
        target = Moody()
        fuzz(target, seed, cases=cases)
        drawn.append(target.seen)
    assert drawn[0][3:] == drawn[1]
    assert not {*drawn[0]} & {*drawn[2]}
