"""What is known of the SAR rasters of a map, and where from, as its header keeps it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from promptmid_core.products.acquisition import is_time
from promptmid_core.refmap.format.fields import Fields
from promptmid_core.refmap.sar.told import SOURCES, Fact

MOST_FACTS = 64
MOST_TIMES = 65534


def fact(fields: Fields) -> Fact:
    """Return a fact from a header's JSON values. Raises InputError where it is none."""
    value: float | str | None = None
    if not fields.empty("value"):
        value = fields.text("value") if isinstance(fields.values["value"], str) else fields.number("value")
    found = Fact(fields.word("name"), value, fields.word("source", SOURCES), fields.text("by"))
    fields.done()
    return found


def time(fields: Fields) -> str:
    """Return a time of acquisition. Raises InputError where it is none."""
    told = moment(fields, "time")
    fields.done()
    return told


def moment(fields: Fields, name: str) -> str:
    """Take a field that is a time of acquisition. Raises InputError where it is none."""
    told = fields.text(name)
    if not is_time(told):
        fields.refuse(name, "a time as 2023-05-01T12:00:00Z")
    return told


def to_dict(fact: Fact) -> dict[str, Any]:
    """Return a fact as the JSON values of a header."""
    return asdict(fact)
