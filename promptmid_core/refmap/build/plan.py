"""Planning a map: every input is checked and the map laid out, before any of it is made."""

from __future__ import annotations

from dataclasses import replace
from math import hypot, inf
from pathlib import Path

import numpy as np

from promptmid_core.descriptors import Descriptor, load
from promptmid_core.errors import InputError
from promptmid_core.georaster import (
    UNKNOWN_DATUM,
    MapFrame,
    RasterView,
    Transformation,
    check_raster,
    raster_identity,
    transformation,
    vertical_datum,
)
from promptmid_core.georaster.placement import GEOTRANSFORM
from promptmid_core.georaster.view import above_ellipsoid
from promptmid_core.products import acquisition_of
from promptmid_core.prompts import ClassTable
from promptmid_core.prompts.embeddings import TextEncoder, load_encoder
from promptmid_core.prompts.vocabulary import Vocabulary
from promptmid_core.refmap.build.landuse import LandCover
from promptmid_core.refmap.build.options import BuildOptions
from promptmid_core.refmap.build.sources import Sources
from promptmid_core.refmap.build.tile import TileTask
from promptmid_core.refmap.build.workers import small_cache
from promptmid_core.refmap.format.arrays import UNKNOWN_CLASS
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.format.identity import DescriptorIdentity
from promptmid_core.refmap.format.parts import GridOptions, OverlapFacts, SceneFacts
from promptmid_core.refmap.format.quantisation import STORES
from promptmid_core.refmap.format.sar import SarReading
from promptmid_core.refmap.format.vocabulary import VocabularyFacts
from promptmid_core.refmap.pyramid import default_levels
from promptmid_core.refmap.sar.displacement import displacement
from promptmid_core.refmap.sar.known import all_facts, placements
from promptmid_core.refmap.sar.laying import Laid, laid
from promptmid_core.refmap.sar.layover import Relief
from promptmid_core.refmap.sar.told import acquired, completed, told

PRODUCT = "promptmid"  # the descriptor of a map that names none


def plan_build(out: Path, sources: Sources, options: BuildOptions, vocabulary: Vocabulary | None = None) -> TileTask:
    """Check every source of a map `out` and lay it out; `vocabulary` is by default made anew, with the embeddings of `options`.

    Raises InputError for anything that cannot be used.
    """
    inputs, descriptor = sources.files, options.descriptor or load(PRODUCT, threads=1)
    table = options.landcover_table if "landcover" in inputs else None
    table = ClassTable.load(table) if isinstance(table, str) else table
    vocabulary = vocabulary or Vocabulary.encoded(_encoder(descriptor, options.embeddings))
    with small_cache():
        return _laid_out(out.resolve(), inputs, options, descriptor, table, vocabulary)


def _laid_out(out: Path, inputs: dict[str, Path], options: BuildOptions, descriptor: Descriptor, table: ClassTable | None,
              vocabulary: Vocabulary) -> TileTask:
    rasters, dem = {name: path for name, path in inputs.items() if name.startswith("sar")}, inputs.get("dem")
    product, gsd, store = options.product, options.gsd, options.store or STORES[0]
    if gsd is not None and not 0 < gsd < np.inf:
        raise InputError(f"a GSD of {gsd} m is not a pixel size; give metres per pixel, or leave it out")
    if store not in STORES:
        raise InputError(f"descriptors are not stored as {store}; give {' or '.join(STORES)}")
    acquisitions = [acquisition_of(path) for path in rasters.values()]
    facts = told(product, acquisitions)
    said, has_dem = product, dem is not None
    completed(said, facts, has_dem, flat=False).check(has_dem)
    product = completed(said, facts, has_dem, flat=set(placements(rasters.values())) != {GEOTRANSFORM})
    geoid_m = options.geoid_height_m
    if geoid_m is not None and not dem:
        raise InputError("--geoid-height-m tells what the heights of a DEM count from; give --dem too, or leave it out")
    lain = laid(rasters, product, descriptor.stride, crs=options.crs, gsd=gsd, dem=dem, geoid_m=geoid_m)
    frame, grid = lain.view.frame, lain.view.grid
    levels = default_levels(*grid.shape) if options.levels is None else options.levels
    if levels < 1 or min(grid.shape) >> (levels - 1) < descriptor.stride:
        raise InputError(f"{lain.view.path} has no {levels} levels at {grid.width}x{grid.height} px; give fewer, and at least 1")
    cover = _land_cover(inputs["landcover"], table, lain) if table else None
    if dem:
        heights = check_raster(dem, "dem")
        datum = vertical_datum(dem)
        coarse = _overlapping(RasterView.of(dem, frame, like=grid, resampling="bilinear", kind="dem"), lain)

    header = Header(
        frame, grid, datum if dem else UNKNOWN_DATUM,
        DescriptorIdentity.of(descriptor),
        lain.scale, lain.dtype, SarReading(said, lain.view.bands), 0.0,
        cover is not None, 0, (0.0, 0.0), levels, store, VocabularyFacts.of(vocabulary, table),
        {name: _identity(path) for name, path in inputs.items()}, GridOptions(options.crs, gsd, geoid_m),
        tuple(SceneFacts(scene.name, scene.gain_db) for scene in lain.scenes) if len(lain.scenes) > 1 else (),
        overlaps=tuple(OverlapFacts(lain.scenes[each.first].name, lain.scenes[each.second].name, round(each.shift.east, 3),
                                    round(each.shift.north, 3), round(each.shift.sigma, 3)) for each in lain.overlaps),
    )
    dem_view, relief, ground = None, None, None
    if dem:
        # heights are kept about as fine as they came: the largest divisor of a chunk that is no coarser
        steps = [step for step in range(1, 33) if header.chunk_px % step == 0 and step <= max(1.0, 1 / coarse.ratio)]
        header = replace(header, dem_stride=max(steps), dem_range=(heights.minimum, heights.maximum))
        dem_view = RasterView.of(dem, frame, like=header.dem_grid, resampling="bilinear", kind="dem")
        ground = above_ellipsoid(dem, frame, header.dem_grid, geoid_m)
        if product.incidence_deg is not None and product.look_deg is not None:
            span = heights.maximum - heights.minimum
            relief = Relief(dem_view, header.dem_stride, product.incidence_deg, product.look_deg, span)
    displaced, taken = displacement(lain, product, ground), _transformation(rasters, frame)
    sigma = hypot(displaced.sigma_m, taken.accuracy_m or 0.0 if taken else 0.0)
    header = replace(header, transformation=taken, registration_sigma_m=sigma, acquired=acquired(said, acquisitions),
                     facts=all_facts(facts, lain, product, displaced, dem is not None))
    scenes = tuple(replace(scene, sar=replace(scene.sar, relief=relief)) for scene in lain.scenes)
    return TileTask(out, header, descriptor, scenes, cover, vocabulary, dem_view)


def _encoder(descriptor: Descriptor, name: str | None) -> TextEncoder | None:
    """What makes the prompts' embeddings: `name`, or what the descriptor needs; None where neither is."""
    needed = descriptor.text_encoder
    if needed and name and name.partition(":")[0] != needed:
        raise InputError(f"descriptor {descriptor.name} needs the embeddings of {needed}, not of {name}; leave --embeddings out")
    chosen = name or needed
    return load_encoder(chosen) if chosen else None


def _transformation(rasters: dict[str, Path], frame: MapFrame) -> Transformation | None:
    """The transformation of the raster that lies least accurately on the map; None where all have the datum of the map."""
    taken = [transformation(path, frame) for path in rasters.values()]
    worst = max(taken, key=lambda one: inf if one.accuracy_m is None else one.accuracy_m)
    return None if worst.accuracy_m == 0 else worst


def _identity(path: Path) -> str:
    known = raster_identity(path)
    if known is None:
        raise InputError(f"{path} can no longer be read; give the same command again when it can")
    return known


def _land_cover(path: Path, table: ClassTable, lain: Laid) -> LandCover:
    codes = check_raster(path, "landcover")
    if codes.minimum < 0 or codes.maximum >= UNKNOWN_CLASS:
        raise InputError(f"{path} has class codes outside 0 to {UNKNOWN_CLASS - 1}; recode it")
    view = _overlapping(RasterView.of(path, lain.view.frame, like=lain.view.grid, resampling="nearest"), lain)
    table.check(codes.classes, path)
    return LandCover(view, table)


def _overlapping(view: RasterView, lain: Laid) -> RasterView:
    """The view of a raster that lies under every scene in part at least."""
    for scene in lain.scenes:
        if not replace(view, grid=view.grid.cut(*scene.part)).overlaps():
            whole = " and all the other scenes" if len(lain.scenes) > 1 else ""
            raise InputError(f"{view.path} does not overlap {scene.sar.view.path}; give one of the same region{whole}")
    return view
