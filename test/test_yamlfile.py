"""YAML files within limits: what is beyond them is told before anything is made of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import told

from promptmid_core.errors import InputError
from promptmid_core.yamlfile import MOST_BYTES, MOST_DEPTH, MOST_ELEMENTS, check_yaml, read_yaml_text


def laughs(levels: int) -> str:
    """Lists of ten aliases each, one of another: 10^levels elements in a few lines."""
    lines = ["a0: &a0 lol", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels + 1))]
    return "\n".join(lines)


BEYOND: dict[str, tuple[str, str]] = {
    "brackets": ("a: " + "[" * 20_000, f"nested more than {MOST_DEPTH} deep"),
    "braces": ("{a: " * 20_000, "nested more than"),
    "dashes": ("- " * 20_000, "nested more than"),
    "question marks": ("? " * 20_000, "nested more than"),
    "indented": ("\n".join(" " * i + "a:" for i in range(200)), "nested more than"),
    "laughs": (laughs(9), f"more than {MOST_ELEMENTS} elements"),
    "a long text often": ("a: &a '" + "word " * 20_000 + "'\nb: [" + "*a, " * 100 + "]", "elements"),
    "merged": ("a: &a {b: 1}\n" + "\n".join(f"x{i}: &x{i} {{<<: [*a{', ' if i else ''}{', '.join(f'*x{j}' for j in range(i))}]}}"
                                            for i in range(30)), "elements"),
    "many": ("a: [" + "1, " * MOST_ELEMENTS + "]", "elements"),
    "itself": ("a: &a [*a]", "alias"),
    "of nothing": ("a: *a", "alias"),
    "base 60": ("a: 1" + ":59" * 300_000, "a number of 900001 digits"),
    "digits": ("a: " + "9" * 5000, "a number of 5000 digits"),
}


@pytest.mark.parametrize(("text", "said"), BEYOND.values(), ids=BEYOND)
def test_what_is_beyond_the_limits_is_told_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    sentence = told(read_yaml_text, file, "mend it")
    assert sentence.startswith(f"{file} is no YAML that can be read (") and sentence.endswith("; mend it")
    assert said in sentence and len(sentence) < 400


@pytest.mark.parametrize("text", ["a: [", "a: 'x", "\tx: 1", "a: \x01", "%YAML 9.9\n---\na"])
def test_what_is_no_yaml_is_told_in_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    assert told(read_yaml_text, tmp_path / "file.yaml").startswith(f"{tmp_path / 'file.yaml'} is no YAML that can be read (")


def test_what_is_no_regular_file_or_too_large_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a pipe where a file is wanted; mend it" in told(read_yaml_text, tmp_path / "pipe", "mend it")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    assert "too large" in told(read_yaml_text, tmp_path / "large")
    (tmp_path / "bytes").write_bytes(b"a: \xff")
    assert "is no YAML" in told(read_yaml_text, tmp_path / "bytes")


def test_anchors_aliases_and_merges_of_sound_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text(
        "\ufeffa: &a {x: 1, y: [2.5, null, true]}\nb: {<<: *a, z: 'text'}\nc: [*a, *a]\ncrs: &c EPSG:1\ne: *c\n")
    found = yaml.safe_load(read_yaml_text(tmp_path / "file.yaml"))
    inner = {"x": 1, "y": [2.5, None, True]}
    assert found == {"a": inner, "b": inner | {"z": "text"}, "c": [inner, inner], "crs": "EPSG:1", "e": "EPSG:1"}


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), lambda inner:
                      st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5), max_leaves=30)


@settings(max_examples=60, deadline=None)
@given(value=VALUES)
def test_what_others_write_passes(value: Any) -> None:
    check_yaml(yaml.safe_dump(value))


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("ab:-?[]{},&*!|>'\"#% \n\t0159.")))
def test_any_text_passes_or_is_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(text)
    try:
        read_yaml_text(file)
    except InputError as refusal:
        assert "\n" not in str(refusal)
