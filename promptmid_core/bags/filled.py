"""A message from its content: plain values by the names of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from promptmid_core.bags.telemetry import typestore

# kinds of fields as rosbags numbers them
PLAIN, NAMED = 1, 2
EMPTY = {"string": "", "bool": False}
ALIKE = {"octet": "uint8", "byte": "uint8", "char": "uint8"}


def filled(kind: str, content: Mapping[str, Any]) -> Any:
    """Return a message of a type such as `sensor_msgs/msg/NavSatFix`; fields that are not named are 0, empty or false.

    Raises KeyError for a name that is no field.
    """
    fields = dict(typestore().fielddefs[kind][1])
    if unknown := content.keys() - fields.keys():
        raise KeyError(f"{kind} has no field {', '.join(sorted(unknown))}")
    return typestore().types[kind](**{name: _value(field, content.get(name)) for name, field in fields.items()})


def _value(field: Any, value: Any) -> Any:
    what, of = field
    if what == PLAIN:
        return EMPTY.get(of[0], 0) if value is None else value
    if what == NAMED:
        return filled(of, value or {})
    # of a sequence the number that there may be is 0, of an array there are so many
    element, count = of
    if element[0] == PLAIN and element[1][0] != "string":
        return np.zeros(count, _type(element[1][0])) if value is None else np.asarray(value, _type(element[1][0]))
    return [_value(element, each) for each in (value or [])]


def _type(name: str) -> str:
    return ALIKE.get(name, name)
