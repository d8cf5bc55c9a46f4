"""Keys of a DiagnosticStatus: where a value comes from, what it means, and when it is worth a level."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

Value = str | float | int | None
OK, WARN, ERROR = 0, 1, 2


@dataclass(frozen=True)
class Rule:
    """When a value is worth a level; `words` is the same for the reader, and so is `limit` beside a value that breaks it."""

    words: str
    applies: Callable[[Value], bool]
    limit: str = ""


NEVER = Rule("-", lambda value: False)


class Absent:
    """The value of a key that has nothing to say: it is left out."""


ABSENT = Absent()


@dataclass(frozen=True)
class Key:
    """A key of a DiagnosticStatus: where its value comes from, what it means, when it is worth a level, and what helps then.

    A value is one number or one text. None is published as 'unknown' and breaks no rule but `known`; ABSENT is not published.
    A key without a `cure` is one that the summary of its status tells of already.
    """

    value: Callable[[Any], Value | Absent]
    meaning: str
    warn: Rule = NEVER
    error: Rule = NEVER
    cure: str = ""

    def level(self, value: Value) -> int:
        if self.error.applies(value):
            return ERROR
        return WARN if self.warn.applies(value) else OK

    def said(self, name: str, value: Value) -> str:
        """Return what is wrong with a value that is worth a level: the value, the limit that it breaks and the cure."""
        rule = self.error if self.error.applies(value) else self.warn
        return f"{name} is {text(value)}{rule.limit}: {self.cure}" if self.cure else ""


def above(limit: float) -> Rule:
    words = f"above {limit:g}"
    return Rule(words, lambda value: isinstance(value, int | float) and value > limit, f", {words}")


def below(limit: float) -> Rule:
    words = f"below {limit:g}"
    return Rule(words, lambda value: isinstance(value, int | float) and value < limit, f", {words}")


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
