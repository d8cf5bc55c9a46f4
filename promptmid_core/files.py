"""Files: written whole or not at all, refused before any work, read within limits, and told apart by what they hold."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.folders import folder_of, put, scratch

CURE = "name a file in a writable folder"
CURE_OF_READING = "name a file that can be read"
KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


@contextmanager
def writing(path: Path, cure: str = CURE) -> Iterator[None]:
    """Raise InputError, which names `path` and the cure, where the block cannot write (OSError)."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error, cure) from error


def write_whole(path: Path, content: str | bytes, within: Path | None = None, *, cure: str = CURE, mode: int = 0o666) -> None:
    """Write a file, text as UTF-8, in place of what is there, at once and on the disk when this returns, or not at all.

    `within` and `mode` as for `folders.put`; without `within` a link at `path` stays and what it leads to is replaced, and a
    device or a pipe there is given the content. Raises InputError, which ends with `cure`, where it cannot be written.
    """
    # names of files may hold bytes that are no UTF-8, which Python has as surrogates
    data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    with writing(path, cure):
        if within is None and _is_stream(path):
            path.write_bytes(data)
        else:
            put(path, data, within, mode=mode)


def write_json(path: Path, value: Any, within: Path | None = None, *, indent: int | None = 2, cure: str = CURE) -> None:
    """Write a value as JSON, as `write_whole` does. Raises InputError, which ends with `cure`, where it cannot be written."""
    write_whole(path, json.dumps(value, indent=indent) + "\n", within, cure=cure)


@contextmanager
def replacing(path: Path, within: Path | None = None) -> Iterator[Path]:
    """Give a path to write to, with the name of `path`, which takes the place of `path` when the block ends, and is then on the
    disk.

    Where the block fails nothing is left of it. Without `within` a link at `path` stays, and what it leads to is replaced; else
    `path` lies in the folder `within`, and a link there is replaced. Raises what the block raises, and OSError where the file
    cannot be moved.
    """
    target = Path(os.path.realpath(path)) if within is None else Path(os.path.realpath(within), path.name)
    with scratch(target) as folder:
        yield folder / target.name
        with (folder / target.name).open("rb") as file:
            os.fsync(file.fileno())
        (folder / target.name).replace(target)


def check_target(path: Path, kinds: Sequence[str] = ()) -> None:
    """Raise InputError where a file cannot be written at `path`, or ends in none of `kinds`: said before the work, not after.

    An empty file is made beside it for a moment, since no rule foretells what every file system, quota and mount takes.
    """
    if kinds and path.suffix.lower() not in kinds:
        raise InputError(f"{path} is of no kind that can be written; name a file that ends in {' or '.join(kinds)}")
    with writing(path):
        if path.is_dir():
            raise InputError(f"{path} cannot be written, it is a folder; name a file")
        if path.exists() and not os.access(path, os.W_OK):
            raise InputError(f"{path} cannot be written, it is write-protected; name another file")
        if _is_stream(path):
            return
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise InputError(f"{path} cannot be written, its folder {what}; {CURE}")
        with scratch(folder / path.name) as beside:
            (beside / path.name).touch()


def check_apart(targets: Sequence[Path], sources: Iterable[Path] = ()) -> None:
    """Raise InputError where two of the files that are to be written are one, or one of them is a file that is read.

    Of a device or a pipe that cannot be said.
    """
    for count, target in enumerate(targets):
        if _is_stream(target):
            continue
        if any(_is_same(target, other) for other in targets[:count]):
            raise InputError(f"{target} would be written twice; name files that differ")
        if any(_is_same(target, source) for source in sources if source.is_file()):
            raise InputError(f"{target} would be written, and is read by the same command; name another file")


def make_folder(path: Path, within: Path | None = None) -> None:
    """Make a folder that files can be written into, with those above it; what is there stays. `within` as for `folder_of`.

    Raises InputError where it cannot be made or written into.
    """
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; name a folder")
        (within or path).mkdir(parents=True, exist_ok=True)
        if within:
            with folder_of(path / "file", within, make=True):
                pass
    except OSError as error:
        raise InputError(f"{path} cannot be made ({error.strerror or error}); name a folder that can be written") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written; name a folder that can")


def cannot_write(path: Path, error: Exception, cure: str = CURE) -> InputError:
    """Return what to raise where writing `path` failed."""
    return InputError(f"{path} cannot be written ({getattr(error, 'strerror', None) or error}); {cure}")


def open_regular(path: Path, cure: str = CURE_OF_READING) -> BufferedReader:
    """Open a regular file, or a link to one, for reading bytes.

    It never waits: a pipe, a device, a socket or a folder is told before it is opened, and again of what was opened. Raises
    InputError, which names `path` and ends with `cure`, where one of those is there, or nothing, or nothing that can be opened.
    """
    try:
        _check_regular(path, path.stat().st_mode, cure)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); {cure}") from error
    try:
        _check_regular(path, os.fstat(descriptor).st_mode, cure)
    except InputError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most: int, cure: str = CURE_OF_READING) -> bytes:
    """Return what a regular file holds. Raises InputError as `open_regular` does, and where that is more than `most` bytes."""
    with open_regular(path, cure) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            # in two steps, as room is made for all that is asked for
            content = file.read(min(size, most) + 1)
            if size < len(content) <= most:
                content += file.read(most + 1 - len(content))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror or error}); {cure}") from error
    if len(content) > most:
        raise InputError(f"{path} is too large, more than the {most} bytes that such a file may have; {cure}")
    return content


def sha256(path: Path) -> str | None:
    """Return the SHA-256 of a regular file as hexadecimal digits, None where it is none or cannot be read."""
    try:
        with open_regular(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, InputError):
        return None


def digest(values: dict[str, Any]) -> str:
    """Return the SHA-256 of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _check_regular(path: Path, mode: int, cure: str) -> None:
    if not stat.S_ISREG(mode):
        what = next((name for holds, name in KINDS if holds(mode)), "a device")
        raise InputError(f"{path} is {what} where a file is wanted; {cure}")


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other) or (one.exists() and other.exists() and one.samefile(other))


def _is_stream(path: Path) -> bool:
    """Whether a device or a pipe is at `path`, which is written to as it is: nothing may take its place."""
    return path.exists() and not path.is_file() and not path.is_dir()
