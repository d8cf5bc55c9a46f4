"""What is known of the SAR rasters of a map, and where from, as its header keeps it."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from promptmid_core.refmap.format.fields import Fields
from promptmid_core.refmap.sar.told import SOURCES, Fact

MOST_FACTS = 64
MOST_TIMES = 65534
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


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
    told = fields.text("time")
    if not TIME.fullmatch(told):
        fields.refuse("time", "a time as 2023-05-01T12:00:00Z")
    fields.done()
    return told


def to_dict(fact: Fact) -> dict[str, Any]:
    """Return a fact as the JSON values of a header."""
    return asdict(fact)
