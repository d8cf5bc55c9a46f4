"""Pairs for the bench out of georeferenced rasters, cut where the SAR raster's pixels lie."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from promptmid_core.arrays import UInt8
from promptmid_core.bench.pairs import FOLDER_COLUMNS, IDENTITY, TABLE
from promptmid_core.errors import InputError
from promptmid_core.files import make_folder, write_whole, writing
from promptmid_core.folders import put
from promptmid_core.georaster import RasterView, check_raster
from promptmid_core.prompts import KINDS, ClassTable, dominant
from promptmid_core.prompts.prompt import LAND_USES, NEUTRAL
from promptmid_core.refmap.sar.laying import laid
from promptmid_core.refmap.sar.product import SarProduct

LEAST_KNOWN = 0.95  # share of a tile that both rasters must know
GREY = 48.0  # of the median amplitude: bright reflectors up to five times the median stay apart


@dataclass(frozen=True)
class PairTile:
    """`optical` (S, S, 3) and `sar` (S, S) uint8, 0 where unknown; `landuse`: a word of LAND_USES, or None."""

    name: str
    optical: UInt8
    sar: UInt8
    landuse: str | None


def cut_pairs(optical: Path, sar: Path, out: Path, *, side: int, landcover: Path | None = None,
              table: ClassTable | None = None, labelled: bool = False) -> dict[str, int]:
    """Write a pair folder of tiles of `side` px and return how many there are of each label, '' being none.

    The optical image is resampled to the SAR raster's pixels. A tile's label is the land use that covers more than half of it by
    the classes of `landcover`, which `table` tells; `labelled`: those without one are left out. Raises InputError where a raster
    cannot be used, where `out` has something in it, and where no tile is left, all before anything is written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not empty; give a folder that is new or empty")
    gsd_m, every = _tiles(optical, sar, side, landcover, table)
    tiles = (tile for tile in every if tile.landuse or not labelled)
    first = next(tiles, None)
    if first is None:
        raise InputError(f"{optical} and {sar} have no {'labelled ' * labelled}tile of {side} px in common; give images of one "
                         "place, or a smaller --side")
    make_folder(out)
    counts: dict[str, int] = {}
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(FOLDER_COLUMNS)
    for tile in chain((first,), tiles):
        names = f"optical/{tile.name}.png", f"sar/{tile.name}.png"
        for name, image in zip(names, (cv2.cvtColor(tile.optical, cv2.COLOR_RGB2BGR), tile.sar), strict=True):
            with writing(out / name, "see whether the disk is full"):
                put(out / name, cv2.imencode(".png", image)[1].tobytes(), out, lasting=False)
        label = tile.landuse or ""
        writer.writerow([tile.name, *names, f"{gsd_m:g}", label, *np.ravel(IDENTITY)])
        counts[label] = counts.get(label, 0) + 1
    write_whole(out / TABLE, text.getvalue(), out)
    return counts


def _tiles(optical: Path, sar: Path, side: int, landcover: Path | None,
           table: ClassTable | None) -> tuple[float, Iterator[PairTile]]:
    """Metres per pixel, and the tiles."""
    if (dtype := check_raster(optical, "optical").dtype) != "uint8":
        raise InputError(f"{optical} holds {dtype} pixels, and pairs have 8 bits; convert it, e.g. with "
                         "'gdal_translate -ot Byte -scale'")
    lain = laid({"sar": sar}, SarProduct(), 1, crs=None, gsd=None)
    frame, grid, radar = lain.view.frame, lain.view.grid, lain.scenes[0].sar
    colours = RasterView.of(optical, frame, like=grid)
    cover = None
    if landcover and table:
        table.check(check_raster(landcover, "landcover").classes, landcover)
        cover = RasterView.of(landcover, frame, like=grid, resampling="nearest"), table.prompt_ids()

    def every() -> Iterator[PairTile]:
        for row in range(0, grid.height - side + 1, side):
            for col in range(0, grid.width - side + 1, side):
                window = (col, row, side, side)
                read, amplitude = radar.read(*window)
                seen = colours.read(*window)
                if min(read.valid.mean(), seen.valid.mean()) < LEAST_KNOWN:
                    continue
                grey = np.where(read.valid, np.clip(np.rint(GREY * amplitude), 1, 255), 0)
                colour = seen.image if seen.image.ndim == 3 else np.repeat(seen.image[..., None], 3, axis=2)
                rgb = np.where(seen.valid[..., None], np.clip(np.rint(colour), 0, 255), 0)
                yield PairTile(f"{row:05d}_{col:05d}", rgb.astype(np.uint8), grey.astype(np.uint8), _label(cover, window))

    return grid.gsd, every()


def _label(cover: tuple[RasterView, UInt8] | None, window: tuple[int, int, int, int]) -> str | None:
    if cover is None:
        return None
    view, ids = cover
    codes = view.read(*window)
    found = np.where(codes.valid, ids[codes.image.astype(np.uint16)], NEUTRAL)
    best = int(dominant(np.bincount(found.ravel(), minlength=KINDS)))
    return LAND_USES[best - 1] if best else None
