"""Telling a finished map when its SAR image was taken, which changes nothing else of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from promptmid_core.errors import InputError
from promptmid_core.files import sha256
from promptmid_core.products import Acquisition
from promptmid_core.refmap.build.builder import writing
from promptmid_core.refmap.format.arrays import create
from promptmid_core.refmap.format.header import HEADER_FILE, Header
from promptmid_core.refmap.format.lock import locked
from promptmid_core.refmap.format.manifest import Manifest
from promptmid_core.refmap.format.offset import OffsetFacts, reseal, seal_of
from promptmid_core.refmap.sar.told import acquired


def tell_acquired(path: Path, time: str) -> None:
    """Tell the map folder `path` that its SAR rasters were taken at a time, UTC, as 2023-05-01T12:00:00Z: it is then the map that
    a build with this option would have made.

    It counts from the moment when the manifest is there, which is written last: a writing that was cut off leaves a map that is
    damaged until it is told again. Where it contradicts metadata a warning is logged. Raises InputError for a folder that is no
    finished map or cannot be written, for what is no time, and where another process writes the map.
    """
    Header.read(path)
    with writing(path), locked(path):
        manifest = Manifest.read(path)
        before = Header.from_dict(manifest.content.header, path)
        product = replace(before.sar.product, acquired=time)
        product.check(bool(before.dem_stride))
        known = [] if before.sar.product.acquired else [Acquisition("", acquired=one) for one in before.acquired]
        header = replace(before, sar=replace(before.sar, product=product), acquired=acquired(product, known))
        offset = _offset(path, before, header)
        create(path, header, frozenset({HEADER_FILE}))
        if offset:
            reseal(path, header, offset)
        files = manifest.files | {HEADER_FILE: sha256(path / HEADER_FILE) or ""}
        size = sum((path / name).stat().st_size for name in files)
        Manifest(files, replace(manifest.content, header=header.to_dict(), bytes=size), manifest.built).write(path)


def _offset(path: Path, before: Header, header: Header) -> OffsetFacts | None:
    """That of the map, None where it has none; it may name the header that a telling wrote which was cut off."""
    for one in (Header.read(path), header):
        with suppress(InputError):
            return OffsetFacts.read(path, seal_of(one))
    return OffsetFacts.read(path, seal_of(before))
