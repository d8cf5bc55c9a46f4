"""A Sentinel-1 product still packed as its agency delivers it: unpacked beside its zip file, as far as it is read."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from promptmid_core.errors import InputError
from promptmid_core.files import open_regular, writing
from promptmid_core.folders import scratch
from promptmid_core.products.safe import is_safe

# below NAME.SAFE, by their folder and ending; quick looks and reports are nothing of a map
READ = {"": (".safe",), "annotation": (".xml",), "annotation/calibration": (".xml",), "measurement": (".tif", ".tiff")}
ZIP = b"PK\x03\x04"
BLOCK_BYTES = 2**20
COPY = "get a whole copy of it"
BY_HAND = "unpack it yourself, and give the GeoTIFF in it, or the folder NAME.SAFE of a Sentinel-1 product"


def unpacked(path: Path, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder NAME.SAFE of a product that is packed in a zip file, and any other path as it is.

    It is beside the zip file, whole or not at all, and is used again where it is there; `tell` is given a sentence of what is
    done. Raises InputError where the file holds no such product alone, or is damaged or encrypted, where the folder holds another
    content, cannot be written, or has no room.
    """
    if path.suffix.lower() != ".zip" or not path.is_file():
        return path
    with open_regular(path) as opened:
        if opened.read(len(ZIP)) != ZIP:
            return path  # of another format, which whoever reads it tells
        try:
            with zipfile.ZipFile(opened) as archive:
                members = _members(archive, path)
                folder = path.parent / PurePosixPath(members[0].filename).parts[0]
                if os.path.lexists(folder):
                    _check_same(folder, members, path)
                    tell(f"{path} is unpacked already: {folder} is read")
                    return folder
                tell(f"{path} is unpacked to {folder}, which stays")
                _unpack(archive, members, folder, path)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise InputError(f"{path} is cut short or damaged ({error}); {COPY}") from error
    return folder


def _members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The files that are read of the one product in an archive."""
    members, roots = [], set[str]()
    for member in archive.infolist():
        root, *rest = PurePosixPath(member.filename).parts or ("",)
        inner = PurePosixPath(*rest)
        kinds = READ.get("/".join(inner.parts[:-1]), ())
        if root.upper().endswith(".SAFE") and not member.is_dir() and rest and inner.suffix.lower() in kinds:
            members.append(member)
            roots.add(root)
    if len(roots) != 1:
        raise InputError(f"{path} is a zip archive of {len(roots) or 'no'} Sentinel-1 product{'s' if roots else ''} in a folder "
                         f"NAME.SAFE; {BY_HAND}")
    if len({member.filename for member in members}) < len(members) or any("\\" in member.filename for member in members):
        raise InputError(f"{path} holds files of no plain or of the same name; {COPY}")
    if any(member.flag_bits & 1 for member in members):
        raise InputError(f"{path} is encrypted; {BY_HAND}")
    return members


def _unpack(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path, path: Path) -> None:
    needed, cure = sum(member.file_size for member in members), f"make room, or {BY_HAND}"
    if shutil.disk_usage(folder.parent).free < needed:
        raise InputError(f"{path} needs {needed / 1e9:.1f} GB of {folder.parent} when it is unpacked, which has less; {cure}")
    with writing(folder, cure), scratch(folder) as beside:
        for member in members:
            target = beside / "taken" / PurePosixPath(member.filename).relative_to(folder.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("xb") as opened:
                shutil.copyfileobj(source, opened, BLOCK_BYTES)
        if not is_safe(beside / "taken"):
            raise InputError(f"{path} lacks the annotation or the pixels of its product; {COPY}")
        (beside / "taken").rename(folder)


def _check_same(folder: Path, members: list[zipfile.ZipInfo], path: Path) -> None:
    """Raise InputError where a folder has not the files of an archive, by their sizes."""
    for member in members:
        file = folder.parent / member.filename
        if not file.is_file() or file.stat().st_size != member.file_size:
            raise InputError(f"{folder} lies where {path} is to be unpacked, and {file.relative_to(folder)} there is another or "
                             "missing; name that folder if it is meant, or move it away")
