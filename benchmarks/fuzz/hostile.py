"""Values that nobody sends on purpose, and their way into messages, documents and bytes."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import Any

import numpy as np

FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-9, 5e-324, 6.9e-310, 2.3e-308, 1e-155, 1e8, 1e20, 1e155, -1e155, 1e300, 1.7976931348623157e308,
          float("inf"), float("-inf"), float("nan"))
INTEGERS = (0, 1, -1, 2, 7, 255, 256, 65535, 2**31 - 1, -2**31, 2**32 - 1, 2**63 - 1, -2**63)
TEXTS = ("", "map", "odom", "/map", "base_link", "jpeg", "png", "bgr8", "mono16", "rgb8; jpeg compressed bgr8", "plumb_bob",
         "fisheye", "rational_polynomial", "\x00", "../..", "x" * 4096, "\u202e", "\udcff", "\U0001f6e9", "%s", "{}", "nan",
         "1e999", "null")
TREES: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"": {}}, [None] * 1000, "0")
MOST_NESTED = 100
FIXED = (9, 12, 36)  # arrays whose length the message's type says


def number(rng: Random) -> float:
    """Return a hostile number, or one of any magnitude."""
    return rng.choice(FLOATS) if rng.random() < 0.6 else rng.choice((-1, 1)) * 10.0 ** rng.uniform(-320, 308)


def changed_bytes(rng: Random, data: bytes) -> bytes:
    """Return bytes with some of them set, cut, doubled, taken out or put in."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(out) + 1)
        end = min(len(out), at + rng.choice((1, 2, 4, 64, 1024)))
        match rng.randrange(6):
            case 0 if at < len(out):
                out[at] = rng.randrange(256)
            case 1 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 2:
                del out[at:]
            case 3:
                out[at:at] = out[at:end]
            case 4:
                del out[at:end]
            case _:
                out[at:end] = rng.choice((b"\x00", b"\xff", b"\x7f")) * (end - at)
    return bytes(out)


def changed_message(rng: Random, message: Any) -> Any:
    """Change some fields of a message of rosbags in place, each to a hostile value of its type; returns it."""
    fields = list(_fields(message))
    for owner, name in rng.sample(fields, min(rng.choice((1, 1, 2, 3, 8)), len(fields))):
        value = getattr(owner, name)
        if isinstance(value, bool):
            new: Any = rng.random() < 0.5
        elif isinstance(value, int):
            new = rng.choice(INTEGERS) if rng.random() < 0.7 else value + rng.randrange(-10**9, 10**9)
        elif isinstance(value, float):
            new = number(rng)
        elif isinstance(value, str):
            new = rng.choice(TEXTS)
        else:
            new = _changed_array(rng, value)
        setattr(owner, name, new)
    return message


def changed_tree(rng: Random, tree: Any) -> Any:
    """Return a JSON value with some of its parts taken away, replaced by hostile ones, or nested deeply."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_places(tree))
        if not places:
            return _hostile(rng, tree)
        owner, key = rng.choice(places)
        if rng.random() < 0.2:
            del owner[key]
        else:
            owner[key] = _hostile(rng, owner[key])
    return tree


def _hostile(rng: Random, value: Any) -> Any:
    match rng.randrange(7):
        case 0:
            return number(rng)
        case 1:
            return rng.choice(INTEGERS)
        case 2:
            return rng.choice(TEXTS)
        case 3:
            nested: Any = value
            for _ in range(rng.randrange(MOST_NESTED)):
                nested = [nested]
            return nested
        case 4 if isinstance(value, int | float):
            return value * rng.choice((-1, 0.5, 2, 1e3, 1e-3))
        case 5 if isinstance(value, list) and value:
            return value[:rng.randrange(len(value))] + value[rng.randrange(len(value)):]
        case _:
            return rng.choice(TREES)


def _changed_array(rng: Random, value: Any) -> Any:
    array = np.array(value)
    if array.size not in FIXED and (rng.random() < 0.2 or not array.size):
        return np.resize(array, rng.choice((0, 1, 3, 5, 14, 100)))
    for _ in range(rng.choice((1, 1, 2, array.size))):
        at = rng.randrange(array.size)
        array.flat[at] = number(rng) if array.dtype.kind == "f" else rng.randrange(256)
    return array


def _fields(message: Any) -> Any:
    for each in dataclasses.fields(message):
        value = getattr(message, each.name)
        if dataclasses.is_dataclass(value):
            yield from _fields(value)
        elif each.name != "__msgtype__" and not (isinstance(value, list) and value and dataclasses.is_dataclass(value[0])):
            yield message, each.name


def _places(tree: Any) -> Any:
    if isinstance(tree, dict | list):
        for key in (list(tree) if isinstance(tree, dict) else range(len(tree))):
            yield tree, key
            yield from _places(tree[key])
