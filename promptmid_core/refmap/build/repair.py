"""Making the damaged files of a finished map again, from what it was built from."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from promptmid_core.descriptors import Descriptor, load
from promptmid_core.errors import InputError
from promptmid_core.files import sha256
from promptmid_core.folders import clear_partials
from promptmid_core.georaster import raster_identity
from promptmid_core.georaster.source import check_file
from promptmid_core.refmap.build.builder import writing
from promptmid_core.refmap.build.options import BuildOptions
from promptmid_core.refmap.build.plan import plan_build
from promptmid_core.refmap.build.sources import Sources
from promptmid_core.refmap.build.tile import TileTask
from promptmid_core.refmap.build.workers import Crew
from promptmid_core.refmap.format.arrays import create, metadata_files, shard_files
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.format.lock import locked
from promptmid_core.refmap.format.manifest import MANIFEST_FILE, Manifest, damaged_files
from promptmid_core.refmap.tile import Tile


def repair_map(path: Path, sources: Sources, descriptor: Descriptor | None = None, crew: Crew | None = None) -> list[str]:
    """Make the damaged and missing files of a finished map again; returns their names, relative to the map.

    No other file is touched. The SAR rasters of a mosaic may come in any order. Rasters that are not given are looked for
    where they lay when the map was built; `descriptor` is by default the one of the map's name. Raises InputError where an
    input or the descriptor is not that of the map, before any work; where the manifest is damaged, since then nothing says what
    is whole, or the prompts' embeddings are; and where a file made again is not as it was.
    """
    crew = crew or Crew()
    crew.check()
    damaged = set(damaged_files(path))
    if MANIFEST_FILE in damaged:
        raise InputError(f"{path / MANIFEST_FILE} is damaged, so that nothing says what is whole; build the map again")
    manifest = Manifest.read(path)
    files = manifest.files
    broken = frozenset(damaged & files.keys())
    if not broken:
        return []
    header = Header.from_dict(manifest.content.header, path)
    if not broken.isdisjoint(file.as_posix() for file in header.vocabulary.files):
        raise InputError(f"{path} has damaged embeddings of its prompts, which repair cannot make again; build the map again")
    found = _found(header, sources, manifest.built.inputs)
    task = _task(path, header, found, descriptor or load(header.descriptor.name, threads=1))
    with writing(path), locked(path):
        for level in range(header.levels):
            clear_partials(path / str(level))
        if not broken.isdisjoint(map(str, metadata_files(header))):
            create(path, header, broken)
        _make_again(task, broken, crew)
    for name in sorted(broken):
        if sha256(path / name) != files[name]:
            raise InputError(f"{path / name} came out unlike it was, as with other versions of libraries; build the map again")
    return sorted(broken)


def _found(header: Header, sources: Sources, known: dict[str, str]) -> Sources:
    """The rasters of a map, those of the SAR told by their content; InputError where one is missing or another."""
    given = {name: file for name, file in sources.files.items() if not name.startswith("sar")}
    for file in sources.scenes:
        check_file(file)
        digest = raster_identity(Path(os.path.realpath(file)))
        name = next((name for name in header.inputs if name.startswith("sar") and header.inputs[name] == digest), None)
        if name is None:
            which = f"one of the {len(header.scenes)} SAR rasters" if header.scenes else "the sar raster"
            raise InputError(f"{file} is not {which} that the map was built from; give that one to repair the map")
        given[name] = file
    found: dict[str, Path] = {}
    for name, digest in header.inputs.items():
        file = given.get(name) or Path(known.get(name, name))
        if name in given:
            check_file(file)
        if raster_identity(Path(os.path.realpath(file))) != digest:
            if name.startswith("sar"):
                raise InputError(f"the SAR raster {name} is missing, which was {file} when the map was built; give it too, "
                                 "to repair the map")
            raise InputError(f"{file} is not the {name} raster that the map was built from; give that one to repair the map")
        found[name] = file
    scenes = [found[scene.name] for scene in header.scenes] or [found["sar"]]
    return Sources(scenes, found.get("landcover"), found.get("dem"))


def _task(path: Path, header: Header, sources: Sources, descriptor: Descriptor) -> TileTask:
    if descriptor.fingerprint != header.descriptor.fingerprint:
        raise InputError(f"{path} was built with descriptor {header.descriptor.fingerprint}, and this program's is "
                         f"{descriptor.fingerprint}; build the map again")
    words, grid = header.vocabulary, header.options
    options = BuildOptions(descriptor, header.sar.product, crs=grid.crs, gsd=grid.gsd_m, levels=header.levels, store=header.store,
                           geoid_height_m=grid.geoid_height_m)
    if words.table:
        options = replace(options, landcover_table=words.table)
    task = plan_build(path, sources, options, words.read(path))
    if task.header.to_dict() != header.to_dict():
        raise InputError(f"{path} would be laid out otherwise by the versions installed here; build the map again")
    return task


def _make_again(task: TileTask, broken: frozenset[str], crew: Crew) -> None:
    def is_hurt(tile: Tile) -> bool:
        return any(file.as_posix() in broken for file in shard_files(task.header, tile).values())

    levels = [list(filter(is_hurt, task.header.tiles(level))) for level in range(task.header.levels)]
    done, total = 0, sum(len(tiles) for tiles in levels)

    def finished(_: object) -> None:
        nonlocal done
        done += 1
        crew.told(done, total)

    with crew.at_work() as run:
        for tiles in levels:
            run(partial(task.make, only=broken), tiles, finished)
