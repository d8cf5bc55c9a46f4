"""Adding a region to a map, which stays as it is."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.folders import check_plain
from promptmid_core.refmap.build.builder import make_map, writing
from promptmid_core.refmap.build.options import BuildOptions
from promptmid_core.refmap.build.plan import plan_build
from promptmid_core.refmap.build.sources import Sources
from promptmid_core.refmap.build.workers import Crew
from promptmid_core.refmap.format.header import Header, attributes_of
from promptmid_core.refmap.format.lock import locked
from promptmid_core.refmap.format.manifest import REGIONS_FOLDER, require_finished
from promptmid_core.refmap.map import ReferenceMap
from promptmid_core.refmap.regions import MAIN, NAME, Region, holds, read_regions, write_regions


def append_region(path: Path, sources: Sources, options: BuildOptions | None = None, crew: Crew | None = None,
                  name: str | None = None) -> ReferenceMap:
    """Build a region of the map folder `path` from sources of its own, and enter it in the map's table of regions.

    `name` is by default that of the first SAR raster's file. Nothing of the map itself is written but the table, last and in one
    step: an append that was cut off leaves the map as it was, and the same command goes on. Raises InputError, before any work,
    for a map that is unfinished or itself a region, a name that is taken or none, another descriptor than the map's, a region
    that lies within another or holds one, and whatever `build_map` refuses.
    """
    crew, started, first = crew or Crew(), time.monotonic(), sources.scenes[0]
    name, main, options = name or first.stem, Header.read(path), options or BuildOptions()
    require_finished(path)
    if path.resolve().parent.name == REGIONS_FOLDER and attributes_of(path.resolve().parent.parent):
        raise InputError(f"{path} is itself a region; append to the map {path.resolve().parent.parent}")
    if not NAME.fullmatch(name):
        raise InputError(f"'{name}' is no name of a region; give --name with letters, digits, - and _")
    if name == MAIN:
        raise InputError(f"'{MAIN}' is the map itself; give the region another --name")
    descriptor = options.descriptor or load(main.descriptor.name, threads=1)
    if descriptor.fingerprint != main.descriptor.fingerprint:
        raise InputError(f"{path} was built with descriptor {main.descriptor.fingerprint}, and {descriptor.name} is "
                         f"{descriptor.fingerprint}; all regions need one: leave --descriptor out, or build the map again")
    crew.check()
    known, out = read_regions(path), path / REGIONS_FOLDER / name
    check_plain(out, path)
    task = plan_build(out, sources, replace(options, descriptor=descriptor, store=options.store or main.store))
    there = attributes_of(out)
    if there is not None and there != task.header.to_dict():
        raise InputError(f"the name '{name}' is taken in {path} by a region of other inputs or options; give another --name")
    for region in known:
        if region.name != name:
            _check_apart(path, region, task.header, first)
    built = make_map(out, task, crew, started)
    with writing(path), locked(path / REGIONS_FOLDER, path):
        regions = read_regions(path)  # once more: another append may have ended meanwhile
        if name not in (region.name for region in regions):
            write_regions(path, [*regions, Region.of(name, built.header)])
    return built


def _check_apart(path: Path, region: Region, header: Header, first: Path) -> None:
    """Raise InputError where the map of a header and a region of the map `path` lie one in the other."""
    other = Header.read(path / region.path)
    if holds(other, header):
        raise InputError(f"{first} lies wholly within region '{region.name}' of {path}, which needs no second one there")
    if holds(header, other):
        raise InputError(f"{first} covers region '{region.name}' of {path} wholly, so that a place would have two; build "
                         "a map of its own from it, or of all rasters together")
