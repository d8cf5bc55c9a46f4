"""Engines on disk. An engine is code: it is read from one folder alone, and only where all that it was made for is so here.

Beside FILE.engine lies FILE.engine.json, which says what the engine was made for and the hash that it must have. Both are written
whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from promptmid_core.documents import parsed_json
from promptmid_core.errors import InputError, Unavailable
from promptmid_core.folders import put

FORMAT = 1
MOST_SIDECAR, MOST_TIMING = 2**16, 2**28  # bytes
MODE = 0o600
FOLDER = "PROMPTMID_ENGINES"  # environment variable


@dataclass(frozen=True)
class EngineKey:
    """What an engine is made for. `onnx`: SHA-256; `gpu`: its name, empty where any of that compute capability will do; `cuda`:
    the version; `image`: its shape; `flags`: how it was built."""

    onnx: str
    flavour: str
    version: str
    gpu: str
    compute_capability: str
    cuda: str
    image: tuple[int, ...]
    flags: tuple[str, ...] = ("strongly typed",)

    @staticmethod
    def of(sidecar: dict[str, Any]) -> EngineKey:
        """KeyError where a sidecar lacks something."""
        values = {each.name: sidecar[each.name] for each in fields(EngineKey)}
        return EngineKey(**values | {name: tuple(value) for name, value in values.items() if isinstance(value, list)})

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def differences(self, other: EngineKey) -> str:
        """Return what the other has that this has not, in words."""
        return ", ".join(f"{each.name} {getattr(other, each.name)} instead of {getattr(self, each.name)}" for each in fields(self)
                         if getattr(self, each.name) != getattr(other, each.name))


def folder() -> Path:
    """Return where engines are kept; made where it is not there, for this user alone. Raises InputError where it can be
    nowhere."""
    named, caches = os.environ.get(FOLDER), os.environ.get("XDG_CACHE_HOME")
    try:
        path = Path(named) if named else Path(caches or Path.home() / ".cache") / "promptmid" / "engines"
    except RuntimeError as error:
        raise InputError(f"this user has no home to keep engines in; name a folder for them in {FOLDER}") from error
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be made ({error.strerror}); name another folder for engines in {FOLDER}") from error
    return path


def name_of(onnx: Path, key: EngineKey) -> str:
    """Return the file name that an engine is looked for under."""
    return f"{onnx.stem}-{key.digest}.engine"


def write(path: Path, key: EngineKey, engine: bytes) -> None:
    """Write the engine and what it is made for. Raises InputError where they cannot be written."""
    sidecar = {"format": FORMAT, **asdict(key), "engine_bytes": len(engine), "engine_sha256": hashlib.sha256(engine).hexdigest()}
    try:
        with _locked(path.parent):
            put(path, engine, path.parent, mode=MODE)
            put(sidecar_of(path), (json.dumps(sidecar, indent=2) + "\n").encode(), path.parent, mode=MODE)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); name a file in a writable folder") from error


def read(onnx: Path, key: EngineKey, command: str) -> bytes:
    """Return the engine for `key`, from the folder of engines. Unavailable, with the `command` that builds it, where there is
    none; Raises InputError where folder or file can be written by others, is not what its sidecar says, or that is for something
    else."""
    home = folder()
    path = home / name_of(onnx, key)
    _check_safe(home.lstat(), home, stat.S_ISDIR)
    if not path.exists() and not path.is_symlink():
        raise Unavailable(f"there is no engine for {onnx} here{_nearest(home, key)}; build it with '{command}'")
    with _locked(home):
        try:
            said = _sidecar(sidecar_of(path))
            found = EngineKey.of(said)
            size, digest = int(said["engine_bytes"]), said["engine_sha256"]
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise InputError(f"{sidecar_of(path)} does not say what the engine beside it is made for ({error!r}); build it again "
                             f"with '{command}'") from error
        if said.get("format") != FORMAT or found != key:
            raise InputError(f"{path} is made for something else: {key.differences(found) or 'another format'}; build the right "
                             f"one with '{command}'")
        try:
            engine = _read_safely(path, size)
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); build it again with '{command}'") from error
    if len(engine) != size or hashlib.sha256(engine).hexdigest() != digest:
        raise InputError(f"{path} is damaged: it has {len(engine)} bytes and not the hash that its sidecar names for {size}; "
                         f"build it again with '{command}'")
    return engine


def sidecar_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def timing_cache(key: EngineKey) -> bytes:
    """Return what was timed by earlier builds with this library on this GPU; empty where nothing was."""
    home = folder()
    path = home / _timing_name(key)
    _check_safe(home.lstat(), home, stat.S_ISDIR)
    return _read_safely(path, MOST_TIMING) if path.exists() else b""


def keep_timing_cache(key: EngineKey, timed: bytes) -> None:
    """For later builds."""
    if timed:
        home = folder()
        with _locked(home):
            put(home / _timing_name(key), timed, home, mode=MODE)


def _timing_name(key: EngineKey) -> str:
    text = f"{key.flavour} {key.version} {key.gpu} {key.compute_capability} {key.cuda}"
    return f"timing-{hashlib.sha256(text.encode()).hexdigest()[:16]}.cache"


def _nearest(home: Path, key: EngineKey) -> str:
    """How an engine of the same file that is there differs, in words."""
    for path in sorted(home.glob("*.engine.json")):
        try:
            other = EngineKey.of(_sidecar(path))
        except (OSError, ValueError, KeyError, TypeError, InputError):
            continue  # it is only looked at for a hint
        if other.onnx == key.onnx:
            return f" (one is for {key.differences(other)})"
    return ""


def _sidecar(path: Path) -> dict[str, Any]:
    """ValueError where it holds no table."""
    said = parsed_json(_read_safely(path, MOST_SIDECAR))
    if not isinstance(said, dict):
        raise ValueError("it holds no table")
    return said


def _read_safely(path: Path, most: int) -> bytes:
    """The first `most` bytes of a file and one more. It is checked after it was opened, so that it cannot be exchanged in
    between; of a pipe no writer is waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise InputError(f"{path} is a link; engines are read from the folder of engines alone") from error
        raise
    with os.fdopen(descriptor, "rb") as file:
        _check_safe(os.fstat(descriptor), path, stat.S_ISREG)
        return file.read(min(os.fstat(descriptor).st_size, max(most, 0) + 1))


def _check_safe(status: os.stat_result, path: Path, is_kind: object) -> None:
    """InputError where the file or folder is not of its kind, not of this user, or writable by others."""
    assert callable(is_kind)
    if not is_kind(status.st_mode):
        raise InputError(f"{path} is a link or no plain file or folder; engines are code and read from plain ones alone")
    if status.st_uid != os.geteuid():
        raise InputError(f"{path} belongs to user {status.st_uid}, not to {os.geteuid()} who runs this; engines are code: build "
                         "your own, or take the folder over with chown if you trust it")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InputError(f"{path} can be written by others (mode {stat.S_IMODE(status.st_mode):o}); engines are code: run 'chmod "
                         f"go-w {path}' if you trust what is there")


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """While another process writes there, wait."""
    descriptor = os.open(home / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
