"""Adding a region to a map, which stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import InputError
from promptmid_core.refmap.build.builder import build_map, writing
from promptmid_core.refmap.format.header import Header, attributes_of
from promptmid_core.refmap.format.lock import locked
from promptmid_core.refmap.format.manifest import REGIONS_FOLDER, require_finished
from promptmid_core.refmap.map import ReferenceMap
from promptmid_core.refmap.regions import MAIN, NAME, Region, holds, read_regions, write_regions


def append_region(path: Path, sar: Path | Sequence[Path], *, descriptor: Descriptor, name: str | None = None,
                  store: str | None = None, **options: Any) -> ReferenceMap:
    """Build a region of the map folder `path` from SAR rasters of its own, and enter it in the map's table of regions.

    `name` is by default that of the first raster's file; `store` that of the map; `options` as for `build_map`. Nothing of the
    map itself is written but the table, last and in one step: an append that was cut off leaves the map as it was, and the same
    command goes on. InputError, before any work, for a map that is unfinished or itself a region, a name that is taken
    or none, another descriptor than the map's, a region that lies within another or holds one, and whatever `build_map` refuses.
    """
    first = sar if isinstance(sar, Path) else sar[0]
    name, main = name or first.stem, Header.read(path)
    require_finished(path)
    if path.resolve().parent.name == REGIONS_FOLDER and attributes_of(path.resolve().parent.parent):
        raise InputError(f"{path} is itself a region; append to the map {path.resolve().parent.parent}")
    if not NAME.fullmatch(name):
        raise InputError(f"'{name}' is no name of a region; give --name with letters, digits, - and _")
    if name == MAIN:
        raise InputError(f"'{MAIN}' is the map itself; give the region another --name")
    if descriptor.fingerprint != main.descriptor.fingerprint:
        raise InputError(f"{path} was built with descriptor {main.descriptor.fingerprint}, and {descriptor.name} is "
                         f"{descriptor.fingerprint}; all regions need one: leave --descriptor out, or build the map again")
    known, out = read_regions(path), path / REGIONS_FOLDER / name

    def check(header: Header) -> None:
        there = attributes_of(out)
        if there is not None and there != header.to_dict():
            raise InputError(f"the name '{name}' is taken in {path} by a region of other inputs or options; give another --name")
        for region in known:
            other = Header.read(path / region.path)
            if region.name != name and holds(other, header):
                raise InputError(f"{first} lies wholly within region '{region.name}' of {path}, which needs no second one there")
            if region.name != name and holds(header, other):
                raise InputError(f"{first} covers region '{region.name}' of {path} wholly, so that a place would have two; build "
                                 "a map of its own from it, or of all rasters together")

    built = build_map(sar, out, descriptor=descriptor, store=store or main.store, check=check, **options)
    with writing(path), locked(path / REGIONS_FOLDER):
        regions = read_regions(path)  # once more: another append may have ended meanwhile
        if name not in (region.name for region in regions):
            write_regions(path, [*regions, Region.of(name, built.header)])
    return built
