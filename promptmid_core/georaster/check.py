"""Whether a raster can be used, told before any work begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.errors import InputError
from promptmid_core.georaster.source import data_bands, holds_integers, opened, read_pixels

Kind = Literal["sar", "optical", "landcover", "dem"]
Join = Callable[[Float32], Float32]

TYPES: dict[Kind, tuple[str, ...]] = {
    "sar": ("uint8", "uint16", "int16", "float32", "float64"),
    "optical": ("uint8", "uint16"),
    "landcover": ("uint8", "uint16", "int16", "int32"),
    "dem": ("uint8", "uint16", "int16", "int32", "float32", "float64"),
}
BANDS: dict[Kind, tuple[int, ...]] = {"sar": (1,), "optical": (1, 3), "landcover": (1,), "dem": (1,)}

MEDIAN_SAMPLE = 1_000_000


@dataclass(frozen=True)
class RasterFacts:
    """What reading a raster from end to end tells of its valid pixels: their share, least, greatest and median value.

    The median is that of an even sample of about a million pixels; `dtype` is the file's own where it holds whole numbers that
    stand for themselves, else float32. `classes` are the values of a land cover that occur.
    """

    dtype: str
    valid_fraction: float
    minimum: float
    maximum: float
    median: float
    classes: frozenset[int] = frozenset()


def check_raster(path: Path, kind: Kind, bands: tuple[int, ...] | None = None, join: Join | None = None) -> RasterFacts:
    """Read a raster once and tell whether it can be used as `kind`, by all its bands or by those that are named, from 1.

    `join` makes one value of the bands (B, N) of each pixel (N), of which the median is taken then.

    InputError, naming file and reason, where it is missing, no raster, cut short or damaged, without CRS or geotransform,
    rotated, of the wrong dtype or band count, or holds no valid pixel. South-up rasters are fine.
    """
    with opened(path) as source:
        if source.crs is None:
            raise InputError(f"{path} has no CRS; set the one it was made in, e.g. with gdal_edit.py -a_srs EPSG:N")
        t = source.transform
        if t.is_identity:
            raise InputError(f"{path} has no geotransform, so its pixels have no place on the ground; georeference it first")
        if t.b or t.d or t.a <= 0 or not t.e:
            raise InputError(f"{path} is rotated, sheared or mirrored against its CRS; straighten it with gdalwarp first")
        there = data_bands(source)
        if bands is None and len(there) not in BANDS[kind]:
            wanted = " or ".join(str(n) for n in BANDS[kind])
            pick = "read one with --band N or two with --combine span" if kind == "sar" else "pick with gdal_translate"
            raise InputError(f"{path} has {len(there)} bands besides alpha where {kind} needs {wanted}; {pick}")
        bands = bands or there
        if not set(bands) <= set(there):
            raise InputError(f"{path} has no band {max(bands)}; its bands are {', '.join(map(str, there))}")
        dtype = source.dtypes[bands[0] - 1]
        if dtype not in TYPES[kind]:
            raise InputError(f"{path} holds {dtype} pixels where {kind} needs {', '.join(TYPES[kind])}; convert it first")
        # GDAL opens a file that was cut short without a word; reading it to its end is what tells
        return _scan(path, source, bands, kind, join)


def _scan(path: Path, source: Any, bands: tuple[int, ...], kind: Kind, join: Join | None) -> RasterFacts:
    count, minimum, maximum = 0, np.inf, -np.inf
    step = max(1, source.width * source.height // MEDIAN_SAMPLE)
    sample = []
    classes: set[int] = set()
    for _, window in source.block_windows(1):
        pixels, valid = read_pixels(source, bands, window)
        if valid.any():
            count += int(valid.sum())
            known = pixels[:, valid]
            minimum, maximum = min(minimum, float(known.min())), max(maximum, float(known.max()))
            # a view would keep all pixels in memory
            sample.append((join(known) if join else known).ravel()[::step].copy())
            if kind == "landcover":
                classes.update(_whole_numbers(known))
    if not count:
        raise InputError(f"{path} holds no valid pixel: all of it is nodata, masked or NaN")
    share = count / (source.width * source.height)
    dtype = source.dtypes[bands[0] - 1] if holds_integers(source, bands) else "float32"
    return RasterFacts(dtype, share, minimum, maximum, float(np.median(np.concatenate(sample))), frozenset(classes))


def _whole_numbers(values: Float32) -> list[int]:
    """The different values of an array of whole numbers; counting is much faster than sorting where they are small."""
    whole = values.astype(np.int64).ravel()
    found = np.flatnonzero(np.bincount(whole)) if whole.min() >= 0 and whole.max() < 65536 else np.unique(whole)
    return [int(value) for value in found]
