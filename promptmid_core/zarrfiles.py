"""What zarr makes, kept in memory and then written as every other file is: whole or not at all, and through no link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptmid_core.folders import put

if TYPE_CHECKING:
    from zarr.storage import MemoryStore


@contextmanager
def zarr_files(path: Path, within: Path, only: frozenset[str] | None = None, *, lasting: bool = False) -> Iterator[MemoryStore]:
    """Give an empty store for small groups and arrays; when the block ends, its files are written into the folder `path`.

    Where `only` is given, no others are, by their names in the store. `path` is the folder `within` or lies in it, and below that
    no link is followed. If `lasting` they are on the disk by then. Raises OSError where a file cannot be written.
    """
    from zarr.storage import MemoryStore

    held: dict[str, Any] = {}
    yield MemoryStore(held)
    for name, content in held.items():
        if only is None or name in only:
            put(path / name, content.to_bytes(), within, lasting=lasting)
