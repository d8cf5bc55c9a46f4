"""A YAML file that is read field by field: whatever is wrong with one is a sentence with file, line, field and cure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from promptmid_core.documents import Located, read_located
from promptmid_core.errors import InputError


@dataclass(frozen=True)
class Section:
    """A table of a file: `name` tells where it stands, as `world.simulated`, and is empty for the file as a whole; `line` is
    where it begins; `fields` are what it holds."""

    path: Path
    name: str
    line: int
    fields: Mapping[str, Located]

    @staticmethod
    def read(path: Path, cure: str) -> Section:
        """Return a file as a whole. Raises InputError, which ends with `cure`, where it cannot be read or is no table of
        names."""
        return _table(path, "", read_located(path, cure=cure), f"lines such as 'name: value'; {cure}")

    def __contains__(self, field: str) -> bool:
        return field in self.fields

    def only(self, *known: str) -> None:
        """Raise InputError for the first field that is none of these."""
        for field in self.fields:
            if field not in known:
                near = get_close_matches(field, known, 1)
                raise InputError(f"{self.spelled(field)} is not known here; "
                                 + (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"))

    def values(self) -> dict[str, Any]:
        """Return what the section holds, without lines."""
        return {field: plain(part) for field, part in self.fields.items()}

    def number(self, field: str, least: float, most: float) -> float:
        """Return a finite number of these limits. Raises InputError where the field is missing or none."""
        value = self._given(field)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or not least <= value <= most:
            raise self.wrong(field, f"a number from {least:g} to {most:g}")
        return float(value)

    def count(self, field: str, least: int, most: int) -> int:
        """Return a whole number of these limits. Raises InputError where the field is missing or none."""
        value = self._given(field)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(field, f"a whole number from {least} to {most}")
        return value

    def text(self, field: str, choices: Sequence[str] = ()) -> str:
        """Return a text that is not empty, one of `choices` where there are any. Raises InputError where the field is missing or
        none."""
        value = self._given(field)
        if not isinstance(value, str) or not value.strip() or (choices and value not in choices):
            raise self.wrong(field, f"one of {', '.join(choices)}" if choices else "a text")
        return value

    def flag(self, field: str) -> bool:
        """Return true or false. Raises InputError where the field is missing or neither."""
        value = self._given(field)
        if not isinstance(value, bool):
            raise self.wrong(field, "true or false")
        return value

    def entries(self, field: str, wanted: str) -> list[Any]:
        """Return a list that is not empty, each entry without its lines. Raises InputError where the field is missing or none."""
        value = self._given(field)
        if not isinstance(value, list) or not value:
            raise self.wrong(field, f"a list of {wanted}")
        return [plain(entry) for entry in value]

    def section(self, field: str) -> Section:
        """Return a table. Raises InputError where the field is missing or none."""
        self._given(field)
        return _table(self.path, self._named(field), self.fields[field], "fields below it, each 'name: value'")

    def sections(self, field: str) -> list[Section]:
        """Return a list of tables. Raises InputError where the field is missing or no such list."""
        self.entries(field, "tables, each '- name: value'")
        return [_table(self.path, f"{self._named(field)}[{number}]", entry, "fields, each 'name: value'")
                for number, entry in enumerate(self.fields[field].value, 1)]

    def spelled(self, field: str = "") -> str:
        """Return what a sentence calls a field: file, line and where it stands; the section itself where it is not there."""
        at = self.fields.get(field)
        name = self._named(field) if field else self.name
        return f"{self.path}, line {at.line if at else self.line}{f': {name}' if name else ''}"

    def wrong(self, field: str, wanted: str) -> InputError:
        """Return what to raise for a field that is not what is wanted."""
        return InputError(f"{self.spelled(field)} is {shown(plain(self.fields[field]))}; it has to be {wanted}")

    @contextmanager
    def located(self, field: str = "") -> Iterator[None]:
        """Put file, line and the name of a field, or of the section, before what the block refuses without them."""
        try:
            yield
        except InputError as error:
            if str(error).startswith(f"{self.path}, line "):
                raise
            raise InputError(f"{self.spelled(field)}: {error}") from error

    def _given(self, field: str) -> Any:
        if field not in self.fields:
            raise InputError(f"{self.spelled()}{'' if self.name else ': the file'} lacks {field}; add '{field}: ...'")
        return self.fields[field].value

    def _named(self, field: str) -> str:
        return f"{self.name}.{field}" if self.name else field


def plain(part: Located) -> Any:
    """Return a value without its lines."""
    if isinstance(part.value, dict):
        return {name: plain(each) for name, each in part.value.items()}
    return [plain(each) for each in part.value] if isinstance(part.value, list) else part.value


def _table(path: Path, name: str, found: Located, wanted: str) -> Section:
    if not isinstance(found.value, dict):
        what = f"{name} is {shown(plain(found))}" if name else "the file is no table"
        raise InputError(f"{path}, line {found.line}: {what}; it has to have {wanted}")
    for field, part in found.value.items():
        if not isinstance(field, str):
            raise InputError(f"{path}, line {part.line}: {shown(field)} is no name of a field; write it as a word")
    return Section(path, name, found.line, found.value)
