"""YAML for readers of its own, as of ROS 2 and of bags: limits of bytes, of depth, and of what aliases stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptmid_core.errors import InputError
from promptmid_core.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 4 * 2**20
MOST_DEPTH = 40
MOST_ELEMENTS = 100_000  # once each alias is replaced by what it stands for
TEXT = 64  # characters of a text that count as another element
LONGEST_NUMBER = 1000  # characters; the time that a number of base 60 takes goes with their square
OF_NUMBERS = frozenset("0123456789abcdefABCDEFxo:_.+-")


def read_yaml_text(path: Path, cure: str = "correct it") -> str:
    """Return the text of a YAML file that `check_yaml` lets pass, for a loader of one's own, which it keeps busy for seconds at
    most.

    Raises InputError, one sentence that names `path` and ends with `cure`, where it is no regular file, cannot be read, is no
    YAML, or is beyond the limits of this module.
    """
    import yaml

    try:
        text = read_regular(path, MOST_BYTES, cure).decode("utf-8-sig")
        check_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        raise no_yaml(path, error, cure) from error
    return text


def check_yaml(text: str) -> None:
    """Raise ValueError, or what a parser raises, where a text is no YAML or beyond the limits of this module."""
    import yaml

    _measure(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def check_number(text: str) -> None:
    """Raise ValueError where the text of a scalar would be a number that takes without end to be read."""
    if len(text) > LONGEST_NUMBER and OF_NUMBERS.issuperset(text):
        raise ValueError(f"it has a number of {len(text)} digits")


def no_yaml(path: Path, error: Exception, cure: str) -> InputError:
    """Return what to raise where a loader could make nothing of the file."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    what = f"line {mark.line + 1}: {problem}" if mark and problem else " ".join(str(error).split())
    return InputError(f"{path} is no YAML that can be read ({what:.200}); {cure}")


def _measure(events: Iterator[Any]) -> None:
    """Raise ValueError where what the events of a parser tell is beyond the limits; it stops reading them there."""
    from yaml import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

    sizes: dict[str, int] = {}  # elements that an anchor stands for
    within: list[tuple[str | None, int]] = []  # anchors of what is open, and how many elements came before each
    count = 0
    for event in events:
        if isinstance(event, CollectionStartEvent):
            within.append((event.anchor, count))
            if len(within) > MOST_DEPTH:
                raise ValueError(f"it is nested more than {MOST_DEPTH} deep")
        elif isinstance(event, CollectionEndEvent):
            anchor, before = within.pop()
            count += 1
            _keep(sizes, anchor, count - before)
        elif isinstance(event, ScalarEvent):
            check_number(event.value)
            size = 1 + len(event.value) // TEXT
            count += size
            _keep(sizes, event.anchor, size)
        elif isinstance(event, AliasEvent):
            if event.anchor not in sizes:
                raise ValueError("an alias stands for nothing, or for what it is in, without end")
            count += sizes[event.anchor]
        if count > MOST_ELEMENTS:
            raise ValueError(f"it has more than {MOST_ELEMENTS} elements, aliases counted as what they stand for")


def _keep(sizes: dict[str, int], anchor: str | None, size: int) -> None:
    if anchor is not None:
        sizes[anchor] = size
