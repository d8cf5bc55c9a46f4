"""A raster file as it is: opening it and reading its pixels with their validity."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Mask
from promptmid_core.errors import InputError
from promptmid_core.georaster.formats import VRT, check_beside, driver_of
from promptmid_core.georaster.placement import Placement, placement_of
from promptmid_core.georaster.proj import check_rasterio
from promptmid_core.georaster.saferaster import opened_safe
from promptmid_core.georaster.vrt import check_vrt
from promptmid_core.products import is_safe


class Raster:
    """A rasterio dataset, with all that it has, and `placement`: how its pixels lie on the ground."""

    def __init__(self, path: Path, dataset: Any) -> None:
        self.path, self._dataset = path, dataset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    @cached_property
    def placement(self) -> Placement:
        """As for `placement_of`."""
        return placement_of(self.path, self._dataset)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a raster, in a format that is read (`formats.py`), or the folder of a Sentinel-1 product as one, which has more than a
    rasterio dataset its `placement`; GDAL opens nothing but plain files.

    Raises InputError where there is none, or one that would open anything else.
    """
    with opened_safe(path, _opened) if is_safe(path) else _opened(path) as source:
        yield source


@contextmanager
def _opened(path: Path) -> Iterator[Raster]:
    """As `opened`, of a file."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

    check_file(path)
    check_rasterio()
    driver = driver_of(path)
    if driver == VRT:
        check_vrt(path)
    check_beside(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            # a name that begins with / is none of a dataset within a file
            source = rasterio.open(path.absolute(), driver=driver)
    except RasterioIOError as error:
        reason = one_line(error)
        raise InputError(f"{path} is no raster that GDAL can read, or cut short ({reason}); give a whole GeoTIFF") from error
    with source:
        yield Raster(path, source)


def check_file(path: Path) -> None:
    """Raise InputError where a raster is no file that can be read, or has a name that GDAL cannot open; no pipe is waited for."""
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError as error:
        name = os.fsencode(path).decode(errors="backslashreplace")
        raise InputError(f"{name} has a name that is not UTF-8, which GDAL cannot open; rename it") from error
    if path.absolute().parts[1:2] and path.absolute().parts[1].startswith("vsi"):
        raise InputError(f"{path} would be taken by GDAL for what is no file of this machine; copy it here and name that")
    if is_safe(path):
        return
    try:
        if not path.is_file():
            what = "is a link to nothing" if path.is_symlink() else "is not a file"
            what = "is a folder and no Sentinel-1 product" if path.is_dir() else what
            raise InputError(f"{path} {what}; give a GeoTIFF that exists")
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a file, in a folder, that you may read") from error


def data_bands(source: Any) -> tuple[int, ...]:
    """Return the 1-based indexes of the bands that hold data, not transparency."""
    from rasterio.enums import ColorInterp

    return tuple(i for i, meaning in zip(source.indexes, source.colorinterp, strict=True) if meaning is not ColorInterp.alpha)


def is_complex(source: Any, bands: tuple[int, ...]) -> bool:
    """Return whether the values of any of these bands are complex numbers, which are read as their amplitude."""
    return any(source.dtypes[band - 1].startswith("complex") for band in bands)


def holds_integers(source: Any, bands: tuple[int, ...]) -> bool:
    """Return whether the values of these bands are whole numbers, not scaled to anything else."""
    if is_complex(source, bands):
        return False
    plain = all(source.scales[b - 1] == 1 and source.offsets[b - 1] == 0 for b in bands)
    return plain and all(np.issubdtype(np.dtype(source.dtypes[b - 1]), np.integer) for b in bands)


def read_pixels(source: Any, bands: tuple[int, ...], window: Any, all_bands: bool = False) -> tuple[Float32, Mask]:
    """Return a window's pixels (B, H, W), scaled as the file declares, and which of them (H, W) are valid.

    Of complex numbers that is their amplitude. A pixel is valid where its bands are finite in float32 and at least one of them,
    or `all_bands`, is not nodata, masked or transparent. Raises InputError where the file is damaged.
    """
    values, known = read_values(source, bands, window, all_bands)
    with np.errstate(over="ignore"):
        pixels = values.astype(np.float32)
    return pixels, known & np.isfinite(pixels).all(axis=0)


def read_values(source: Any, bands: tuple[int, ...], window: Any, all_bands: bool = False) -> tuple[NDArray[Any], Mask]:
    """Return as `read_pixels` does, of the file's own type, where scaling makes no other of it: what float32 cannot hold is valid
    too."""
    from rasterio.errors import RasterioError

    try:
        values = source.read(bands, window=window)
        masks = source.read_masks(bands, window=window)
    except RasterioError as error:
        raise InputError(f"{source.name} is truncated or damaged: {one_line(error)}; get a whole copy") from error
    if np.iscomplexobj(values):
        values = np.abs(values)
    scale, offset = (np.array([a[b - 1] for b in bands])[:, None, None] for a in (source.scales, source.offsets))
    if (scale != 1).any() or (offset != 0).any():
        values = values * scale + offset
    known = masks.all(axis=0) if all_bands else masks.any(axis=0)
    return values, known & np.isfinite(values).all(axis=0)


def band_label(path: Path, bands: tuple[int, ...]) -> str:
    """Return the names and units that a raster gives these bands; empty where it gives none."""
    if not bands:
        return ""
    with opened(path) as source:
        if is_complex(source, bands):
            return "amplitude of complex numbers"
        parts = [part for band in bands for part in (source.descriptions[band - 1], source.units[band - 1]) if part]
    return " ".join(dict.fromkeys(parts))


def one_line(error: Exception) -> str:
    return " ".join(str(error.__cause__ or error).split()).rstrip(".")
