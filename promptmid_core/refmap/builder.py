"""Building a map: check everything, then make it tile by tile, then declare it finished."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.descriptors import Descriptor
from promptmid_core.embeddings import TextEncoder, load_encoder
from promptmid_core.errors import InputError
from promptmid_core.georaster import UNKNOWN_DATUM, RasterView, check_raster, map_frame, vertical_datum
from promptmid_core.landuse import ClassTable
from promptmid_core.refmap.amplitude import AmplitudeScale
from promptmid_core.refmap.header import LEVEL, DescriptorIdentity, Header, attributes_of
from promptmid_core.refmap.landuse import LandCover
from promptmid_core.refmap.layover import Relief, height_error
from promptmid_core.refmap.manifest import JOURNAL_FILE, MANIFEST_FILE, Journal, TileRecord, sha256, write_manifest
from promptmid_core.refmap.product import NO, SarProduct
from promptmid_core.refmap.query import ReferenceMap
from promptmid_core.refmap.sar import SarView
from promptmid_core.refmap.store import UNKNOWN_CLASS, create, metadata_files
from promptmid_core.refmap.tile import TileTask
from promptmid_core.refmap.vocabulary import Vocabulary
from promptmid_core.refmap.vocabulary import files as vocabulary_files

Progress = Callable[[int, int], None]

# source pixels per map pixel beyond which a GSD is a slip of the pen, and its map too large or empty
FINEST, COARSEST = 1 / 16, 100.0

log = logging.getLogger(__name__)


def build_map(sar: Path, out: Path, *, landcover: Path | None = None, landcover_table: str = "worldcover",
              embeddings: str | None = None, dem: Path | None = None, descriptor: Descriptor, crs: str | None = None,
              gsd: float | None = None, product: SarProduct | None = None, progress: Progress | None = None) -> ReferenceMap:
    """Build the map folder `out` from a SAR raster, with land-cover classes and heights where their rasters are given.

    `landcover_table` as for `ClassTable.load`; `embeddings` as for `load_encoder`, by default what the descriptor needs; `crs`
    and `gsd` (metres) as for `map_frame` and `RasterView`; `product` is what is said of the SAR raster; `progress(done,
    total)` is told of every tile. A build that was cut off goes on where it stopped; a finished map of the same inputs is
    returned as it is. Equal inputs give equal bytes but for the `built` part of the manifest. InputError for any input that
    cannot be used, before any work, and for a folder that holds something else; nothing is ever deleted there.
    """
    started = time.monotonic()
    task = _plan(sar, out, landcover, landcover_table, embeddings, dem, descriptor, crs, gsd, product or SarProduct())
    if _finished(out, task.header):
        log.info("%s is already built from these inputs; nothing to do", out)
        return ReferenceMap.open(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made ({error.strerror}); give a folder that can") from error
    create(out, task.header)
    task.vocabulary.write(out)

    journal = Journal(out)
    records, tiles = journal.finished(), list(task.header.tiles())
    if records:
        log.info("%s is unfinished; %d of %d tiles are there and kept", out, len(records), len(tiles))
    for done, tile in enumerate(tiles):
        if progress:
            progress(done, len(tiles))
        if tile not in records:
            records[tile] = task.make(tile)
            journal.append(records[tile])
    if progress:
        progress(len(tiles), len(tiles))
    _finish(out, task, list(records.values()), dem, started)
    return ReferenceMap.open(out)


def _plan(sar: Path, out: Path, landcover: Path | None, landcover_table: str, embeddings: str | None, dem: Path | None,
          descriptor: Descriptor, crs: str | None, gsd: float | None, product: SarProduct) -> TileTask:
    """Check every input and lay the map out."""
    if gsd is not None and not 0 < gsd < np.inf:
        raise InputError(f"a GSD of {gsd} m is not a pixel size; give metres per pixel, or leave it out")
    product.check(has_dem=dem is not None)
    facts = check_raster(sar, "sar", product.bands)
    frame = map_frame(sar, crs)
    view = replace(RasterView.of(sar, frame, gsd, bands=product.bands), limits=(facts.minimum, facts.maximum))
    if not FINEST <= view.ratio <= COARSEST:
        raise InputError(f"{sar} has pixels of {view.grid.gsd / view.ratio:.3g} m: --gsd {view.grid.gsd:g} makes no map of it")
    if min(view.grid.shape) < descriptor.stride:
        raise InputError(f"{sar} is smaller than a descriptor cell at {view.grid.gsd:g} m per pixel; give a larger one")
    scale = AmplitudeScale.of(sar, facts, product.scale, view.bands)
    if product.combine:
        facts = check_raster(sar, "sar", product.bands, scale.span)
        scale, facts = replace(scale, median=facts.median), replace(facts, dtype="float32")
    inputs = {"sar": sar} | ({"landcover": landcover} if landcover else {}) | ({"dem": dem} if dem else {})

    cover, table = None, None
    if landcover:
        table = ClassTable.load(landcover_table)
        codes = check_raster(landcover, "landcover")
        if codes.minimum < 0 or codes.maximum >= UNKNOWN_CLASS:
            raise InputError(f"{landcover} has class codes outside 0 to {UNKNOWN_CLASS - 1}; recode it")
        cover = LandCover(_overlapping(RasterView.of(landcover, frame, like=view.grid, resampling="nearest"), sar), table)
        table.check(codes.classes, landcover)
    if dem:
        heights = check_raster(dem, "dem")
        datum = vertical_datum(dem)
        coarse = _overlapping(RasterView.of(dem, frame, like=view.grid, resampling="bilinear"), sar)

    vocabulary = Vocabulary.encoded(_encoder(descriptor, embeddings))
    header = Header(
        frame, view.grid, datum if dem else UNKNOWN_DATUM,
        DescriptorIdentity.of(descriptor),
        asdict(scale) | {"decibel": scale.decibel}, facts.dtype, asdict(product) | {"bands": list(view.bands)}, 0.0,
        landcover is not None, 0, vocabulary.attributes(table),
        {name: sha256(path) or "" for name, path in inputs.items()}, {"crs": crs, "gsd_m": gsd},
    )
    dem_view, relief = None, None
    if dem:
        # heights are kept about as fine as they came: the largest divisor of a chunk that is no coarser
        steps = [step for step in range(1, 33) if header.chunk_px % step == 0 and step <= max(1.0, 1 / coarse.ratio)]
        header = replace(header, dem_stride=max(steps))
        dem_view = RasterView.of(dem, frame, like=header.dem_grid, resampling="bilinear")
        if product.incidence_deg is not None and product.terrain_corrected == NO:
            header = replace(header, registration_sigma_m=height_error(dem_view, product.incidence_deg))
        if product.incidence_deg is not None and product.look_deg is not None:
            span = heights.maximum - heights.minimum
            relief = Relief(dem_view, header.dem_stride, product.incidence_deg, product.look_deg, span)
    return TileTask(out, header, descriptor, SarView(view, scale, product, relief), cover, vocabulary, dem_view)


def _encoder(descriptor: Descriptor, name: str | None) -> TextEncoder | None:
    """What makes the prompts' embeddings: `name`, or what the descriptor needs; None where neither is."""
    needed = descriptor.text_encoder
    if needed and name and name.partition(":")[0] != needed:
        raise InputError(f"descriptor {descriptor.name} needs the embeddings of {needed}, not of {name}; leave --embeddings out")
    chosen = name or needed
    return load_encoder(chosen) if chosen else None


def _overlapping(view: RasterView, sar: Path) -> RasterView:
    if not view.overlaps():
        raise InputError(f"{view.path} does not overlap {sar}; give one of the same region")
    return view


def _finished(out: Path, header: Header) -> bool:
    """Whether `out` is already this very map; InputError where it holds anything but a beginning of it."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    present = attributes_of(out)
    if present is None:
        raise InputError(f"{out} holds something that is not a map; give a folder that is new or empty")
    finished = (out / MANIFEST_FILE).exists()
    if present != header.attributes():
        state = "a map" if finished else "an unfinished map"
        raise InputError(f"{out} holds {state} of other inputs or options; give another folder, or remove this one yourself")
    if finished:
        (out / JOURNAL_FILE).unlink(missing_ok=True)
    for partial in (out / LEVEL).rglob("*.partial"):
        partial.unlink()  # a shard that a kill cut off before it had its name
    return finished


def _finish(out: Path, task: TileTask, records: list[TileRecord], dem: Path | None, started: float) -> None:
    """Write the manifest from the records of all tiles."""
    header = task.header
    if dem and not any(record.heights for record in records):
        raise InputError(f"{dem} holds no height where {task.sar.view.path} lies; give a DEM that does")
    files = {name: known for record in records for name, known in record.files.items()}
    whole = [*metadata_files(header), *vocabulary_files(header.vocabulary)]
    files |= {file.as_posix(): sha256(out / file) or "" for file in whole}
    pixels, cells, dem_grid = header.grid, header.cells, header.dem_grid if header.dem_stride else None
    landuse: dict[str, int] = {}
    for record in records:
        for code, count in record.landuse.items():
            landuse[code] = landuse.get(code, 0) + count
    content: dict[str, Any] = {
        "valid_fraction": sum(record.valid for record in records) / (pixels.width * pixels.height),
        "described_fraction": sum(record.described for record in records) / (cells.width * cells.height),
        "dem_fraction": sum(record.heights for record in records) / (dem_grid.width * dem_grid.height) if dem_grid else None,
        "landuse": {code: landuse[code] / sum(landuse.values()) for code in sorted(landuse, key=int)},
        "bytes": sum((out / name).stat().st_size for name in files),
    }
    sources = {"sar": task.sar.view, "landcover": task.landcover and task.landcover.view, "dem": task.dem}
    built = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": round(time.monotonic() - started, 1),
        "host": platform.node(), "versions": _versions(),
        "inputs": {name: str(view.path.resolve()) for name, view in sources.items() if view},
    }
    write_manifest(out, files, content, built)
    (out / JOURNAL_FILE).unlink()


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
