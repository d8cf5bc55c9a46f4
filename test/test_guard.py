"""What nobody foresaw costs the message that brought it about: it is logged once a place, counted and shown; the node goes on."""

from functools import partial
from typing import Any

import pytest

from promptmid_core.outputs.health_keys import HEALTH, Health
from promptmid_core.outputs.keys import ERROR, OK, level, values_of
from promptmid_ros.guard import Ended, Guard


def fails(message: int) -> None:
    if message == 1:
        raise ValueError("one")
    if message == 2:
        raise KeyError("two")


def test_each_place_is_told_once_and_all_are_counted() -> None:
    told: list[str] = []
    guard = Guard(told.append)
    call = guard(fails)
    for message in (0, 1, 1, 2, 0, 1):
        call(message)
    assert guard.faults == 4
    assert len(told) == 2
    assert all("Traceback" in each and "fails" in each for each in told)
    assert guard.last == "fails: ValueError in test_guard.py:15"


def test_what_fails_is_told_whatever_is_called() -> None:
    class Failing:
        def __call__(self, message: int) -> None:
            fails(message)

    guard = Guard(lambda _: None)
    guard(partial(partial(fails), 1))()
    assert guard.last.startswith("fails: ValueError in ")
    guard(Failing())(2)
    assert guard.last.startswith("Failing: KeyError in ") and guard.faults == 2


def test_the_end_of_the_process_is_no_fault() -> None:
    def ends() -> None:
        raise Ended("as the test wants")

    guard = Guard(pytest.fail)
    with pytest.raises(Ended, match="as the test wants"):
        guard(ends)()
    assert guard.faults == 0


def test_a_fault_is_an_error_of_the_node() -> None:
    guard = Guard(lambda _: None)

    def its_level() -> tuple[int, Any]:
        values = values_of(HEALTH, Health("unconfigured", faults=guard.faults, fault=guard.last))
        keys = {name: HEALTH[name] for name in ("program_errors", "program_error")}
        return level(keys, {name: values[name] for name in keys})[0], values["program_error"]

    assert its_level() == (OK, "")
    guard(fails)(2)
    assert its_level() == (ERROR, "fails: KeyError in test_guard.py:17")
