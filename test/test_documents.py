"""JSON and YAML of strangers: read within limits, of one meaning, or refused in a sentence."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from finite import share
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import told

from promptmid_core import documents
from promptmid_core.documents import MOST_DEPTH, parsed_json, read_json, read_yaml
from promptmid_core.errors import InputError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_json_is_read_as_it_was_written(value: Any) -> None:
    assert parsed_json(json.dumps(value)) == parsed_json(json.dumps(value).encode()) == value


@settings(max_examples=share(300))
@given(st.binary(max_size=60) | st.text(alphabet='[]{}":,0123eE+-.NaInfity\\u \n', max_size=60))
def test_whatever_else_is_there_is_a_value_error(content: bytes | str) -> None:
    with suppress(ValueError):
        parsed_json(content)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(("text", "said"), [
    (nested(MOST_DEPTH + 2), "nests deeper"), (nested(900), "nests deeper"), ("[" * 20_000, "nests deeper"),
    ('{"a":' * 50 + "1" + "}" * 50, "nests deeper"), ("[" * 2_000_000, "more than"), ("[]," * 1_200_000, "more than"),
    ('{"a": 1, "b": 2, "a": 3}', "'a' stands there twice"), ('{"' + "x" * 999 + '": 1, "' + "x" * 999 + '": 1}', "twice"),
    ("[NaN]", "NaN, which is no number"), ('{"a": -Infinity}', "-Infinity"), ("9" * 5000, "digits"), ("", "Expecting value"),
    ("\x00", "Expecting value"), ("nul", "Expecting value"), ("{} {}", "Extra data"),
])
def test_json_that_cannot_be_used_is_refused_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "file.json").write_text(text)
    sentence = told(read_json, tmp_path / "file.json", cure="write it again")
    assert sentence.startswith(f"{tmp_path / 'file.json'} is damaged or no JSON") and sentence.endswith("; write it again")
    assert said in sentence and len(sentence) < len(str(tmp_path)) + 250


def test_json_up_to_the_limits_is_read(tmp_path: Path) -> None:
    assert parsed_json(nested(MOST_DEPTH + 1))
    file = tmp_path / "file.json"
    file.write_bytes(b"[1]")
    assert read_json(file, 3) == [1]
    assert "too large" in told(read_json, file, 2)
    file.write_bytes(b"\xff\xfe")
    assert "damaged or no JSON" in told(read_json, file)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read in (read_json, read_yaml):
        assert "is a pipe where a file is wanted" in told(read, tmp_path / "pipe")
        assert "is a device where a file is wanted" in told(read, Path("/dev/zero"))


@pytest.mark.parametrize(("text", "said"), [
    ("[" * 20_000, "nests deeper"), ("a:\n" + "".join(" " * i + "- a:\n" for i in range(1, 99)), ""),
    ("{a: 1, a: 2}", "a stands there twice"), ("{1: x, 0x1: y}", "0x1 stands there twice"), ("a: &x [1]\nb: *x", "anchor"),
    ("a: &a [*a]", "anchor"), ("{[1]: 2}", "for a name"), ("? {a: 1}\n: 2", "for a name"), ("!!python/name:os.system x", "tag"),
    ("!!int ''", "tag"), ("!!bool x", "tag"), ("!!timestamp x", "tag"), ("a: 2001-99-99", "month"),
    ("a: " + "9" * 5000, "digits"), ("a: 1" + ":59" * 300_000, "a number of 900001 digits"),
    ("<<: {a: 1}", ""), ("=: 1", ""), ("\x00", "not allowed"), ("[", "line 1"),
    ("a: 1\n---\nb: 2", "document"),
])
def test_yaml_that_cannot_be_used_is_refused_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    sentence = told(read_yaml, tmp_path / "file.yaml", cure="write it again")
    assert sentence.startswith(f"{tmp_path / 'file.yaml'} is no YAML") and sentence.endswith("; write it again")
    assert said in sentence


def test_yaml_of_tables_lists_and_scalars_is_read(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text("# a comment\na: {1: x, 2: null}\nb:\n- 1.5\n- 'yes'\nc: true\n")
    assert read_yaml(tmp_path / "file.yaml") == {"a": {1: "x", 2: None}, "b": [1.5, "yes"], "c": True}


@settings(max_examples=share(200), deadline=None)
@given(text=st.text(alphabet="[]{}:,-?&*!|>'\"%@`#ab1.<=~ \n\t", max_size=40))
def test_any_yaml_is_a_value_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(text)
    try:
        read_yaml(file)
    except InputError as refusal:
        assert "\n" not in str(refusal)


def test_names_of_a_table_are_compared_a_few_times_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    class Name:
        def __init__(self, value: int) -> None:
            self.value = value

        def __hash__(self) -> int:
            return hash(self.value)

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return isinstance(other, Name) and self.value == other.value

    loader = documents._loader()
    construct = loader.construct_object
    monkeypatch.setattr(loader, "construct_object", lambda self, node, deep=False: (
        Name(int(node.value)) if str(node.value).isdecimal() else construct(self, node, deep)))
    (tmp_path / "many.yaml").write_text("".join(f"{code}: x\n" for code in range(2000)))
    assert len(read_yaml(tmp_path / "many.yaml")) == 2000
    assert compared < 4000
