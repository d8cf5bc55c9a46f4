"""Folders that are written into by no link but what their user named, and what unfinished writing leaves there."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from promptmid_core.errors import InputError

PREFIX, PARTIAL = ".promptmid.", ".partial"
ALONE = os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def folder_of(path: Path, within: Path | None = None, make: bool = False) -> Iterator[tuple[int, str]]:
    """Give a descriptor of the folder that `path` lies in, and the name that it has there.

    Without `within` a user has named `path` as a whole, and links are followed, also one at its end. Else a user has named the
    folder `within`, which may be a link: none below it is followed, and one at the end of `path` is the name that is given. Its
    folders are made where they are missing, if `make`. Raises OSError where a folder cannot be opened, InputError where a link,
    or no folder, is in its place.
    """
    if within is None:
        path = Path(os.path.realpath(path))
    root, folders = (path.parent, ()) if within is None else (within, path.relative_to(within).parts[:-1])
    descriptor = os.open(root, FOLDER)
    try:
        for count, name in enumerate(folders, 1):
            assert name != ".."
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=descriptor)
            try:
                below = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                raise InputError(f"{root.joinpath(*folders[:count])} is a link or no folder, and nothing is written through it; "
                                 "put the folder itself there, or name another one") from error
            os.close(descriptor)
            descriptor = below
        yield descriptor, path.name
    finally:
        os.close(descriptor)


def check_plain(path: Path, within: Path) -> None:
    """Raise InputError where a link, or no folder, stands for `path` or a folder on the way to it from `within`."""
    with suppress(FileNotFoundError), folder_of(path / "file", within):
        pass


def put(path: Path, data: bytes, within: Path | None = None, *, mode: int = 0o666, lasting: bool = True) -> None:
    """Write a file in place of what is there, at once or not at all, and if `lasting` on the disk when this returns.

    It is written under a name that nobody can foretell, in its own folder, and then renamed; a program killed meanwhile leaves
    a file that `is_partial`. `within` as for `folder_of`, and folders below it are made. `mode` is cut by the umask. Raises
    OSError where it cannot be written, InputError as `folder_of` does.
    """
    with folder_of(path, within, make=True) as (folder, name):
        partial = f"{PREFIX}{secrets.token_hex(8)}{PARTIAL}"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | ALONE, mode, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                if lasting:
                    file.flush()
                    os.fsync(descriptor)
            os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(partial, dir_fd=folder)
            raise


def open_in_place(path: Path, flags: int, within: Path | None = None) -> int:
    """Return a descriptor of a file that is written where it is, made where it is missing; `flags` as of os.open.

    It never waits. `within` as for `folder_of`. Raises InputError where a link, a file of further names, or no regular file is
    there, OSError where it cannot be opened.
    """
    with folder_of(path, within if within is not None else path.parent) as (folder, name):
        try:
            descriptor = os.open(name, flags | os.O_CREAT | os.O_NONBLOCK | ALONE, 0o666, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO):
                raise
            raise InputError(f"{path} is a link or no regular file; remove it") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise InputError(f"{path} is no regular file of one name; remove it")
    return descriptor


def remove(path: Path, within: Path) -> None:
    """Remove a file below the folder `within`, if it is there; none is reached by a link, and a link is removed itself. Raises
    OSError where it cannot be removed."""
    try:
        with folder_of(path, within) as (folder, name):
            os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """Give a new folder beside `path` that no other user can enter or foretell, and that goes with the block.

    There a library may write under any name, and as many files as it likes. Raises OSError where it cannot be made.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, suffix=PARTIAL, dir=path.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_files(source: Path, target: Path, within: Path | None = None) -> None:
    """Move all files of the folder `source` into the folder `target`, of the same disk, by the order of their names.

    Each takes the place of what is there. `within` as for `folder_of`. Raises OSError where one cannot be moved.
    """
    for file in sorted(source.iterdir()):
        with folder_of(target / file.name, within, make=True) as (folder, name):
            os.replace(file, name, dst_dir_fd=folder)


def is_partial(name: str) -> bool:
    """Return whether a file of this name is what a program left that was killed while it wrote."""
    return name.endswith(PARTIAL)


def clear_partials(path: Path) -> None:
    """Remove what programs left in a folder, and below it, that were killed while they wrote; none may be at work there."""
    for _, folders, files, descriptor in os.fwalk(path):
        for name in filter(is_partial, (*files, *folders)):
            try:
                os.unlink(name, dir_fd=descriptor)
            except IsADirectoryError:
                shutil.rmtree(name, dir_fd=descriptor)
