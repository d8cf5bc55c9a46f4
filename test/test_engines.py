"""Engines on disk: only what is the user's own, whole, and made for exactly this is read."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import pytest

from promptmid_core.errors import InputError, Unavailable
from promptmid_core.runtime.tensorrt import engines
from promptmid_core.runtime.tensorrt.engines import EngineKey

KEY = EngineKey("0" * 64, "tensorrt", "10.16.0", "Orin", "8.7", "13.0", (1, 3, 256, 256))
ONNX, COMMAND, ENGINE = Path("compact.onnx"), "promptmid export tensorrt compact.onnx", bytes(range(256)) * 40


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(engines.FOLDER, str(tmp_path / "engines"))
    return engines.folder()


@pytest.fixture
def path(home):
    path = home / engines.name_of(ONNX, KEY)
    engines.write(path, KEY, ENGINE)
    return path


def read(key=KEY):
    return engines.read(ONNX, key, COMMAND)


def test_what_is_written_is_read(path):
    assert read() == ENGINE
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {each.name for each in path.parent.iterdir()} == {path.name, f"{path.name}.json", ".lock"}


@pytest.mark.parametrize("name", [each.name for each in fields(EngineKey)])
def test_whatever_differs_it_is_another_engine(path, name):
    value = getattr(KEY, name)
    other = replace(KEY, **{name: (*value[:-1], 64) if name == "image" else (*value, "x") if name == "flags" else f"{value}1"})
    with pytest.raises(Unavailable, match=r"there is no engine for .* build it with 'promptmid export tensorrt compact.onnx'"):
        read(other)
    # nor does another name help: what the sidecar says counts
    path.rename(path.with_name(engines.name_of(ONNX, other)))
    engines.sidecar_of(path).rename(engines.sidecar_of(path.with_name(engines.name_of(ONNX, other))))
    with pytest.raises(InputError, match=f"made for something else: {name} .* instead of .* build the right one with 'promptmid"):
        read(other)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: b"\1" + data[1:]])
def test_a_truncated_or_changed_engine_is_refused(path, damage):
    path.write_bytes(damage(ENGINE))
    with pytest.raises(InputError, match=f"is damaged: .* build it again with '{COMMAND}'"):
        read()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "not json", "[" * 20_000])
def test_a_sidecar_that_says_nothing_is_refused(path, text):
    engines.sidecar_of(path).write_text(text)
    with pytest.raises(InputError, match="does not say what the engine beside it is made for"):
        read()


def test_a_sidecar_of_another_format_or_none_is_refused(path):
    sidecar = engines.sidecar_of(path)
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"format": 2}))
    with pytest.raises(InputError, match="another format"):
        read()
    sidecar.unlink()
    with pytest.raises(InputError, match="does not say"):
        read()


@pytest.mark.parametrize("mode", [0o620, 0o602])
@pytest.mark.parametrize("which", ["engine", "sidecar", "folder"])
def test_what_others_can_write_is_refused(path, which, mode):
    target = {"engine": path, "sidecar": engines.sidecar_of(path), "folder": path.parent}[which]
    target.chmod(mode | 0o100 if which == "folder" else mode)
    with pytest.raises(InputError, match=rf"{target} can be written by others .* 'chmod go-w"):
        read()


def test_what_belongs_to_another_user_is_refused(path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(InputError, match=r"belongs to user .* engines are code"):
        read()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("which", ["engine", "sidecar", "folder"])
def test_each_file_of_another_user_is_refused(path, which):
    target = {"engine": path, "sidecar": engines.sidecar_of(path), "folder": path.parent}[which]
    os.chown(target, 12345, -1)
    with pytest.raises(InputError, match=f"{target} belongs to user 12345"):
        read()


def test_links_are_refused(path, tmp_path):
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        read()


def test_a_linked_folder_is_refused(path, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(path.parent)
    monkeypatch.setenv(engines.FOLDER, str(tmp_path / "link"))
    with pytest.raises(InputError, match="is a link"):
        read()


def test_a_build_that_is_cut_short_leaves_the_old_engine(path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(InputError, match=r"cannot be written .No space left on device"):
        engines.write(path, KEY, ENGINE[:100])
    assert read() == ENGINE
    assert len(list(path.parent.iterdir())) == 3


def test_readers_beside_writers_see_whole_engines(path):
    def write(i):
        engines.write(path, KEY, ENGINE * (1 + i % 3))

    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write, i) for i in range(40)]
        sizes = {len(read()) for _ in range(60)}
        for each in writing:
            each.result()
    assert sizes <= {len(ENGINE) * n for n in (1, 2, 3)}


def test_timings_are_kept_for_the_same_library_and_gpu(home):
    engines.keep_timing_cache(KEY, b"timed")
    assert engines.timing_cache(replace(KEY, onnx="1" * 64)) == b"timed"
    assert engines.timing_cache(replace(KEY, version="11.0")) == b""
    next(home.glob("timing-*")).chmod(0o666)
    with pytest.raises(InputError, match="can be written by others"):
        engines.timing_cache(KEY)
