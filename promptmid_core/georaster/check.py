"""Whether a raster can be used, told before any work begins."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Mask
from promptmid_core.errors import InputError
from promptmid_core.georaster.border import Border
from promptmid_core.georaster.frame import own_crs
from promptmid_core.georaster.kind import BANDS, PLAUSIBLE, TYPES, Kind, Plausible, needs_all_bands
from promptmid_core.georaster.placement import GEOTRANSFORM
from promptmid_core.georaster.source import data_bands, holds_integers, opened, read_values

Join = Callable[[Float32], Float32]

MEDIAN_SAMPLE = 1_000_000
ODD_SAMPLE = 100_000  # implausible values that are looked at to name the most frequent
MOST_ODD = 0.5  # share of a raster's pixels

HELD = Plausible("value that float32 can hold, in which rasters are read", -float(np.finfo(np.float32).max),
                 float(np.finfo(np.float32).max), "if they mean something, divide them with gdal_calc.py")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RasterFacts:
    """What reading a raster from end to end tells of its valid pixels: their share, least, greatest and median value.

    Medians are those of an even sample of about a million pixels, `lit_median` of what is not 0 in it; `implausible` is the share
    of the pixels that are not valid because nothing on the ground can have their value. `dtype` is the file's own where it holds
    whole numbers that stand for themselves, else float32. `classes` are the values of a land cover that occur, `bands` those that
    were read. `border` is the share of the pixels in a border of zeros around a SAR image, which have no part in its median.
    """

    dtype: str
    valid_fraction: float
    minimum: float
    maximum: float
    median: float
    classes: frozenset[int] = frozenset()
    lit_median: float = 0.0
    implausible: float = 0.0
    bands: tuple[int, ...] = ()
    border: float = 0.0


def check_raster(path: Path, kind: Kind, bands: tuple[int, ...] | None = None, join: Join | None = None,
                 plausible: Plausible | None = None) -> RasterFacts:
    """Read a raster once and tell whether it can be used as `kind`, by all its bands or by those that are named, from 1.

    `join` makes one value of the bands (B, N) of each pixel (N), of which the medians are taken then. Pixels whose value is not
    `plausible`, by default for the `kind`, are not valid, which is logged as a warning.

    Raises InputError, naming file and reason, where it is missing, no raster, cut short or damaged, without a place on the
    ground, of the wrong dtype or band count, holds no valid pixel, or mostly implausible ones.
    """
    from rasterio.enums import ColorInterp

    with opened(path) as source:
        placement = source.placement
        own_crs(path, placement.crs)
        if kind in ("landcover", "dem") and placement.kind != GEOTRANSFORM:
            raise InputError(f"{path} is placed by {placement.kind}, by which no {kind} is read; lay it out with gdalwarp first")
        there = data_bands(source)
        if bands is None and len(there) not in BANDS[kind]:
            wanted = " or ".join(str(n) for n in BANDS[kind])
            pick = "read one with --band N or two with --combine span" if kind == "sar" else "pick with gdal_translate"
            raise InputError(f"{path} has {len(there)} bands besides alpha where {kind} needs {wanted}; {pick}")
        bands = bands or there
        if not set(bands) <= set(there):
            raise InputError(f"{path} has no band {max(bands)}; its bands are {', '.join(map(str, there))}")
        if kind != "landcover" and any(source.colorinterp[band - 1] is ColorInterp.palette for band in bands):
            grey = "rgb, or gray where its colours are greys" if kind == "optical" else "gray"
            raise InputError(f"{path} holds numbers of colours, of a palette, where {kind} needs values; write them out with "
                             f"gdal_translate -expand {grey}")
        dtype = source.dtypes[bands[0] - 1]
        if dtype not in TYPES[kind]:
            raise InputError(f"{path} holds {dtype} pixels where {kind} needs {', '.join(TYPES[kind])}; convert it first")
        # GDAL opens a file that was cut short without a word; reading it to its end is what tells
        return _scan(path, source, bands, kind, join, plausible or PLAUSIBLE.get(kind))


def _scan(path: Path, source: Any, bands: tuple[int, ...], kind: Kind, join: Join | None,
          plausible: Plausible | None) -> RasterFacts:
    count, minimum, maximum = 0, np.inf, -np.inf
    step = max(1, source.width * source.height // MEDIAN_SAMPLE)
    sample, odd, beyond = [], _Odd(), _Odd()
    classes: set[int] = set()
    border = Border(source.width, source.height)
    for _, window in source.block_windows(1):
        values, valid = read_values(source, bands, window, needs_all_bands(kind))
        if values.dtype == np.float64:
            valid = beyond.taken_from(valid, values, HELD)
        pixels = np.where(valid, values, 0).astype(np.float32)
        if plausible:
            valid = odd.taken_from(valid, pixels, plausible)
        if kind == "sar":
            border.see((pixels == 0).all(axis=0), valid, window)
        if valid.any():
            count += int(valid.sum())
            known = pixels[:, valid]
            minimum, maximum = min(minimum, float(known.min())), max(maximum, float(known.max()))
            # a view would keep all pixels in memory
            sample.append((join(known) if join else known).ravel()[::step].copy())
            if kind == "landcover":
                classes.update(_whole_numbers(known))
    if beyond.count:
        beyond.told(path, source, bands[0], HELD, count + odd.count)
    if plausible and odd.count:
        odd.told(path, source, bands[0], plausible, count)
    if not count:
        raise InputError(f"{path} holds no valid pixel: all of it is nodata, masked or NaN")
    size, values = source.width * source.height, np.concatenate(sample)
    empty = border.pixels()
    if 0 < empty < count:
        values = _without_zeros(values, round(len(values) * empty / count))
    median = _median(values)
    lit_median = _median(values[values != 0]) if not values.all() else median
    dtype = source.dtypes[bands[0] - 1] if holds_integers(source, bands) else "float32"
    return RasterFacts(dtype, count / size, minimum, maximum, median, frozenset(classes), lit_median, odd.count / size, bands,
                       empty / size)


def _without_zeros(values: Float32, count: int) -> Float32:
    """The values without so many of the zeros among them."""
    return np.delete(values, np.flatnonzero(values == 0)[:count])


def _median(values: Float32) -> float:
    """The median, 0 of nothing."""
    # the mean of two values, either of which may be as large as numbers go
    with np.errstate(over="ignore"):
        return float(np.median(values)) if values.size else 0.0


class _Odd:
    """The pixels of a raster whose value is not plausible."""

    def __init__(self) -> None:
        self.count = 0
        self._sample: list[NDArray[Any]] = []
        self._left = ODD_SAMPLE

    def taken_from(self, valid: Mask, pixels: NDArray[Any], plausible: Plausible) -> Mask:
        """Return what is valid (H, W) without them, of a window's pixels (B, H, W)."""
        odd = valid & ~plausible.holds(pixels)
        if not odd.any():
            return valid
        self.count += int(odd.sum())
        values = pixels[:, odd]
        values = values[(values < plausible.least) | (values > plausible.most)][:self._left]
        self._sample.append(values)
        self._left -= values.size
        return valid & ~odd

    def told(self, path: Path, source: Any, band: int, plausible: Plausible, others: int) -> None:
        """Log what is masked. Raises InputError where that is most of what is valid, `others` being the pixels that stay so."""
        values, counts = np.unique(np.concatenate(self._sample), return_counts=True)
        commonest = float(values[counts.argmax()])
        # nodata is declared in the file's own numbers, which it may scale
        stored = (commonest - source.offsets[band - 1]) / (source.scales[band - 1] or 1.0)
        if np.issubdtype(np.dtype(source.dtypes[band - 1]), np.integer):
            stored = round(stored)
        share = self.count / (self.count + others)
        number = f"{stored:.9g}"
        # a fill of float64 has to be told to its last digit
        number = number if source.dtypes[band - 1] != "float64" or float(number) == stored else f"{stored:.17g}"
        cure = f"declare it: gdal_edit.py -a_nodata {number} {path}"
        what = f"{share:.2g}" if share < 1e-4 else f"{share:.2%}"
        sentence = (f"{path}: {what} of its valid pixels hold no {plausible.what} ({commonest:g} most often, and such values lie "
                    f"from {plausible.least:g} to {plausible.most:g})")
        if share > MOST_ODD:
            otherwise = f"; {plausible.otherwise}" if plausible.otherwise else ""
            raise InputError(f"{sentence}; if {commonest:g} means nodata, {cure}{otherwise}")
        log.warning("%s; they are taken for nodata: to say so yourself, %s", sentence, cure)


def _whole_numbers(values: Float32) -> list[int]:
    """The different values of an array of whole numbers; counting is much faster than sorting where they are small."""
    whole = values.astype(np.int64).ravel()
    found = np.flatnonzero(np.bincount(whole)) if whole.min() >= 0 and whole.max() < 65536 else np.unique(whole)
    return [int(value) for value in found]
