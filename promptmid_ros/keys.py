"""Keys of a DiagnosticStatus: where a value comes from, what it means, and when it is worth a level."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

from promptmid_ros.health import Value

OK, WARN, ERROR = 0, 1, 2


@dataclass(frozen=True)
class Rule:
    """When a value is worth a level; `words` is the same for the reader."""

    words: str
    applies: Callable[[Value], bool]


NEVER = Rule("-", lambda value: False)


class Absent:
    """The value of a key that has nothing to say: it is left out."""


ABSENT = Absent()


@dataclass(frozen=True)
class Key:
    """A key of a DiagnosticStatus: where its value comes from, what it means, and when it is worth a level.

    A value of None is published as 'unknown' and breaks no rule but `known`; ABSENT is not published.
    """

    value: Callable[[Any], Value | Absent]
    meaning: str
    warn: Rule = NEVER
    error: Rule = NEVER

    def level(self, value: Value) -> int:
        if self.error.applies(value):
            return ERROR
        return WARN if self.warn.applies(value) else OK


def above(limit: float, unit: str = "") -> Rule:
    return Rule(f"above {limit:g}{unit}", lambda value: isinstance(value, int | float) and value > limit)


def below(limit: float, unit: str = "") -> Rule:
    return Rule(f"below {limit:g}{unit}", lambda value: isinstance(value, int | float) and value < limit)


def is_one_of(values: Collection[str]) -> Rule:
    return Rule("one of " + ", ".join(f"`{value}`" for value in values), lambda value: value in values)


def is_other_than(expected: str) -> Rule:
    return Rule(f"anything but `{expected}`", lambda value: value != expected)


UNKNOWN = Rule("unknown", lambda value: value is None)


def values_of(keys: Mapping[str, Key], source: Any) -> dict[str, Value]:
    """Return the value of each key that has one."""
    values = {name: key.value(source) for name, key in keys.items()}
    return {name: value for name, value in values.items() if not isinstance(value, Absent)}


def level(keys: Mapping[str, Key], values: Mapping[str, Value]) -> tuple[int, list[str]]:
    """Return the highest level that any value is worth, and the keys that are worth it; KeyError for a key that is not
    documented."""
    levels = {name: keys[name].level(value) for name, value in values.items()}
    highest = max(levels.values(), default=OK)
    return highest, [name for name, its_level in levels.items() if its_level == highest and highest > OK]


def text(value: Value) -> str:
    """Return a value as a message carries it."""
    if value is None or (isinstance(value, float) and isnan(value)):
        return "unknown"
    # paths may hold bytes that are no text, which a message refuses
    return f"{value:.10g}" if isinstance(value, float) else str(value).encode(errors="replace").decode()
