"""JSON values of a file as typed fields, each checked as it is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from reprlib import Repr
from typing import Any, NoReturn

from promptmid_core.errors import InputError

LARGEST = 1e300
MOST = 2**31 - 1
MOST_TEXT = 4096
SHA256 = re.compile("[0-9a-f]{64}")

_values, _names = Repr(), Repr()
_values.maxlevel, _values.maxlist, _values.maxdict, _names.maxstring = 2, 3, 2, 80


class Fields:
    """The fields of a JSON object that a file holds, to be taken one by one.

    `file` and `cure` stand in what is said of a field that cannot be used, and so does `where`, the fields that lead to this
    object. What takes a field returns it as it is and raises InputError where it is missing or not of the kind that is named.
    """

    def __init__(self, values: object, file: Path, cure: str, where: str = "") -> None:
        self._values: dict[str, Any] = {}
        self._file, self._cure, self._where = file, cure, where
        if not isinstance(values, dict):
            self._refuse(where, values, "an object")
        self._values = values
        self._taken: set[str] = set()

    @property
    def values(self) -> dict[str, Any]:
        """All fields as they are, unchecked."""
        return self._values

    @property
    def names(self) -> list[str]:
        """The names of all fields."""
        return list(self._values)

    def holds(self, name: str) -> bool:
        """Return whether a field is there."""
        return name in self._values

    def empty(self, name: str) -> bool:
        """Return whether a field is null."""
        return self._take(name) is None

    def flag(self, name: str) -> bool:
        """Take true or false."""
        value = self._take(name)
        if not isinstance(value, bool):
            self.refuse(name, "true or false")
        return value

    def number(self, name: str, least: float = -LARGEST, most: float = LARGEST) -> float:
        """Take a finite number from `least` to `most`."""
        value: float = self._take(name)
        if not _is_number(value, least, most):
            self.refuse(name, f"a finite number{_span(least, most)}")
        return value

    def positive(self, name: str, most: float = LARGEST) -> float:
        """Take a number above 0, and at most `most`."""
        value = self.number(name)
        if not 0 < value <= most:
            self.refuse(name, f"a number above 0{_span(-LARGEST, most)}")
        return value

    def share(self, name: str) -> float:
        """Take a number from 0 to 1."""
        value = self.number(name)
        if not 0 <= value <= 1:
            self.refuse(name, "a share from 0 to 1")
        return value

    def whole(self, name: str, least: int = 0, most: int = MOST) -> int:
        """Take a whole number from `least` to `most`."""
        value: int = self._take(name)
        if not _is_whole(value, least, most):
            self.refuse(name, f"a whole number from {least} to {most}")
        return value

    def text(self, name: str) -> str:
        """Take a text of at most MOST_TEXT characters."""
        value = self._take(name)
        if not _is_text(value):
            self.refuse(name, f"a text of at most {MOST_TEXT} characters")
        return str(value)

    def word(self, name: str, among: Sequence[str] = ()) -> str:
        """Take a text of one line that is not empty, and where some are named one of those."""
        value = self.text(name)
        if not value or not value.isprintable() or (among and value not in among):
            self.refuse(name, f"one of {', '.join(among)}" if among else "a text of one line that says something")
        return value

    def sha256(self, name: str) -> str:
        """Take a SHA-256 as hexadecimal digits."""
        value = self.text(name)
        if not SHA256.fullmatch(value):
            self.refuse(name, "a SHA-256")
        return value

    def numbers(self, name: str, count: int, most: float = LARGEST) -> tuple[float, ...]:
        """Take a list of so many numbers from -`most` to `most`."""
        value = self._take(name)
        if not isinstance(value, list) or len(value) != count or not all(_is_number(each, -most, most) for each in value):
            self.refuse(name, f"a list of {count} finite numbers{_span(-most, most)}")
        return tuple(value)

    def rows(self, name: str, count: int, most: float = LARGEST) -> tuple[tuple[float, ...], ...]:
        """Take a list, of one at least, of lists of so many numbers from -`most` to `most`."""
        value = self._take(name)
        if not isinstance(value, list) or not value or not all(
                isinstance(row, list) and len(row) == count and all(_is_number(each, -most, most) for each in row)
                for row in value):
            self.refuse(name, f"a list of lists of {count} finite numbers{_span(-most, most)}")
        return tuple(map(tuple, value))

    def wholes(self, name: str, most: int = MOST) -> tuple[int, ...]:
        """Take a list of whole numbers from 1 to `most`, of one at least."""
        value = self._take(name)
        if not isinstance(value, list) or not value or not all(_is_whole(each, 1, most) for each in value):
            self.refuse(name, f"a list of whole numbers from 1 to {most}, one at least")
        return tuple(value)

    def texts(self, name: str, count: int) -> tuple[str, ...]:
        """Take a list of so many texts."""
        value = self._take(name)
        if not isinstance(value, list) or len(value) != count or not all(map(_is_text, value)):
            self.refuse(name, f"a list of {count} texts")
        return tuple(value)

    def part(self, name: str) -> Fields:
        """Take an object."""
        return Fields(self._take(name), self._file, self._cure, self._path(name))

    def parts(self, name: str, most: int = MOST) -> list[Fields]:
        """Take a list of objects, of one at least and at most so many."""
        value = self._take(name)
        if not isinstance(value, list) or not 0 < len(value) <= most:
            self.refuse(name, f"a list of objects, of 1 to {most}")
        return [Fields(each, self._file, self._cure, f"{self._path(name)}[{index}]") for index, each in enumerate(value)]

    def done(self) -> None:
        """Raise InputError where a field is there that nobody took."""
        for name in self._values:
            if name not in self._taken:
                raise InputError(f"{self._file} has the field {_names.repr(self._path(name))}, which this program does not know; "
                                 f"update promptmid, or {self._cure}")

    def refuse(self, name: str, wanted: str) -> NoReturn:
        """Raise InputError: a field is not what is wanted."""
        self._refuse(self._path(name), self._values.get(name), wanted)

    def _refuse(self, path: str, value: object, wanted: str) -> NoReturn:
        what = f"gives {_names.repr(path)} as {_values.repr(value)}" if path else f"holds {_values.repr(value)}"
        raise InputError(f"{self._file} {what}, which is not {wanted}; {self._cure}")

    def _take(self, name: str) -> Any:
        if name not in self._values:
            raise InputError(f"{self._file} lacks the field {_names.repr(self._path(name))}; {self._cure}")
        self._taken.add(name)
        return self._values[name]

    def _path(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name


def _is_number(value: object, least: float = -LARGEST, most: float = LARGEST) -> bool:
    # not a number compares as false
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _is_whole(value: object, least: int, most: int = MOST) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_TEXT


def _span(least: float, most: float) -> str:
    """The limits of a number in words, of those that there are."""
    words = ([f"{least:g} or more"] if least > -LARGEST else []) + ([f"{most:g} or less"] if most < LARGEST else [])
    return f", {' and '.join(words)}" if words else ""
