"""What may be set about a localization: a value with its meaning and its limits, told in words where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

import numpy as np

from promptmid_core.errors import InputError

WANTED = {bool: "true or false", int: "a whole number", float: "a number with a decimal point", str: "a text"}


@dataclass(frozen=True)
class Parameter:
    """A parameter: its default, what it means, for a number its least and most value, and whether it may change in flight."""

    default: Any
    meaning: str
    least: float | None = None
    most: float | None = None
    live: bool = False

    @property
    def wanted(self) -> str:
        """What a value has to be, in words."""
        bounds = "" if self.least is None else f" from {self.least:g} to {self.most:g}"
        if isinstance(self.default, list):
            return f"a list of {len(self.default)} finite numbers with decimal points"
        return WANTED[type(self.default)] + bounds

    def check(self, name: str, value: Any) -> None:
        """Raise InputError where a value is of another type than the default, or out of its limits."""
        fits = type(value) is type(self.default)
        if isinstance(self.default, list):
            fits = fits and len(value) == len(self.default) and all(type(v) is float and np.isfinite(v) for v in value)
        elif fits and self.least is not None and self.most is not None:
            fits = self.least <= value <= self.most
        if not fits:
            raise InputError(f"parameter {name} is {value!r}; it has to be {self.wanted}")


def option(default: Any, meaning: str, least: float | None = None, most: float | None = None) -> Any:
    """Return the field of a dataclass that is a parameter of the same name, read once."""
    metadata = {"parameter": Parameter(default, meaning, least, most)}
    return field(default_factory=default.copy, metadata=metadata) if isinstance(default, list) else field(
        default=default, metadata=metadata)


def tunable(default: Any, meaning: str, least: float | None = None, most: float | None = None) -> Any:
    """Return the field of a dataclass that is a parameter of the same name, which may change in flight: whatever follows from it
    is made anew for each image."""
    return field(default=default, metadata={"parameter": Parameter(default, meaning, least, most, live=True)})


def parameters_of(group: type[Any]) -> dict[str, Parameter]:
    """Return the parameters that the fields of a dataclass are."""
    return {each.name: _parameter(each) for each in fields(group)}


def made(group: type[Any], values: Mapping[str, Any]) -> Any:
    """Return a dataclass of options from the values of all parameters."""
    return group(**{each.name: values[each.name] for each in fields(group)})


def _parameter(each: Field[Any]) -> Parameter:
    parameter: Parameter = each.metadata["parameter"]
    return parameter
