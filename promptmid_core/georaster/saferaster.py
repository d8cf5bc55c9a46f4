"""A Sentinel-1 product as a raster of one band a polarisation: amplitude of sigma nought, placed by its orbit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError
from promptmid_core.georaster.placement import ORBIT, ControlPoints
from promptmid_core.products.calibration import read_calibration
from promptmid_core.products.safe import Safe
from promptmid_core.products.sentinel1 import Annotation

LIGHT = 299792458.0


@dataclass(frozen=True)
class Orbital:
    """Pixels by the time at which a place at its height is broadside of the radar, and by how far off it is then.

    Where no height is told, and for what lies under a pixel, the geolocation grid of the product is taken in its place; of an
    image in bursts, whose lines repeat ground, its mean height.
    """

    annotation: Annotation
    kind: str = ORBIT
    upright: bool = False
    lifted: bool = True

    @property
    def crs(self) -> Any:
        """WGS84."""
        from rasterio.crs import CRS

        return CRS.from_epsg(4326)

    @cached_property
    def grid(self) -> ControlPoints:
        """The geolocation grid; its points lie in the middles of pixels."""
        from rasterio.control import GroundControlPoint

        return ControlPoints(self.crs, tuple(
            GroundControlPoint(line + 0.5, pixel + 0.5, lon, lat, height)
            for line, pixel, lat, lon, height in self.annotation.points))

    @property
    def height_m(self) -> float:
        """The mean height of the geolocation grid."""
        return self.grid.height_m

    def ground(self, col: Float64, row: Float64) -> tuple[Float64, Float64]:
        """Return longitude and latitude."""
        return self.grid.ground(col, row)

    def pixel(self, x: Float64, y: Float64, height: float | None = None) -> tuple[Float64, Float64]:
        """Return columns and rows."""
        told = self.annotation
        if height is None and not told.bursts:
            return self.grid.pixel(x, y)
        height = self.height_m if height is None else height
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        time, away = told.orbit.seen(x, y, height)
        return self._column(time, away) + 0.5, self._row(time) + 0.5

    def _row(self, time: Float64) -> Float64:
        told = self.annotation
        if not told.bursts:
            return np.asarray((time - told.first_line) / told.line_s)
        # bursts overlap: of two the one in whose middle a place lies
        starts = np.array(told.bursts)
        middles = starts + told.burst_lines * told.line_s / 2
        burst = np.abs(time[..., None] - middles).argmin(axis=-1)
        return np.asarray(burst * told.burst_lines + (time - starts[burst]) / told.line_s)

    def _column(self, time: Float64, away: Float64) -> Float64:
        told = self.annotation
        if not told.ground:
            return np.asarray((2 * away / LIGHT - told.near_s) * told.sample_hz)
        times = np.array([one[0] for one in told.ground])
        # linear between the conversions before and after
        index = np.clip(np.searchsorted(times, time, side="right") - 1, 0, max(len(times) - 2, 0))
        metres = np.zeros(time.shape)
        for step in (0, 1) if len(times) > 1 else (0,):
            for one in np.unique(index):
                here = index == one
                share = (time[here] - times[one]) / (times[one + 1] - times[one]) if len(times) > 1 else 0.0
                _, first, coefficients = told.ground[one + step]
                value = np.polynomial.polynomial.polyval(away[here] - first, coefficients)
                metres[here] += value * (share if step else 1 - share)
        return np.asarray(metres / told.spacing_m)


class SafeRaster:
    """What a rasterio dataset has of attributes and methods that are used here, of all channels of a product together."""

    def __init__(self, safe: Safe, datasets: list[Any]) -> None:
        from rasterio.enums import ColorInterp

        first = datasets[0]
        self.path, self.name, self._safe, self._datasets = safe.path, str(safe.path), safe, datasets
        self.width, self.height, self.count = first.width, first.height, len(datasets)
        self.indexes = tuple(range(1, self.count + 1))
        self.dtypes, self.colorinterp = ("float32",) * self.count, (ColorInterp.gray,) * self.count
        self.scales, self.offsets, self.units = (1.0,) * self.count, (0.0,) * self.count, (None,) * self.count
        self.descriptions = tuple(f"amplitude of sigma nought {channel.facts.polarisation}" for channel in safe.channels)
        self.block_windows = first.block_windows
        self.files = tuple(map(str, safe.files))
        self._tables = [read_calibration(channel.calibration, channel.noise) for channel in safe.channels]

    @cached_property
    def placement(self) -> Orbital:
        """How its pixels lie."""
        return Orbital(self._safe.annotation)

    def read(self, bands: tuple[int, ...], window: Any) -> NDArray[Any]:
        """Return the amplitude of sigma nought (B, H, W) of a window, without noise."""
        numbers = (np.abs(self._datasets[band - 1].read(1, window=window)).astype(np.float32) for band in bands)
        row, col = int(window.row_off), int(window.col_off)
        return np.stack([self._tables[band - 1].amplitude(each, row, col) for band, each in zip(bands, numbers, strict=True)])

    def read_masks(self, bands: tuple[int, ...], window: Any) -> NDArray[Any]:
        """Return the masks (B, H, W) of a window, 0 where not valid."""
        return np.stack([self._datasets[band - 1].read_masks(1, window=window) for band in bands])


@contextmanager
def opened_safe(path: Path, opened: Callable[[Path], AbstractContextManager[Any]]) -> Iterator[SafeRaster]:
    """Open a product, its pixels with what opens a raster. Raises InputError as `Safe.of` does, and where they do not go
    together."""
    safe = Safe.of(path)
    with ExitStack() as stack:
        datasets = [stack.enter_context(opened(channel.measurement)) for channel in safe.channels]
        if len({(one.width, one.height) for one in datasets}) > 1 or any(one.count != 1 for one in datasets):
            raise InputError(f"{path} has measurements of different sizes; get a whole copy of the product")
        yield SafeRaster(safe, list(datasets))
