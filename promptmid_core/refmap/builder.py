"""Building a map: check everything, then make it tile by tile, then declare it finished."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import InputError
from promptmid_core.georaster import UNKNOWN_DATUM, RasterView, check_raster, map_frame, vertical_datum
from promptmid_core.refmap.amplitude import AmplitudeScale
from promptmid_core.refmap.header import DescriptorIdentity, Header, attributes_of
from promptmid_core.refmap.lock import LOCK_FILE, locked
from promptmid_core.refmap.manifest import JOURNAL_FILE, MANIFEST_FILE, Journal, TileRecord, sha256, write_manifest
from promptmid_core.refmap.pyramid import default_levels
from promptmid_core.refmap.quantisation import STORES
from promptmid_core.refmap.query import ReferenceMap
from promptmid_core.refmap.store import UNKNOWN_CLASS, create, metadata_files
from promptmid_core.refmap.tile import TileTask
from promptmid_core.refmap.workers import THREADS, check_scheduler, crew

Progress = Callable[[int, int], None]

# source pixels per map pixel beyond which a GSD is a slip of the pen, and its map too large or empty
FINEST, COARSEST = 1 / 16, 100.0

# GDAL would keep as much of a raster as fits a twentieth of the machine's memory; a build reads every block once or twice
GDAL_CACHE_BYTES = 64 * 2**20

log = logging.getLogger(__name__)


def build_map(sar: Path, out: Path, *, landcover: Path | None = None, dem: Path | None = None, descriptor: Descriptor,
              crs: str | None = None, gsd: float | None = None, levels: int | None = None, store: str = STORES[0],
              scheduler: str = THREADS, workers: int | None = None, progress: Progress | None = None) -> ReferenceMap:
    """Build the map folder `out` from a SAR raster, with land-cover classes and heights where their rasters are given.

    `crs` and `gsd` (metres) as for `map_frame` and `RasterView`; `levels` of the pyramid, without it as for `default_levels`;
    `store`, the element type of the descriptors, is `float16` or `int8`. `scheduler` and `workers` say who makes the tiles, as
    for `crew`, and change no byte; `progress(done, total)` is told of every tile, first of those that are there already. A
    build that was cut off goes on where it stopped; a finished map of the same inputs is returned as it is. Equal inputs give
    equal bytes but for the `built` part of the manifest. InputError for any input that cannot be used, before any work, for a
    folder that holds something else or cannot be written, and where another builder is at work; nothing is ever deleted there.
    """
    import rasterio

    started = time.monotonic()
    check_scheduler(scheduler, workers)
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES):
        task = plan_build(sar.resolve(), out.resolve(), landcover and landcover.resolve(), dem and dem.resolve(), descriptor,
                          crs, gsd, levels, store)
    if _check_target(out, task.header) and not (out / JOURNAL_FILE).exists():
        log.info("%s is already built from these inputs; nothing to do", out)
        return ReferenceMap.open(out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with locked(out):
            # a kill may have come just after the manifest, or another builder have finished it by now
            if not _check_target(out, task.header):
                create(out, task.header)
                _finish(out, task, _make_tiles(task, scheduler, workers, progress), dem, started)
            (out / JOURNAL_FILE).unlink(missing_ok=True)
    return ReferenceMap.open(out)


def _make_tiles(task: TileTask, scheduler: str, workers: int | None, progress: Progress | None) -> list[TileRecord]:
    """Make every tile that is not there yet; the records of all."""
    for partial in task.path.rglob("*.partial"):
        partial.unlink()  # a shard that a kill cut off before it had its name
    journal, levels = Journal(task.path), [list(task.header.tiles(level)) for level in range(task.header.levels)]
    total = sum(len(tiles) for tiles in levels)
    records = journal.finished()
    if records:
        log.info("%s is unfinished; %d of %d tiles are there and kept", task.path, len(records), total)

    def told() -> None:
        if progress:
            progress(len(records), total)

    def finished(record: TileRecord) -> None:
        records[record.tile] = record
        journal.append(record)
        told()

    told()
    with crew(scheduler, workers) as run:
        for tiles in levels:  # each from the one before
            run(task.make, [tile for tile in tiles if tile not in records], finished)
    return list(records.values())


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """InputError where the disk of a map folder takes nothing more."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror or error}); mend that or give another folder, and give the "
                         "same command again") from error


def plan_build(sar: Path, out: Path, landcover: Path | None, dem: Path | None, descriptor: Descriptor, crs: str | None,
               gsd: float | None, levels: int | None, store: str) -> TileTask:
    """Check every input and lay the map out; arguments and errors as for `build_map`."""
    if gsd is not None and not 0 < gsd < np.inf:
        raise InputError(f"a GSD of {gsd} m is not a pixel size; give metres per pixel, or leave it out")
    if store not in STORES:
        raise InputError(f"descriptors are not stored as {store}; give {' or '.join(STORES)}")
    facts = check_raster(sar, "sar")
    frame = map_frame(sar, crs)
    view = replace(RasterView.of(sar, frame, gsd), limits=(facts.minimum, facts.maximum))
    if not FINEST <= view.ratio <= COARSEST:
        raise InputError(f"{sar} has pixels of {view.grid.gsd / view.ratio:.3g} m: --gsd {view.grid.gsd:g} makes no map of it")
    if min(view.grid.shape) < descriptor.stride:
        raise InputError(f"{sar} is smaller than a descriptor cell at {view.grid.gsd:g} m per pixel; give a larger one")
    levels = default_levels(*view.grid.shape) if levels is None else levels
    if levels < 1 or min(view.grid.shape) >> (levels - 1) < descriptor.stride:
        raise InputError(f"{sar} has no {levels} levels at {view.grid.width}x{view.grid.height} px; give fewer, and at least 1")
    amplitude = AmplitudeScale.of(sar, facts)
    inputs = {"sar": sar} | ({"landcover": landcover} if landcover else {}) | ({"dem": dem} if dem else {})

    landcover_view = None
    if landcover:
        codes = check_raster(landcover, "landcover")
        if codes.minimum < 0 or codes.maximum >= UNKNOWN_CLASS:
            raise InputError(f"{landcover} has class codes outside 0 to {UNKNOWN_CLASS - 1}; recode it")
        landcover_view = _overlapping(RasterView.of(landcover, frame, like=view.grid, resampling="nearest"), sar)
    if dem:
        check_raster(dem, "dem")
        datum = vertical_datum(dem)
        coarse = _overlapping(RasterView.of(dem, frame, like=view.grid, resampling="bilinear"), sar)

    header = Header(
        frame, view.grid, datum if dem else UNKNOWN_DATUM,
        DescriptorIdentity.of(descriptor),
        asdict(amplitude), facts.dtype, landcover is not None, 0, levels, store,
        {name: sha256(path) or "" for name, path in inputs.items()}, {"crs": crs, "gsd_m": gsd},
    )
    dem_view = None
    if dem:
        # heights are kept about as fine as they came: the largest divisor of a chunk that is no coarser
        steps = [step for step in range(1, 33) if header.chunk_px % step == 0 and step <= max(1.0, 1 / coarse.ratio)]
        header = replace(header, dem_stride=max(steps))
        dem_view = RasterView.of(dem, frame, like=header.dem_grid, resampling="bilinear")
    return TileTask(out, header, descriptor, amplitude, view, landcover_view, dem_view)


def _overlapping(view: RasterView, sar: Path) -> RasterView:
    if not view.overlaps():
        raise InputError(f"{view.path} does not overlap {sar}; give one of the same region")
    return view


def _check_target(out: Path, header: Header) -> bool:
    """Whether `out` is already this very map; InputError where it holds anything but a beginning of it."""
    if not out.exists() or (out.is_dir() and {file.name for file in out.iterdir()} <= {LOCK_FILE}):
        return False
    present = attributes_of(out)
    if present is None:
        raise InputError(f"{out} holds something that is not a map; give a folder that is new or empty")
    finished = (out / MANIFEST_FILE).exists()
    if present != header.attributes():
        state = "a map" if finished else "an unfinished map"
        raise InputError(f"{out} holds {state} of other inputs or options; give another folder, or remove this one yourself")
    return finished


def _finish(out: Path, task: TileTask, records: list[TileRecord], dem: Path | None, started: float) -> None:
    """Write the manifest from the records of all tiles; its shares are those of level 0."""
    header, finest = task.header, [record for record in records if not record.tile.level]
    if dem and not any(record.heights for record in finest):
        raise InputError(f"{dem} holds no height where {task.sar.path} lies; give a DEM that does")
    files = {name: known for record in records for name, known in record.files.items()}
    files |= {file.as_posix(): sha256(out / file) or "" for file in metadata_files(header)}
    pixels, cells, dem_grid = header.grid, header.cells(0), header.dem_grid if header.dem_stride else None
    landuse: dict[str, int] = {}
    for record in finest:
        for code, count in record.landuse.items():
            landuse[code] = landuse.get(code, 0) + count
    content: dict[str, Any] = {
        "header": header.attributes(),  # once more, for `repair_map`
        "valid_fraction": sum(record.valid for record in finest) / (pixels.width * pixels.height),
        "described_fraction": sum(record.described for record in finest) / (cells.width * cells.height),
        "dem_fraction": sum(record.heights for record in finest) / (dem_grid.width * dem_grid.height) if dem_grid else None,
        "landuse": {code: landuse[code] / sum(landuse.values()) for code in sorted(landuse, key=int)},
        "bytes": sum((out / name).stat().st_size for name in files),
    }
    sources = {"sar": task.sar, "landcover": task.landcover, "dem": task.dem}
    built = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": round(time.monotonic() - started, 1),
        "host": platform.node(), "versions": _versions(),
        "inputs": {name: str(view.path.resolve()) for name, view in sources.items() if view},
    }
    write_manifest(out, files, content, built)


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
