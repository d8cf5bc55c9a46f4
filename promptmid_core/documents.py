"""JSON and YAML that come from outside: within limits of size and depth, and of one meaning."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, cast

from promptmid_core.errors import InputError
from promptmid_core.files import CURE_OF_READING, read_regular
from promptmid_core.yamlfile import check_number

MOST_BYTES = 4 * 2**20
MOST_DEPTH = 32  # of lists and tables within one another
MOST_PARTS = 2**20  # lists and tables, each of which takes some twenty times the room in memory that it takes in a file
TOO_DEEP = f"it nests deeper than {MOST_DEPTH}"


@dataclass(frozen=True)
class Located:
    """A value of a YAML file and the line, from 1 on, that it begins on: a scalar, a list of these, or a table of these by name,
    where the line is that of the name."""

    value: Any
    line: int


def read_json(path: Path, most: int = MOST_BYTES, cure: str = CURE_OF_READING) -> Any:
    """Return the JSON value that a file holds.

    Raises InputError, which names `path` and ends with `cure`, where that is no regular file of at most `most` bytes, or holds
    what `parsed_json` refuses.
    """
    content = read_regular(path, most, cure)
    try:
        return parsed_json(content)
    except ValueError as error:
        raise InputError(f"{path} is damaged or no JSON that can be used ({_one_line(error)}); {cure}") from error


def parsed_json(content: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises ValueError where it is none, nests deeper than MOST_DEPTH, has more than MOST_PARTS lists and tables, gives a name
    twice, or holds NaN or Infinity, which are no JSON.
    """
    text = content.decode() if isinstance(content, bytes) else content
    if text.count("[") + text.count("{") > MOST_PARTS:
        raise ValueError(f"it holds more than {MOST_PARTS} lists and tables")
    try:
        values = json.loads(text, object_pairs_hook=_table, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error
    parts = [values]
    for _ in range(MOST_DEPTH + 1):
        parts = [value for part in parts if isinstance(part, dict | list)
                 for value in (part.values() if isinstance(part, dict) else part)]
    if parts:
        raise ValueError(TOO_DEEP)
    return values


def read_yaml(path: Path, most: int = MOST_BYTES, cure: str = CURE_OF_READING) -> Any:
    """Return the value of a YAML file, of plain scalars, lists and tables.

    Raises InputError, which names `path` and ends with `cure`, where that is no regular file of at most `most` bytes or no YAML,
    nests deeper than MOST_DEPTH, gives a name twice, or has tags, anchors or aliases.
    """
    return _loaded(path, most, cure, lambda loader: loader.get_single_data())


def read_located(path: Path, most: int = MOST_BYTES, cure: str = CURE_OF_READING) -> Located:
    """Return the value of a YAML file as `read_yaml` does, and with each part of it the line that it stands on.

    Raises InputError as `read_yaml` does.
    """
    def located(loader: Any) -> Located:
        node = loader.get_single_node()
        return Located(None, 1) if node is None else _located(loader, node)

    return cast(Located, _loaded(path, most, cure, located))


def _loaded(path: Path, most: int, cure: str, take: Callable[[Any], Any]) -> Any:
    """What `take` makes of the loader of a YAML file."""
    import yaml

    content = read_regular(path, most, cure)
    try:
        # not yaml's loader in C, which ends the process where lists nest deep
        loader = _loader()(content)
        try:
            return take(loader)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path} is no YAML that can be read ({_one_line(error)}); {cure}") from error


def _located(loader: Any, node: Any) -> Located:
    import yaml

    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return Located([_located(loader, each) for each in node.value], line)
    if isinstance(node, yaml.MappingNode):
        parts = {name: Located(_located(loader, value).value, key.start_mark.line + 1)
                 for name, (key, value) in zip(loader.names(node), node.value, strict=True)}
        return Located(parts, line)
    try:
        return Located(loader.construct_object(node), line)
    except ValueError as error:
        raise yaml.YAMLError(f"line {line}: {error}") from error


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"'{twice:.60}' stands there twice")
    return values


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number of JSON")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


@cache
def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML's safe loader, which takes the last of several values of a name, without what tables of values do not need."""

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            line = f"line {event.start_mark.line + 1}"
            if isinstance(event, yaml.AliasEvent) or event.anchor or getattr(event, "tag", None):
                raise yaml.YAMLError(f"{line} has a tag, an anchor or an alias")
            if isinstance(event, yaml.ScalarEvent):
                try:
                    check_number(event.value)
                except ValueError as error:
                    raise yaml.YAMLError(f"{line}: {error}") from error
            if self.depth > MOST_DEPTH:
                raise yaml.YAMLError(TOO_DEEP)
            self.depth += 1
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def names(self, node: Any) -> list[Any]:
            """The names in a table, each of them once."""
            names: dict[Any, None] = {}
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise yaml.YAMLError(f"line {key.start_mark.line + 1} has a list or a table for a name")
                name = self.construct_object(key)
                if name in names:
                    raise yaml.YAMLError(f"{key.value:.60} stands there twice, again in line {key.start_mark.line + 1}")
                names[name] = None
            return list(names)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            self.names(node)
            return super().construct_mapping(node, deep)

    return Loader
