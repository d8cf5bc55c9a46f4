"""The content of a message, as promptmid_core has it, to the message of ROS."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

SEQUENCE = re.compile(r"sequence<(.+?)(, \d+)?>|(.+)\[\d+\]")
CODES = {"int8": "b", "uint8": "B"}


@cache
def kind_of(name: str) -> Any:
    """Return the class of a message type, as `sensor_msgs/msg/Image` or, as messages name that of a field, `sensor_msgs/Image`.

    Raises ImportError where its package is not installed.
    """
    package, _, message = name.replace("/msg/", "/").partition("/")
    return getattr(import_module(f"{package}.msg"), message)


def message(kind: Any, content: Mapping[str, Any]) -> Any:
    """Return a message of a class with the values of its fields by name; fields that are not named keep their default.

    Raises KeyError for a name that is no field.
    """
    types = kind.get_fields_and_field_types()
    return kind(**{name: _value(types[name], value) for name, value in content.items()})


def _value(type_name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return message(kind_of(type_name), value)
    if type_name == "octet":
        return bytes([value])
    of = SEQUENCE.fullmatch(type_name)
    if isinstance(value, np.ndarray) and of and of[1] in CODES:
        # what rclpy takes as it is: of anything else it looks at each element
        return array(CODES[of[1]], value.tobytes())
    if isinstance(value, list) and of:
        return [_value(of[1] or of[3], each) for each in value]
    return value
