"""The names of descriptors, which commands, maps and benches all read alike."""

from pathlib import Path

import pytest

from promptmid_core.descriptors import load, with_model
from promptmid_core.descriptors.name import DescriptorName
from promptmid_core.errors import InputError


@pytest.mark.parametrize(("text", "parts"), [
    ("structural", ("structural", "", "", "")),
    ("structural/gradient", ("structural", "", "gradient", "")),
    ("structural@int8", ("structural", "", "", "int8")),
    ("structural/gradient@int8", ("structural", "", "gradient", "int8")),
    ("promptmid", ("promptmid", "", "", "")),
    ("promptmid/learned", ("promptmid", "", "learned", "")),
    ("promptmid:compact", ("promptmid", "compact", "", "")),
    ("promptmid:full/gradient+learned@float16", ("promptmid", "full", "gradient+learned", "float16")),
    ("promptmid:nowhere", ("promptmid", "nowhere", "", "")),
    ("promptmid:nowhere/compact/learned", ("promptmid", "nowhere/compact", "learned", "")),
    ("promptmid:user@host/compact", ("promptmid", "user@host", "compact", "")),
])
def test_a_name_is_read_and_written_back(text: str, parts: tuple[str, str, str, str], tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = DescriptorName.parse(text)
    assert name == DescriptorName(*parts) and str(name) == text


@pytest.mark.parametrize("profile", [
    "trained", "trained/compact", "user@host/compact", "trained/compact@int8", "a:b/c", "full/learned"])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_folder_that_is_there_is_the_profile_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str,
                                                                 absolute: bool) -> None:
    monkeypatch.chdir(tmp_path)
    Path(profile).mkdir(parents=True)
    folder = f"{tmp_path / profile}" if absolute else profile
    for group in ("", "/learned", "/gradient+learned"):
        for store in ("", "@int8"):
            name = DescriptorName.parse(f"promptmid:{folder}{group}{store}")
            assert (name.folder, name.group, name.store) == (Path(folder), group[1:], store[1:])
            assert DescriptorName.whole(str(name.without_parts)) == DescriptorName("promptmid", folder)


def test_only_a_folder_is_one() -> None:
    assert [DescriptorName.parse(text).folder for text in ("structural", "promptmid", "promptmid:compact", "promptmid:full")] == [
        None] * 4
    assert [DescriptorName.parse(text).of_user for text in ("promptmid", "promptmid:full", "promptmid:full/learned")] == [
        False, True, True]


@pytest.mark.parametrize("text", ["", "magic", "structural:x", "Structural", "structural/a/b", "/learned", "@int8", ":full"])
def test_a_name_that_is_none_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(InputError, match=r"there is no descriptor '.*'; known are structural, promptmid"):
        DescriptorName.parse(text)


def test_a_path_that_no_file_system_takes_is_a_profile_that_is_not_there() -> None:
    for profile in ("x" * 5000, "x/" * 3000 + "y"):
        assert DescriptorName.parse(f"promptmid:{profile}@int8").store == "int8"


@pytest.mark.parametrize(("text", "meant"), [
    ("structural", True), ("promptmid:a/b", True), ("promptmid/learned", True), ("structural@int8", True),
    ("structural:Class", True), ("cfog", False), ("promptmid_plus.methods:Class", False), ("my.structural:Class", False),
])
def test_a_name_is_told_from_that_of_another_method(text: str, meant: bool) -> None:
    assert DescriptorName.is_meant(text) == meant


def test_a_model_stands_for_the_profile_that_it_describes() -> None:
    model = Path("/trained/full/profile.yaml")
    assert with_model("promptmid:full", model) == "promptmid:/trained/full"
    assert with_model("promptmid:full/learned@int8", model) == "promptmid:/trained/full/learned@int8"
    assert with_model("anything", None) == "anything"
    for name in ("promptmid", "structural", "promptmid:/other", "promptmid:fuller"):
        with pytest.raises(InputError, match=f"--model describes promptmid:full, not {name}; leave it out"):
            with_model(name, model)


@pytest.mark.parametrize(("text", "said"), [
    ("magic", "there is no descriptor 'magic'; known are structural, promptmid"),
    ("structural/gradient", "there is no descriptor 'structural/gradient'"),
    ("promptmid:/nowhere/compact", "/nowhere/compact/profile.yaml cannot be read .No such file"),
    ("promptmid:full", "the profile full is made of your own checkpoints"),
])
def test_what_cannot_be_loaded_is_said(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load(text)
