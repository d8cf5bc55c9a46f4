"""The kinds of values that a simulation is set by: what each has to be, in words, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, Protocol


class Kind(Protocol):
    """What a value has to be. `argument` are the words that argparse takes for an option of this kind."""

    @property
    def wanted(self) -> str:
        """What a value has to be, in words that follow 'it has to be'."""

    @property
    def argument(self) -> dict[str, Any]:
        """What argparse is told of it."""

    def read(self, value: Any) -> Any:
        """Return the value as it is used. Raises ValueError where it cannot be."""


@dataclass(frozen=True)
class Number:
    """A finite number from `least` to `most`; above `least` where that is `excluded`."""

    least: float = -inf
    most: float = inf
    excluded: bool = False
    infinite: bool = False  # whether `inf` is a value too

    @property
    def wanted(self) -> str:
        if self.excluded and self.least == 0 and self.most == inf:
            return "positive"
        return f"{'above' if self.excluded else 'from'} {self.least:g} to {self.most:g}"

    @property
    def argument(self) -> dict[str, Any]:
        return {"type": float}

    def read(self, value: Any) -> int | float:
        if type(value) not in (int, float) or not (isfinite(value) or (self.infinite and value == inf)):
            raise ValueError
        if not self.least <= value <= self.most or (self.excluded and value == self.least):
            raise ValueError
        number: int | float = value
        return number


@dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `most`."""

    least: int = 0
    most: float = inf

    @property
    def wanted(self) -> str:
        bounds = f", {self.least} or more" if self.most == inf else f" from {self.least} to {self.most:g}"
        return f"a whole number{bounds}"

    @property
    def argument(self) -> dict[str, Any]:
        return {"type": int}

    def read(self, value: Any) -> int:
        if type(value) is not int or not self.least <= value <= self.most:
            raise ValueError
        return value


@dataclass(frozen=True)
class Numbers:
    """So many finite numbers, each of the same kind."""

    count: int
    each: Number = Number()

    @property
    def wanted(self) -> str:
        return f"{self.count} numbers, each {self.each.wanted}"

    @property
    def argument(self) -> dict[str, Any]:
        return {"type": float, "nargs": self.count}

    def read(self, value: Any) -> tuple[float, ...]:
        if not isinstance(value, list | tuple) or len(value) != self.count:
            raise ValueError
        return tuple(self.each.read(part) for part in value)


@dataclass(frozen=True)
class Word:
    """One of several words."""

    words: tuple[str, ...]

    @property
    def wanted(self) -> str:
        return f"one of {', '.join(self.words)}"

    @property
    def argument(self) -> dict[str, Any]:
        return {}

    def read(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise ValueError
        return value


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    wanted: str = "true or false"

    @property
    def argument(self) -> dict[str, Any]:
        return {"action": "store_true"}

    def read(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value


@dataclass(frozen=True)
class Size:
    """A width and a height in pixels, such as 1280x960: each side in limits, and one not much longer than the other."""

    least: int
    most: int
    longest: float  # of the longer side, in shorter ones

    @property
    def wanted(self) -> str:
        return (f"a size such as 1280x960, each side from {self.least} to {self.most} pixels, and one at most {self.longest:g} "
                "times the other")

    @property
    def argument(self) -> dict[str, Any]:
        return {}

    def read(self, value: Any) -> tuple[int, int]:
        sides = value.split("x") if isinstance(value, str) else value
        if not isinstance(sides, list | tuple) or len(sides) != 2:
            raise ValueError
        width, height = (int(side) if str(side).isdecimal() else 0 for side in sides)
        if not self.least <= min(width, height) or max(width, height) > min(self.most, self.longest * min(width, height)):
            raise ValueError
        return width, height


@dataclass(frozen=True)
class Events:
    """Events of a flight: for each the frame, counted from 0, at which it happens, and how much of it; written N:AMOUNT, or in
    pairs of numbers."""

    amount: str  # what is counted, such as px
    of: Number

    @property
    def wanted(self) -> str:
        return f"a frame, counted from 0, with an amount in {self.amount} {self.of.wanted}, such as '10:20', or a list of such"

    @property
    def argument(self) -> dict[str, Any]:
        return {"action": "append"}

    def read(self, value: Any) -> tuple[tuple[int, float], ...]:
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list | tuple):
            raise ValueError
        return tuple(sorted(self._moment(each) for each in value))

    def _moment(self, given: Any) -> tuple[int, float]:
        if isinstance(given, str):
            frame, _, amount = given.partition(":")
            given = [int(frame), float(amount)]
        if not isinstance(given, list | tuple) or len(given) != 2:
            raise ValueError
        return Whole().read(given[0]), self.of.read(given[1])


def quoted(value: Any) -> str:
    """Return a value as a sentence shows it: numbers bare, a size as 1280x960, what is long cut."""
    if type(value) in (int, float):
        return f"{value:g}" if abs(value) < 1e6 else str(value)
    if isinstance(value, tuple) and len(value) == 2 and all(type(side) is int for side in value):
        return f"{value[0]}x{value[1]}"
    if isinstance(value, tuple) and value and all(type(part) in (int, float) for part in value):
        return " ".join(f"{part:g}" for part in value)
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
