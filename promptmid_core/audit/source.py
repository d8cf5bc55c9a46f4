"""What a map is held against: rasters, laid on the map's own pixels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from promptmid_core.errors import InputError
from promptmid_core.geometry import Patch
from promptmid_core.georaster import Kind, RasterView, check_raster, vertical_datum
from promptmid_core.georaster.source import data_bands, opened
from promptmid_core.prompts.prompt import Modality
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.sar.laying import checked
from promptmid_core.refmap.sar.product import SarProduct
from promptmid_core.refmap.sar.view import SarView

OPTICAL: Kind = "optical"
SAR: Kind = "sar"
DARKEST, BRIGHTEST = 1.0, 99.0  # percentiles that become black and white of an image of more than 8 bits
LATTICE = 16  # blocks to a side that its brightness is asked for
BLOCK_PX = 64

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A raster on the map's level-0 pixels, by `name`: `read` gives a window (column, row, width, height) as the image that a
    descriptor takes for its `modality`; `part` is that of the map that it reaches into; `lifted` says that heights of a DEM
    placed its pixels."""

    name: str
    modality: Modality
    read: Callable[[int, int, int, int], Patch]
    part: tuple[int, int, int, int]
    lifted: bool = False


def source(path: Path, reference: ReferenceMap, kind: Kind | None = None, dem: Path | None = None) -> Source:
    """Return a raster to hold a map against: `optical` or `sar`, by default by its bands, of which an orthophoto has three.

    `dem` has the heights for one whose pixels these move; they count from what was told of those of the map, where both name the
    same datum. What is not known of its place by heights is logged as a warning. Raises InputError where it cannot be read as
    such, or does not reach into the map.
    """
    with opened(path) as raster:
        bands, moved = data_bands(raster), raster.placement.lifted
    kind = kind or (OPTICAL if len(bands) >= 3 else SAR)
    geoid_m = reference.header.options.geoid_height_m
    if dem is None or not moved or vertical_datum(dem) != reference.header.vertical_datum:
        geoid_m = None
    view = partial(RasterView.of, path, reference.frame, like=reference.grid, kind=kind, dem=dem, geoid_m=geoid_m)
    found = _optical(path, bands[:3], view) if kind == OPTICAL else _sar(path, bands[:1], view)
    if moved:
        _tell_heights(path, view(), dem)
    if not all(found.part[2:]):
        raise InputError(f"{path} does not overlap {reference.path}; hold the map against a raster of the same region")
    return found


def _tell_heights(path: Path, view: RasterView, dem: Path | None) -> None:
    if dem is None:
        log.warning("%s is placed at one height, and hills lie off by that; give --dem, by which its pixels are placed", path)
    elif view.datum_error():
        log.warning("%s lies where heights of %s put it, and nothing tells what these count from: it may lie off by %.0f m, one "
                    "standard deviation; give a DEM of heights above the ellipsoid", path, dem, view.datum_error())


def _sar(path: Path, bands: tuple[int, ...], laid: Callable[..., RasterView]) -> Source:
    product = SarProduct(band=bands[0])
    _, scale = checked(path, product)
    view = laid(bands=bands)
    scene = SarView(view, scale, product, None)

    def read(col: int, row: int, width: int, height: int) -> Patch:
        pixels, amplitude = scene.read(col, row, width, height)
        return Patch(amplitude, pixels.valid, pixels.grid)

    return Source(str(path), Modality.SAR, read, view.part(), view.ground is not None)


def _optical(path: Path, bands: tuple[int, ...], laid: Callable[..., RasterView]) -> Source:
    bands = bands if len(bands) == 3 else bands[:1]
    check_raster(path, "optical", bands)
    view = laid(bands=bands)
    low, high = _span(view)

    def read(col: int, row: int, width: int, height: int) -> Patch:
        pixels = view.read(col, row, width, height)
        grey = np.clip((pixels.image - low) * np.float32(255 / (high - low)), 0, 255)
        seen = pixels.valid[..., None] if grey.ndim == 3 else pixels.valid
        return Patch(np.where(seen, grey, 0).astype(np.uint8), pixels.valid, pixels.grid)

    return Source(str(path), Modality.OPTICAL, read, view.part(), view.ground is not None)


def _span(view: RasterView) -> tuple[np.float32, np.float32]:
    """What becomes black and white: 0 and 255 of 8 bits, percentiles of a sample of others."""
    if view.limits == (0.0, 255.0):
        return np.float32(0), np.float32(255)
    left, top, width, height = view.part()
    seen = []
    for row in np.linspace(top, max(top + height - BLOCK_PX, top), LATTICE).astype(int):
        for col in np.linspace(left, max(left + width - BLOCK_PX, left), LATTICE).astype(int):
            block = view.read(int(col), int(row), BLOCK_PX, BLOCK_PX)
            seen.append(block.image[block.valid].ravel())
    values = np.concatenate(seen)
    low, high = np.percentile(values, (DARKEST, BRIGHTEST)) if len(values) else (0.0, 1.0)
    return np.float32(low), np.float32(max(high, low + 1))
