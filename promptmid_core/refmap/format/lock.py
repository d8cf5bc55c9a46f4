"""One builder a map: a second one is told who is at work."""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from promptmid_core.documents import parsed_json
from promptmid_core.errors import InputError
from promptmid_core.folders import open_in_place, remove

LOCK_FILE = "building.lock"


@contextmanager
def locked(path: Path, within: Path | None = None) -> Iterator[None]:
    """Hold the map folder `path`, which lies in the map `within`, for building.

    Raises InputError, with the other's process id and host, where another one does.

    The lock of a process that is no more on this host counts for nothing; that of another host, which cannot be asked, holds.
    """
    file, within = path / LOCK_FILE, within or path
    descriptor = _taken(file, within)
    try:
        yield
    finally:
        remove(file, within)
        os.close(descriptor)


def _taken(file: Path, within: Path) -> int:
    """The descriptor of the lock file, locked and signed; the kernel lets go of it with the process, however that ends."""
    while True:
        with ExitStack() as opened:
            descriptor = open_in_place(file, os.O_RDWR, within)
            opened.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                process, host = _owner(descriptor) or ("unknown", "an unknown host")
                raise InputError(
                    f"{file.parent} is being built by process {process} on {host}; wait for it, or stop it") from error
            owner = _owner(descriptor)
            if owner and owner[1] != platform.node():
                raise InputError(f"{file.parent} is being built by process {owner[0]} on {owner[1]}; wait for it, or, if it is "
                                 f"no more, remove {file}")
            if _is_still(file, descriptor):
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": platform.node()}).encode(), 0)
                opened.pop_all()
                return descriptor
        # the other builder finished and removed the file between our opening and locking it


def _owner(descriptor: int) -> tuple[int, str] | None:
    """Process id and host that a lock file names; None where it is new, or its writer was killed before it had signed."""
    try:
        values = parsed_json(os.pread(descriptor, 4096, 0))
        return int(values["pid"]), str(values["host"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _is_still(file: Path, descriptor: int) -> bool:
    try:
        return file.lstat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
