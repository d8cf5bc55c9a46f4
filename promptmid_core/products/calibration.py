"""The tables of a Sentinel-1 image by which its numbers become backscatter, and the noise in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from promptmid_core.arrays import Float32, Float64
from promptmid_core.errors import InputError
from promptmid_core.products.xmlfile import read_xml

# of a pixel's power at least this share is left where noise is taken away, so that dark ground is not mistaken for none
LEAST_LEFT = 0.01
CURE = "get a whole copy of the product"


@dataclass(frozen=True)
class Table:
    """Values along lines: `lines` (L,), and of each line its `pixels` (P,) and their `values` (P,)."""

    lines: Float64
    pixels: tuple[Float64, ...]
    values: tuple[Float64, ...]

    def at(self, row: int, col: int, height: int, width: int) -> Float64:
        """Return the values (height, width) of a window, linear between those that are given."""
        cols = np.arange(col, col + width)
        rows = np.arange(row, row + height)
        index = np.clip(np.searchsorted(self.lines, rows, side="right") - 1, 0, max(len(self.lines) - 2, 0))
        used = range(int(index.min()), min(int(index.max()) + 2, len(self.lines)))
        known = {line: np.interp(cols, self.pixels[line], self.values[line]) for line in used}
        if len(self.lines) == 1:
            return np.repeat(known[0][None], height, axis=0)
        stack = np.stack([known[line] for line in used])
        first = index - used[0]
        share = np.clip((rows - self.lines[index]) / (self.lines[index + 1] - self.lines[index]), 0, 1)
        return np.asarray(stack[first] * (1 - share[:, None]) + stack[first + 1] * share[:, None])


@dataclass(frozen=True)
class Along:
    """The noise along the flight in a part of an image: a factor at lines; `part`: first and last line and sample."""

    part: tuple[int, int, int, int]
    lines: Float64
    values: Float64


@dataclass(frozen=True)
class CalibrationTables:
    """`sigma` makes of numbers the square root of sigma nought; `noise` is their power without an echo, None where not known."""

    sigma: Table
    noise: Table | None
    along: tuple[Along, ...]

    def amplitude(self, numbers: Float32, row: int, col: int) -> Float32:
        """Return the amplitude of sigma nought (H, W) of digital numbers (H, W), without noise; 0 where they are 0."""
        power = numbers.astype(np.float64)**2
        if self.noise:
            noise = self.noise.at(row, col, *numbers.shape)
            for part in self.along:
                _multiply(noise, part, row, col)
            power = np.maximum(power - noise, LEAST_LEFT * power)
        return (np.sqrt(power) / self.sigma.at(row, col, *numbers.shape)).astype(np.float32)


def read_calibration(calibration: Path, noise: Path | None) -> CalibrationTables:
    """Return the tables of a channel. Raises InputError where they are damaged or make no backscatter."""
    stamps = tuple(file.stat().st_mtime_ns for file in (calibration, noise) if file)
    return _read(calibration, noise, stamps)


@lru_cache(maxsize=16)
def _read(calibration: Path, noise: Path | None, _: object) -> CalibrationTables:
    sigma = _table(calibration, read_xml(calibration), "calibrationVectorList/calibrationVector", "sigmaNought")
    if not all((values > 0).all() for values in sigma.values):
        raise InputError(f"{calibration} has values of sigmaNought that are not above 0; {CURE}")
    if noise is None:
        return CalibrationTables(sigma, None, ())
    root = read_xml(noise)
    if root.find("noiseRangeVectorList") is None:
        # as it was called until 2018
        return CalibrationTables(sigma, _table(noise, root, "noiseVectorList/noiseVector", "noiseLut"), ())
    across = _table(noise, root, "noiseRangeVectorList/noiseRangeVector", "noiseRangeLut")
    return CalibrationTables(sigma, across, _along(noise, root))


def _table(path: Path, root: ElementTree.Element, where: str, name: str) -> Table:
    try:
        vectors = sorted(((float(one.findtext("line", "")), _row(one, "pixel"), _row(one, name)) for one in root.iterfind(where)),
                         key=lambda vector: vector[0])
        lines = np.array([line for line, _, _ in vectors])
        if not len(lines) or (np.diff(lines) <= 0).any() or any(len(pixels) != len(values) for _, pixels, values in vectors):
            raise ValueError("its vectors do not go together")
    except ValueError as error:
        raise InputError(f"{path} has no table {name} that can be read ({error}); {CURE}") from error
    return Table(lines, tuple(pixels for _, pixels, _ in vectors), tuple(values for _, _, values in vectors))


def _along(path: Path, root: ElementTree.Element) -> tuple[Along, ...]:
    names = ("firstAzimuthLine", "lastAzimuthLine", "firstRangeSample", "lastRangeSample")
    try:
        found = []
        for one in root.iterfind("noiseAzimuthVectorList/noiseAzimuthVector"):
            first, last, left, right = (int(one.findtext(name, "0" if "first" in name else str(2**31))) for name in names)
            found.append(Along((first, last, left, right), _row(one, "line"), _row(one, "noiseAzimuthLut")))
    except ValueError as error:
        raise InputError(f"{path} has no table noiseAzimuthLut that can be read ({error}); {CURE}") from error
    return tuple(found)


def _row(element: ElementTree.Element, name: str) -> Float64:
    values = np.array((element.findtext(name) or "").split(), float)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"{name} is empty or no row of numbers")
    return values


def _multiply(noise: Float64, along: Along, row: int, col: int) -> None:
    """Multiply the noise (H, W) of a window by what it is along the flight there."""
    first, last, left, right = along.part
    top, bottom = max(first - row, 0), min(last + 1 - row, noise.shape[0])
    begin, end = max(left - col, 0), min(right + 1 - col, noise.shape[1])
    if top < bottom and begin < end:
        noise[top:bottom, begin:end] *= np.interp(np.arange(row + top, row + bottom), along.lines, along.values)[:, None]
