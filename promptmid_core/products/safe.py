"""A Sentinel-1 product as its folder holds it: one channel a polarisation, each with annotation, calibration and pixels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from promptmid_core.errors import InputError
from promptmid_core.products.acquisition import Acquisition
from promptmid_core.products.sentinel1 import Annotation, read_annotation

CURE = "get a whole copy of the product"
MODES = ("IW", "EW", "SM", "S1", "S2", "S3", "S4", "S5", "S6")


@dataclass(frozen=True)
class Channel:
    """The files of one polarisation; `noise` None where the product has no such table."""

    annotation: Path
    calibration: Path
    noise: Path | None
    measurement: Path
    facts: Annotation


@dataclass(frozen=True)
class Safe:
    """A product, or one swath of it: its channels by the names of their polarisations, VV or HH first."""

    path: Path
    channels: tuple[Channel, ...]

    @staticmethod
    def of(path: Path) -> Safe:
        """Return the product in a folder NAME.SAFE, of several swaths the one that NAME.SAFE/IW1 names.

        Raises InputError where it has several and none is named, where a file is missing or damaged, and for modes and levels
        that are no images of the ground.
        """
        folder = path if _is_folder(path) else path.parent
        stamp = tuple(sorted((file.name, file.stat().st_mtime_ns) for file in _annotations(folder)))
        return _read(path, folder, stamp)

    @property
    def annotation(self) -> Annotation:
        """That of the first channel, on whose pixels all lie."""
        return self.channels[0].facts

    @property
    def files(self) -> list[Path]:
        """All files that are read, in one order."""
        return [file for channel in self.channels for file in (
            channel.measurement, channel.annotation, channel.calibration, channel.noise) if file]

    @property
    def acquisition(self) -> Acquisition:
        """How it was imaged."""
        told = self.annotation
        return Acquisition(self.channels[0].annotation.name, told.acquired, told.incidence_deg, told.look_deg, told.looks,
                           tuple(channel.facts.polarisation for channel in self.channels), "no")


def is_safe(path: Path) -> bool:
    """Return whether a path is the folder of a Sentinel-1 product, or names a swath in one, as NAME.SAFE/IW1."""
    return _is_folder(path) or (not os.path.lexists(path) and _is_folder(path.parent))


def swaths(path: Path) -> list[Path]:
    """Return the paths of the swaths of a product of several, each of which is a raster of its own; else the path itself."""
    if not _is_folder(path):
        return [path]
    names = sorted({_swath(file) for file in _annotations(path)})
    return [path / name.upper() for name in names] if len(names) > 1 and "wv1" not in names else [path]


def _is_folder(path: Path) -> bool:
    # of what cannot be looked at these say no, where the methods of a path raise
    return os.path.isdir(path / "annotation") and (  # noqa: PTH112
        os.path.exists(path / "manifest.safe") or os.path.isdir(path / "measurement"))  # noqa: PTH110, PTH112


def _annotations(folder: Path) -> list[Path]:
    return sorted(file for file in (folder / "annotation").iterdir() if file.suffix == ".xml" and file.is_file())


def _swath(file: Path) -> str:
    """That in the name of a file, which begins as s1a-iw1-slc-vv-; "" where it has none."""
    return next((part for part in file.stem.lower().split("-") if part[:2] in ("iw", "ew", "wv") and part[2:].isdigit()), "")


@lru_cache(maxsize=8)
def _read(path: Path, folder: Path, _: object) -> Safe:
    files = _annotations(folder)
    if path != folder:
        files = [file for file in files if _swath(file) == path.name.lower()]
        if not files:
            raise InputError(f"{folder} has no swath {path.name}; its swaths are "
                             f"{', '.join(sorted({_swath(file).upper() for file in _annotations(folder)} - {''})) or 'one'}")
    elif len({_swath(file) for file in files}) > 1 and "wv1" not in map(_swath, files):
        raise InputError(f"{folder} has several swaths, each a raster of its own; name one, as {folder / 'IW1'}")
    if not files:
        raise InputError(f"{folder} has no annotation; {CURE}")
    # VV and HH before VH and HV
    channels = sorted((_channel(folder, file) for file in files), key=lambda one: len(set(one.facts.polarisation)))
    first = channels[0].facts
    if first.mode not in MODES or len({channel.facts.polarisation for channel in channels}) < len(channels):
        raise InputError(f"{folder} is of the mode {first.mode}, whose images are too small for a map; give one of IW, EW or SM")
    return Safe(path, tuple(channels))


def _channel(folder: Path, annotation: Path) -> Channel:
    tables = folder / "annotation" / "calibration"
    calibration, noise = (tables / f"{kind}-{annotation.name}" for kind in ("calibration", "noise"))
    if not calibration.is_file():
        raise InputError(f"{folder} lacks {calibration.relative_to(folder)}, by which its pixels become backscatter; {CURE}")
    names = [folder / "measurement" / f"{annotation.stem}{rest}" for rest in (".tiff", "-cog.tiff", ".tif")]
    measurement = next((name for name in names if name.is_file()), None)
    if measurement is None:
        raise InputError(f"{folder} lacks {names[0].relative_to(folder)}, the pixels themselves; {CURE}")
    return Channel(annotation, calibration, noise if noise.is_file() else None, measurement, read_annotation(annotation))
