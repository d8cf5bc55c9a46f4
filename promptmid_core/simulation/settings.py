"""What may be set about a simulation: a value with its meaning and its limits, told in words where it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Self

from promptmid_core.errors import InputError
from promptmid_core.simulation.kinds import Kind, quoted

Spelled = Callable[[str], str]


@dataclass(frozen=True)
class Control:
    """One value that may be set: its default, what it means, what it has to be, and what stands for it in a command's help."""

    default: Any
    meaning: str
    kind: Kind
    sign: str | tuple[str, ...] | None

    def read(self, name: str, value: Any) -> Any:
        """Return a value as it is used. Raises InputError, which calls the setting `name`, where it cannot be."""
        if value is None and self.default is None:
            return None
        try:
            return self.kind.read(value)
        except ValueError:
            raise InputError(f"{name} is {quoted(value)}; it has to be {self.kind.wanted}.") from None


def setting(default: Any, meaning: str, kind: Kind, sign: str | tuple[str, ...] | None = None) -> Any:
    """Return the field of a dataclass that is a setting of the same name."""
    return field(default=default, metadata={"setting": Control(default, meaning, kind, sign)})


def settings_of(*groups: type[Any]) -> dict[str, Control]:
    """Return the settings that the fields of dataclasses are, by their names."""
    return {each.name: each.metadata["setting"] for group in groups for each in fields(group)}


class ByName:
    """Options that are set by the names of their settings."""

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return the options with these values, the rest at its defaults. Raises InputError where a value cannot be."""
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], spelled: Spelled = str) -> Self:
        """Return the options with values by their names, as a file has them; the rest is at its defaults.

        Raises InputError where a name is unknown or a value cannot be; the sentence begins with the name as `spelled` writes it.
        """
        return cls.of_read(read_settings(cls.settings(), values, spelled))

    @classmethod
    def of_read(cls, read: Mapping[str, Any]) -> Self:
        """Return the options with values that were read."""
        return cls(**read)

    @classmethod
    def settings(cls) -> dict[str, Control]:
        """Return all settings by their names."""
        return settings_of(cls)


def check_settings(group: Any) -> None:
    """Read each field of a dataclass of settings, for its __post_init__. Raises InputError where a value cannot be."""
    for name, each in settings_of(type(group)).items():
        object.__setattr__(group, name, each.read(name, getattr(group, name)))


def read_settings(table: Mapping[str, Control], values: Mapping[str, Any], spelled: Spelled) -> dict[str, Any]:
    """Return the values of some settings of a table, read. Raises InputError where there is no such setting or a value cannot be;
    the sentence begins with its name as `spelled` writes it."""
    read = {}
    for name, value in values.items():
        if name not in table:
            near = get_close_matches(str(name), table, 1) or [", ".join(table)]
            raise InputError(f"{spelled(str(name))} is not known here; did you mean {near[0]}?" if near[0] in table
                             else f"{spelled(str(name))} is not known here; there are {near[0]}.")
        read[name] = table[name].read(spelled(name), value)
    return read


def as_option(name: str) -> str:
    """Return a setting's name as a command has it, such as --drift-px."""
    return f"--{name.replace('_', '-')}"


def recorded(group: Any, always: tuple[str, ...] = ()) -> dict[str, str]:
    """Return what a record of a simulation tells of a dataclass of settings: those that are `always` told, and those that are not
    at their defaults."""
    return {name: _text(value) for name, each in settings_of(type(group)).items()
            if (value := getattr(group, name)) != each.default or name in always}


def _text(value: Any) -> str:
    """A value as a command takes it: several with commas between, a moment as N:AMOUNT."""
    if not isinstance(value, tuple):
        return str(value)
    return ",".join(":".join(f"{part:g}" for part in each) if isinstance(each, tuple) else f"{each:g}" for each in value)
