"""Building a map: check everything, then make it tile by tile, then declare it finished."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path

from promptmid_core.errors import InputError
from promptmid_core.files import sha256
from promptmid_core.folders import clear_partials, remove
from promptmid_core.refmap.build.options import BuildOptions
from promptmid_core.refmap.build.plan import plan_build
from promptmid_core.refmap.build.sources import Sources
from promptmid_core.refmap.build.tile import TileTask
from promptmid_core.refmap.build.workers import Crew
from promptmid_core.refmap.format import embeddings
from promptmid_core.refmap.format.arrays import create, metadata_files, shard_files
from promptmid_core.refmap.format.header import Header, attributes_of
from promptmid_core.refmap.format.lock import LOCK_FILE, locked
from promptmid_core.refmap.format.manifest import JOURNAL_FILE, MANIFEST_FILE, Built, Content, Journal, Manifest, TileRecord
from promptmid_core.refmap.map import ReferenceMap

log = logging.getLogger(__name__)


def build_map(sources: Sources, out: Path | str, options: BuildOptions | None = None, crew: Crew | None = None) -> ReferenceMap:
    """Build the map folder `out` from its sources.

    A build that was cut off goes on where it stopped; a finished map of the same inputs is returned as it is. Equal inputs give
    equal bytes but for the `built` part of the manifest. Raises InputError for any input that cannot be used, before any work,
    for a folder that holds something else or cannot be written, and where another builder is at work; and after the finest level,
    where that has no valid pixel, or no height where a DEM is given. Nothing is ever deleted there but what such a build made.
    """
    crew, started = crew or Crew(), time.monotonic()
    crew.check()
    return make_map(Path(out), plan_build(Path(out), sources, options or BuildOptions()), crew, started)


def make_map(out: Path, task: TileTask, crew: Crew, started: float) -> ReferenceMap:
    """Make the map folder `out` that was planned, with the work having begun at `started` of the monotonic clock.

    Raises what `build_map` does of a folder.
    """
    if _check_target(out, task.header) and not (out / JOURNAL_FILE).exists():
        log.info("%s is already built from these inputs; nothing to do", out)
        return ReferenceMap.open(out)
    with writing(out), _folder(out), locked(out):
        # a kill may have come just after the manifest, or another builder have finished it by now
        if not _check_target(out, task.header):
            create(out, task.header)
            embeddings.write(out, task.vocabulary.embeddings)
            _finish(out, task, _make_tiles(task, crew), started)
        (out / JOURNAL_FILE).unlink(missing_ok=True)
    return ReferenceMap.open(out)


def _make_tiles(task: TileTask, crew: Crew) -> list[TileRecord]:
    """Make every tile that is not there yet; the records of all."""
    clear_partials(task.path)
    journal, levels = Journal(task.path), [list(task.header.tiles(level)) for level in range(task.header.levels)]
    total = sum(len(tiles) for tiles in levels)
    known = set(chain.from_iterable(levels))
    records = {tile: record for tile, record in journal.finished().items()
               if tile in known and record.files.keys() == {file.as_posix() for file in shard_files(task.header, tile).values()}}
    if records:
        log.info("%s is unfinished; %d of %d tiles are there and kept", task.path, len(records), total)

    def finished(record: TileRecord) -> None:
        records[record.tile] = record
        journal.append(record)
        crew.told(len(records), total)

    crew.told(len(records), total)
    with crew.at_work() as run:
        for level, tiles in enumerate(levels):  # each from the one before
            run(task.make, [tile for tile in tiles if tile not in records], finished)
            if not level:
                _check_ground(task, list(records.values()))
    return list(records.values())


def _check_ground(task: TileTask, records: list[TileRecord]) -> None:
    """Remove what was made and raise InputError where the finest level shows no ground at all."""
    finest = [record for record in records if not record.tile.level]
    first, *others = (scene.sar.view.path for scene in task.scenes)
    if not any(record.valid for record in finest):
        rasters = f"{first} and the {len(others)} other rasters give" if others else f"{first} gives"
        hidden = ", or lies in layover and shadow by --look-deg and --incidence-deg" if task.scenes[0].sar.relief else ""
        reason = (f"{rasters} the map no valid pixel: at {task.header.grid.gsd:.3g} m per pixel all is nodata, masked or empty"
                  f"{hidden}; look at it with gdalinfo -stats, and give a raster, or a --gsd, that shows ground")
    elif task.dem and not any(record.heights for record in finest):
        reason = f"{task.dem.path} holds no height where {first} lies; give a DEM that does"
    else:
        return
    made = [Path(file) for record in records for file in record.files]
    for name in [*made, *metadata_files(task.header), *task.header.vocabulary.files, Path(JOURNAL_FILE)]:
        remove(task.path / name, task.path)
    for folder in sorted((path for path in task.path.rglob("*") if path.is_dir()), reverse=True):
        with suppress(OSError):
            folder.rmdir()  # what is not empty is not ours
    raise InputError(reason)


@contextmanager
def _folder(out: Path) -> Iterator[None]:
    """Have a folder; it goes with the block where that made it and left nothing in it."""
    there = out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if not there:
            with suppress(OSError):
                out.rmdir()


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Raise InputError where the disk of a map folder takes nothing more."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror or error}); mend that or give another folder, and give the "
                         "same command again") from error


def _check_target(out: Path, header: Header) -> bool:
    """Whether `out` is already this very map; InputError where it holds anything but a beginning of it."""
    if not out.exists() or (out.is_dir() and {file.name for file in out.iterdir()} <= {LOCK_FILE}):
        return False
    present = attributes_of(out)
    if present is None:
        raise InputError(f"{out} holds something that is not a map; give a folder that is new or empty")
    finished = (out / MANIFEST_FILE).exists()
    if present != header.to_dict():
        state = "a map" if finished else "an unfinished map"
        raise InputError(f"{out} holds {state} of other inputs or options; give another folder, or remove this one yourself")
    return finished


def _finish(out: Path, task: TileTask, records: list[TileRecord], started: float) -> None:
    """Write the manifest from the records of all tiles; its shares are those of level 0."""
    header, finest = task.header, [record for record in records if not record.tile.level]
    files = {name: known for record in records for name, known in record.files.items()}
    whole = [*metadata_files(header), *header.vocabulary.files]
    files |= {file.as_posix(): sha256(out / file) or "" for file in whole}
    pixels, cells, dem_grid = header.grid, header.cells(0), header.dem_grid if header.dem_stride else None
    landuse: dict[str, int] = {}
    for record in finest:
        for code, count in record.landuse.items():
            landuse[code] = landuse.get(code, 0) + count
    counts = [sum(record.scenes.get(str(index), 0) for record in finest) for index in range(len(header.scenes))]
    content = Content(
        header=header.to_dict(),
        valid_fraction=sum(record.valid for record in finest) / (pixels.width * pixels.height),
        described_fraction=sum(record.described for record in finest) / (cells.width * cells.height),
        dem_fraction=sum(record.heights for record in finest) / (dem_grid.width * dem_grid.height) if dem_grid else None,
        landuse={code: landuse[code] / sum(landuse.values()) for code in sorted(landuse, key=int)},
        bytes=sum((out / name).stat().st_size for name in files),
        scenes={scene.name: count / max(sum(counts), 1) for scene, count in zip(header.scenes, counts, strict=True)},
    )
    rasters = {scene.name: scene.sar.view for scene in task.scenes}
    sources = {**rasters, "landcover": task.landcover and task.landcover.view, "dem": task.dem}
    built = Built(datetime.now(UTC).isoformat(timespec="seconds"), round(time.monotonic() - started, 1), platform.node(),
                  _versions(), {name: str(view.path.resolve()) for name, view in sources.items() if view})
    Manifest(files, content, built).write(out)


def _versions() -> dict[str, str]:
    import pyproj
    import rasterio

    found = {"python": platform.python_version(), "gdal": rasterio.__gdal_version__, "proj": pyproj.proj_version_str}
    for name in ("promptmid_ros", "numpy", "rasterio", "zarr"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
