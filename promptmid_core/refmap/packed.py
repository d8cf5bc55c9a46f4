"""A map packed to one file, to be copied as one: a Zarr zip store, verified on the way in and on the way out."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from promptmid_core.errors import InputError
from promptmid_core.files import check_target, open_regular, replacing, writing
from promptmid_core.folders import scratch
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.format.manifest import MANIFEST_FILE, REGIONS_FILE, Manifest
from promptmid_core.refmap.format.offset import OFFSET_FILE, files_of_offset
from promptmid_core.refmap.format.sealed import SEAL
from promptmid_core.refmap.regions import read_regions, verify_map

ENDING = ".zip"
BLOCK_BYTES = 2**20
WHEN = 1980, 1, 1, 0, 0, 0  # of every file in it, so that the same map gives the same bytes
MODE = (stat.S_IFREG | 0o644) << 16

Progress = Callable[[int, int], None]


def pack_map(path: Path, file: Path, progress: Progress | None = None) -> None:
    """Write the map folder `path` with all its regions to the one zip file `file`, uncompressed, as Zarr's own zip store is.

    Each file is hashed as it is read. `progress(done, total)` counts files. Raises InputError where the map is unfinished, one of
    its files is damaged or missing, or `file` has another ending, lies in the map or cannot be written; what was at `file` then
    stays.
    """
    if file.suffix.lower() != ENDING:
        raise InputError(f"{file} does not end in {ENDING}, by which readers of Zarr know a packed map; name one that does")
    Header.read(path)
    wanted = dict(_known(path))
    check_target(file)
    if file.resolve().is_relative_to(path.resolve()):
        raise InputError(f"{file} lies in the map that is to be packed; name a file elsewhere")
    with writing(file), replacing(file) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as archive:
        for count, (name, known) in enumerate(wanted.items()):
            if progress:
                progress(count, len(wanted))
            if _put(archive, path / name, name) != known and known is not None:
                raise InputError(f"{path / name} is damaged; copy the map again, or mend it with 'promptmid map verify {path} "
                                 "--repair SAR.tif', and pack it then")
        if progress:
            progress(len(wanted), len(wanted))


def unpack_map(file: Path, path: Path, progress: Progress | None = None) -> None:
    """Make the map folder `path`, which must be new or empty, from a packed map, and verify what lies on the disk.

    The folder is there when all of it is whole, or not at all. `progress(done, total)` counts files. Raises InputError where the
    file is no packed map, or cut short or damaged, and where the folder holds something or cannot be made.
    """
    path = Path(path.absolute())
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} is there already; give a folder that is new or empty")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be made, its folder does not exist; make that first, or name another")
    with writing(path, "name a folder that can be written"), scratch(path) as beside:
        made = beside / "map"
        made.mkdir()
        with open_regular(file) as opened:
            try:
                with zipfile.ZipFile(opened) as archive:
                    members = _members(archive, file)
                    for count, member in enumerate(members):
                        if progress:
                            progress(count, len(members))
                        _take(archive, member, made)
            except (zipfile.BadZipFile, EOFError) as error:
                raise InputError(f"{file} is no zip file, or cut short or damaged ({error}); copy it again") from error
        if progress:
            progress(len(members), len(members))
        try:
            damaged = verify_map(made)
        except InputError as error:
            raise InputError(f"{file} holds no whole map at its top; pack one with: promptmid map pack MAP {file}") from error
        if damaged:
            raise InputError(f"{file} holds {damaged[0]}{f' and {len(damaged) - 1} more files' if damaged[1:] else ''} otherwise "
                             "than the map's manifest tells; copy it again, or pack the map again")
        os.sync()  # all of it is on the disk before it has its name
        made.rename(path)


def _known(path: Path, within: str = "") -> Iterator[tuple[str, str | None]]:
    """The files of a map and its regions, relative to it, each with its SHA-256; None for those that carry a checksum."""
    manifest = Manifest.read(path)
    of_offset, sound = files_of_offset(path, str(manifest.content.header.get(SEAL)))
    if not sound:
        raise InputError(f"{path / OFFSET_FILE} is damaged; audit the map again, or remove it, and pack it then")
    yield f"{within}{MANIFEST_FILE}", None
    for name, known in sorted((manifest.files | of_offset).items()):
        yield within + name, known
    if of_offset:
        yield f"{within}{OFFSET_FILE}", None
    if not within and (path / REGIONS_FILE).exists():
        yield REGIONS_FILE, None
        for region in read_regions(path)[1:]:
            yield from _known(path / region.path, f"{region.path}/")


def _put(archive: zipfile.ZipFile, source: Path, name: str) -> str:
    """Add a file; the SHA-256 of what was written."""
    info, content = zipfile.ZipInfo(name, WHEN), hashlib.sha256()
    info.external_attr = MODE
    with open_regular(source, "copy or build the map again") as opened, archive.open(info, "w", force_zip64=True) as target:
        while block := opened.read(BLOCK_BYTES):
            content.update(block)
            target.write(block)
    return content.hexdigest()


def _members(archive: zipfile.ZipFile, file: Path) -> list[zipfile.ZipInfo]:
    """The files of an archive. Raises InputError where one is no plain file within it, or may grow as it is taken out."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len({member.filename for member in members}) < len(members):
        raise InputError(f"{file} holds a file twice, and is no packed map; pack the map again")
    for member in members:
        place = PurePosixPath(member.filename)
        if place.as_posix() != member.filename or place.is_absolute() or ".." in place.parts or "\\" in member.filename:
            raise InputError(f"{file} holds '{member.filename}', which leads out of a map; it is no packed map, pack one anew")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 or member.file_size != member.compress_size:
            raise InputError(f"{file} holds '{member.filename}' compressed or encrypted, as no packed map does; pack the map "
                             "with 'promptmid map pack'")
    return members


def _take(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, target.open("xb") as opened:
        shutil.copyfileobj(source, opened, BLOCK_BYTES)
