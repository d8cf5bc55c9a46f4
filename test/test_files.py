"""Files are written whole or not at all, and what cannot be written is refused before the work."""

import json
import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from refusals import told

from promptmid_core.cli import main
from promptmid_core.errors import InputError
from promptmid_core.files import (
    check_target,
    make_folder,
    open_regular,
    read_regular,
    replacing,
    sha256,
    write_json,
    write_whole,
)

LONGEST = 255  # bytes of a name, on every common file system


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_there_stays_until_the_whole_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_text("ne")
        raise ZeroDivisionError
    assert path.read_text() == "old" and names(tmp_path) == ["file"]
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and names(tmp_path) == ["file"]


def test_a_file_is_readable_as_others_that_this_user_makes(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    write_whole(tmp_path / "whole", "x")
    assert stat.S_IMODE((tmp_path / "whole").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").symlink_to(tmp_path / "there" / "file")
    for content in ("one", "two"):
        check_target(tmp_path / "here")
        write_whole(tmp_path / "here", content)
        assert (tmp_path / "here").is_symlink() and (tmp_path / "there" / "file").read_text() == content
    assert names(tmp_path / "there") == ["file"]


def test_a_pipe_is_given_the_content_and_stays_one(tmp_path: Path) -> None:
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    listener = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    listener.start()
    check_target(pipe)
    write_json(pipe, [1])
    listener.join(10)
    assert heard == ["[\n  1\n]\n"] and pipe.is_fifo()
    write_whole(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()


def test_a_name_that_is_no_utf8_is_written_with_its_own_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    write_whole(tmp_path / name, f"<p>{name}</p>")
    write_json(tmp_path / "json", {"bag": name})
    assert (tmp_path / name).read_bytes() == b"<p>caf\xe9</p>"
    assert json.loads((tmp_path / "json").read_text()) == {"bag": name}


def test_a_hash_is_that_of_the_content_and_none_of_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "nothing") is sha256(tmp_path) is None


@pytest.fixture
def irregular(tmp_path: Path) -> dict[str, Path]:
    """What is no regular file, by what it is called."""
    kinds = {what: tmp_path / what for what in ("pipe", "socket", "folder")} | {"device": Path("/dev/zero")}
    os.mkfifo(kinds["pipe"])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(kinds["socket"]))
    kinds["folder"].mkdir()
    return kinds


def test_what_is_no_regular_file_is_refused_by_what_it_is_and_never_waited_for(irregular: dict[str, Path],
                                                                               tmp_path: Path) -> None:
    for what, path in irregular.items():
        link = tmp_path / f"link to {what}"
        link.symlink_to(path)
        for name in (path, link):
            assert told(open_regular, name, "give it again") == f"{name} is a {what} where a file is wanted; give it again"
            assert told(read_regular, name, 10) == f"{name} is a {what} where a file is wanted; name a file that can be read"
            assert sha256(name) is None


def test_what_takes_the_place_of_a_file_as_it_is_opened_is_refused_too(irregular: dict[str, Path], tmp_path: Path,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("text")
    sound = (tmp_path / "file").stat()
    monkeypatch.setattr(Path, "stat", lambda path: sound)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for what in ("pipe", "device", "folder"):
        assert f"is a {what} where" in told(open_regular, irregular[what])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_regular_file_is_read_within_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        assert read_regular(tmp_path / name, 5) == b"12345"
        assert told(read_regular, tmp_path / name, 4).endswith("too large, more than the 4 bytes that such a file may have; "
                                                               "name a file that can be read")
    # a file may grow after it was measured, and some tell no size at all
    assert "too large" in told(read_regular, Path("/proc/self/maps"), 10)
    assert read_regular(Path("/proc/self/limits"), 2**20).endswith(b"\n")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    assert "too large" in told(read_regular, tmp_path / "sparse", 2**20)
    assert told(read_regular, tmp_path / "none", 5) == (
        f"{tmp_path / 'none'} cannot be read (No such file or directory); name a file that can be read")


@pytest.fixture
def places(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder.json").mkdir()
    return tmp_path


@pytest.mark.parametrize(("name", "said"), [
    ("missing/out.json", "its folder does not exist"),
    ("missing/below/out.json", "its folder does not exist"),
    ("file/out.json", "its folder is a file"),
    ("file/below/out.json", "its folder does not exist"),
    ("folder.json", "it is a folder"),
    ("", "it is a folder"),
    ("x" * LONGEST + ".json", "(File name too long)"),
    ("/proc/out.json", "cannot be written ("),
])
def test_what_cannot_be_written_is_refused_before_the_work(places: Path, name: str, said: str) -> None:
    before = names(places)
    with pytest.raises(InputError) as refused:
        check_target(places / name, (".json",) if name else ())
    assert said in str(refused.value) and str(places / name) in str(refused.value) and "\n" not in str(refused.value)
    with pytest.raises(InputError):
        write_whole(places / name, "content")
    assert names(places) == before


@pytest.mark.parametrize("name", ["new.json", "NEW.JSON", "file", "x" * (LONGEST - len(".json")) + ".json"])
def test_what_can_be_written_passes_and_nothing_is_left(places: Path, name: str) -> None:
    before = names(places)
    check_target(places / name, () if name == "file" else (".png", ".json"))
    assert names(places) == before and (places / "file").read_text() == "text"


def test_a_kind_that_nobody_writes_is_refused_with_those_there_are(places: Path) -> None:
    with pytest.raises(InputError, match=r"out\.pdf is of no kind that can be written; name a file that ends in \.png or \.html"):
        check_target(places / "out.pdf", (".png", ".html"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_what_this_user_may_not_write_is_refused(places: Path) -> None:
    (places / "file").chmod(0o444)
    (places / "folder.json").chmod(0o555)
    (places / "closed").mkdir(mode=0)
    with pytest.raises(InputError, match="write-protected"):
        check_target(places / "file")
    for folder in ("folder.json", "closed", "closed/below"):
        with pytest.raises(InputError, match="Permission denied"):
            check_target(places / folder / "out.json")


def test_a_folder_is_made_or_refused(places: Path) -> None:
    make_folder(places / "one" / "two")
    make_folder(places / "one" / "two")
    assert (places / "one" / "two").is_dir()
    for name, said in (("file", "is a file"), ("file/below", "cannot be made"), ("x" * (LONGEST + 1), "cannot be made")):
        with pytest.raises(InputError, match=said):
            make_folder(places / name)


COMMANDS = {
    "replay --json": ["replay", "no_bag", "--map", "no_map", "--json"],
    "replay --report": ["replay", "no_bag", "--map", "no_map", "--report"],
    "bench --json": ["bench", "no_pairs", "--json"],
    "bench --plot": ["bench", "no_pairs", "--plot"],
    "bench --trials-file": ["bench", "no_pairs", "--trials-file"],
    "bench runtime --json": ["bench", "runtime", "--descriptor", "none_such", "--json"],
    "export onnx": ["export", "onnx", "--profile", "no_profile", "--out"],
    "export tensorrt": ["export", "tensorrt", "no.onnx", "--out"],
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_command_refuses_its_target_before_it_looks_at_anything_else(
        places: Path, words: list[str], folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = places / folder / ("out.onnx" if "onnx" in words else "out.png")
    assert main([*words, str(target)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and told[0].startswith(f"promptmid: {target} cannot be written, its folder "), told


@pytest.mark.parametrize("words", [
    ["simulate", "world", "--seed", "1", "--size-px", "256"],
    ["demo", "--frames", "1"],
])
def test_a_command_that_makes_a_folder_says_where_it_cannot(places: Path, words: list[str],
                                                            capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--out", str(places / "file" / "below")]) == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and "below cannot be made (Not a directory)" in told[0], told
