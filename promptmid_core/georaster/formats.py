"""Which formats are read, told by what a file begins with, and whether all that GDAL opens along with one is a plain file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from promptmid_core.errors import InputError
from promptmid_core.files import open_regular

VRT = "VRT"
# of GDAL's drivers these alone: formats of one file, which names no other
MAGIC = {b"II*\0": "GTiff", b"MM\0*": "GTiff", b"II+\0": "GTiff", b"MM\0+": "GTiff", b"\0\0\0\x0cjP  \r\n\x87\n": "JP2OpenJPEG",
         b"\xffO\xffQ\0": "JP2OpenJPEG", b"UHL1": "DTED"}
FORMATS = "GeoTIFF, JPEG 2000, DTED, .hgt or .vrt"
ZIP = b"PK\x03\x04"
HGT_SIDES = (1201, 3601)  # pixels; big-endian heights in whole metres and nothing else
HGT_HEIGHTS, HGT_VOID = (-500, 9000), -32768
BEGINNING = 4096  # bytes that are looked at
OF_PIXELS = (".msk", ".ovr")  # files beside a raster that GDAL opens as rasters, with whatever driver takes them
CURE = "convert it with gdal_translate, where you trust it"


def driver_of(path: Path) -> str:
    """Return the name of the GDAL driver that reads a file: VRT by the ending of its name, all others by what they begin with.

    Raises InputError where it is of no format that is read, or cannot be read.
    """
    if path.suffix.lower() == ".vrt":
        return VRT
    with open_regular(path, "give a GeoTIFF that can be read") as file:
        begin = file.read(BEGINNING)
    for magic, driver in MAGIC.items():
        if begin.startswith(magic):
            return driver
    if path.suffix.lower() == ".hgt" and path.stat().st_size in (2 * side * side for side in HGT_SIDES) and _holds_heights(begin):
        return "SRTMHGT"
    if begin.startswith(ZIP):
        raise InputError(f"{path} is a zip archive, which is not read; 'promptmid map build' unpacks one NAME.zip of a "
                         "Sentinel-1 product, else unpack it, and give the GeoTIFF in it or the folder NAME.SAFE")
    raise InputError(f"{path} is no raster in a format that is read ({FORMATS}); {CURE}")


def _holds_heights(begin: bytes) -> bool:
    """Whether bytes are heights, and no text that another driver would take for its own."""
    heights = np.frombuffer(begin, ">i2")
    least, most = HGT_HEIGHTS
    return bool((((heights >= least) & (heights <= most)) | (heights == HGT_VOID)).all())


def check_beside(path: Path) -> None:
    """Raise InputError where a file beside a raster, which GDAL reads along with it, is a pipe or a device, or pixels that are no
    TIFF."""
    for file in _beside(path):
        try:
            mode = file.stat().st_mode
        except OSError:
            continue  # a link to nothing, which GDAL does not see either
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise InputError(f"{file}, which GDAL reads along with {path.name}, is a pipe or a device; remove it")
        if file.suffix.lower() in OF_PIXELS and stat.S_ISREG(mode):
            with open_regular(file, "remove it") as opened:
                if MAGIC.get(opened.read(4)) != "GTiff":
                    raise InputError(f"{file}, which GDAL reads along with {path.name}, is no TIFF; remove it")


def _beside(path: Path) -> Iterator[Path]:
    """The files whose names begin as that of a raster does."""
    stem = path.stem.lower()
    for name in os.listdir(path.parent):  # noqa: PTH208, a folder may hold very many
        if name.lower().startswith((f"{stem}.", f"{stem}_")) and name != path.name:
            yield path.parent / name
