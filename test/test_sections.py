"""Files that are read field by field: whatever is wrong is one sentence with file, line, field and cure."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import told

from promptmid_core.documents import MOST_DEPTH, read_located, read_yaml
from promptmid_core.errors import InputError
from promptmid_core.sections import Section, plain

TEXT = """# a comment
name: one
within:
  count: 3
  share: 0.5
  flag: true
  many:
    - {a: 1}
    - a: 2
      b: [1, two]
"""


@pytest.fixture
def whole(tmp_path: Path) -> Section:
    (tmp_path / "file.yaml").write_text(TEXT)
    return Section.read(tmp_path / "file.yaml", "write another")


def test_fields_are_read_with_their_lines(whole: Section) -> None:
    within = whole.section("within")
    assert (whole.text("name"), within.count("count", 0, 9)) == ("one", 3)
    assert (within.number("share", 0, 1), within.flag("flag")) == (0.5, True)
    assert (whole.line, within.line, within.fields["flag"].line) == (2, 3, 6)
    first, second = within.sections("many")
    assert (first.name, first.line, second.name, second.line) == ("within.many[1]", 8, "within.many[2]", 9)
    assert second.values() == {"a": 2, "b": [1, "two"]} == within.entries("many", "tables")[1]
    assert (second.fields["b"].line, second.spelled("b")) == (10, f"{whole.path}, line 10: within.many[2].b")
    assert "name" in whole and "other" not in whole
    assert whole.values() == read_yaml(whole.path)


def test_what_is_wrong_is_told_with_its_line(whole: Section) -> None:
    at, within = f"{whole.path}, line", whole.section("within")
    assert told(whole.only, "name", "withing") == f"{at} 3: within is not known here; did you mean withing?"
    assert told(within.only, "elsewhere") == f"{at} 4: within.count is not known here; there are elsewhere"
    assert told(within.count, "count", 4, 9) == f"{at} 4: within.count is 3; it has to be a whole number from 4 to 9"
    assert told(within.count, "flag", 0, 9) == f"{at} 6: within.flag is True; it has to be a whole number from 0 to 9"
    assert told(within.number, "share", 0.6, 1) == f"{at} 5: within.share is 0.5; it has to be a number from 0.6 to 1"
    assert told(within.number, "flag", 0, 1) == f"{at} 6: within.flag is True; it has to be a number from 0 to 1"
    assert told(within.flag, "share") == f"{at} 5: within.share is 0.5; it has to be true or false"
    assert told(whole.text, "name", ("two", "three")) == f"{at} 2: name is 'one'; it has to be one of two, three"
    assert told(within.text, "count") == f"{at} 4: within.count is 3; it has to be a text"
    assert told(within.entries, "count", "words") == f"{at} 4: within.count is 3; it has to be a list of words"
    assert told(whole.section, "name") == f"{at} 2: name is 'one'; it has to have fields below it, each 'name: value'"
    assert told(within.text, "title") == f"{at} 3: within lacks title; add 'title: ...'"
    assert told(whole.text, "title") == f"{at} 2: the file lacks title; add 'title: ...'"


def test_what_others_refuse_gets_the_line_once(whole: Section) -> None:
    within = whole.section("within")

    def refuse(sentence: str) -> None:
        with within.located(), within.located("share"):
            raise InputError(sentence)

    assert told(refuse, "it is too much") == f"{whole.path}, line 5: within.share: it is too much"


@pytest.mark.parametrize(("text", "said"), [
    ("", "line 1: the file is no table"), ("- 1\n- 2", "line 1: the file is no table"), ("\n1: 2", "line 2: 1 is no name of a"),
    ("a: 1\nb: 2\na: 3", "a stands there twice, again in line 3"), ("a: 1\nb: [", "line 2"),
    ("a: 1\nb: &x 1", "line 2 has a tag"),
    ("a: 1\nb: 2001-99-99", "line 2: month"), ("a: 1\nb: " + "9" * 5000, "line 2: it has a number of 5000 digits"),
    ("a: " + "[" * (MOST_DEPTH + 2), "nests deeper"), ("a: 1\n? [b]\n: 1", "line 2 has a list or a table for a name"),
])
def test_a_file_that_cannot_be_used_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    assert said in told(Section.read, file, "write another")


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e400", "'1'", "null", "[1]", "{a: 1}"])
def test_numbers_are_finite_numbers(tmp_path: Path, value: str) -> None:
    (tmp_path / "file.yaml").write_text(f"a: {value}")
    assert "line 1: a is " in told(Section.read(tmp_path / "file.yaml", "").number, "a", -1e999, 1e999)


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="[]{}:,-?&*!|>'\"%@`#ab1.<=~ \n\t", max_size=40))
def test_any_yaml_has_the_same_values_with_lines_and_without(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "located.yaml"
    file.write_text(text)
    try:
        located = plain(read_located(file))
    except InputError as refusal:
        assert "\n" not in str(refusal)
        return
    try:
        assert repr(located) == repr(read_yaml(file))
    except InputError as refusal:
        # a merge of tables, which has no line of its own
        assert "<<" in text or "=" in text, refusal
