"""Giving a finished map its offset by place, which changes nothing else of it."""

from __future__ import annotations

from pathlib import Path

from promptmid_core.arrays import Float32
from promptmid_core.files import make_folder
from promptmid_core.folders import check_plain, clear_partials
from promptmid_core.refmap.build.builder import writing
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.format.lock import locked
from promptmid_core.refmap.format.manifest import require_finished
from promptmid_core.refmap.format.offset import OFFSET_FOLDER, OffsetFacts, write


def write_offset(path: Path, facts: OffsetFacts, values: Float32) -> None:
    """Store the offset of the map folder `path`, in place of the one that it has: `values` (4, H, W) at the nodes of
    `facts.grid`, metres east, north and sigma, and looks.

    It counts from the moment when `offset.json` is there, which is written last and in one step: a writing that was cut off
    leaves the map with what it had. Raises InputError for a folder that is no finished map or cannot be written, and where
    another process writes its offset.
    """
    header, folder = Header.read(path), path / OFFSET_FOLDER
    require_finished(path)
    check_plain(folder, path)
    make_folder(folder, path)
    with writing(path), locked(folder, path):
        clear_partials(folder)
        write(path, header, facts, values)
