"""Files: written whole or not at all, refused before any work, and told apart by what they hold."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from promptmid_core.errors import InputError


@contextmanager
def replacing(path: Path, folder: Path | None = None) -> Iterator[Path]:
    """Give a path to write to, which takes the place of `path` when the block ends and is removed where the block fails.

    It lies in `folder`, or beside `path`. Its name is always the same, so that a program killed while it wrote leaves nothing
    that its next run does not overwrite. Raises what the block raises, and OSError where the file cannot be moved.
    """
    partial = (folder or path.parent) / f"{path.name}.partial"
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes, folder: Path | None = None) -> None:
    """Write a file, text as UTF-8, in place of what is there, at once and on the disk when this returns, or not at all.

    `folder` as for `replacing`. Raises InputError where it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        with replacing(path, folder) as partial, partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def write_json(path: Path, value: Any, indent: int = 2) -> None:
    """Write a value as JSON, as `write_whole` does. Raises InputError where the file cannot be written."""
    write_whole(path, json.dumps(value, indent=indent) + "\n")


def check_target(path: Path, kinds: Sequence[str] = ()) -> None:
    """Raise InputError where a file cannot be written at `path`, or ends in none of `kinds`: said before the work, not after."""
    if kinds and path.suffix.lower() not in kinds:
        raise InputError(f"{path} is of no kind that can be written; name a file that ends in {' or '.join(kinds)}")
    if path.is_dir():
        raise InputError(f"{path} cannot be written, it is a folder; name a file")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written, its folder does not exist; name a file in a writable folder")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written (Permission denied); name a file in a writable folder")


def cannot_write(path: Path, error: OSError) -> InputError:
    """What to raise where writing `path` failed."""
    return InputError(f"{path} cannot be written ({error.strerror or error}); name a file in a writable folder")


def sha256(path: Path) -> str | None:
    """Return the SHA-256 of a file as hexadecimal digits, None where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def digest(values: dict[str, Any]) -> str:
    """Return the SHA-256 of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
