"""GeoTIFFs of Los Angeles in several projections, and where pyproj alone puts their pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from promptmid_core.geometry import Grid
from promptmid_core.georaster import MapFrame

# Los Angeles in World Mercator, UTM and degrees: (crs, west, north, pixel)
MERCATOR = ("EPSG:3395", -13183742.2, 4017420.3, 10.0)
UTM = ("EPSG:32611", 370000.0, 3770000.0, 8.0)
DEGREES = ("EPSG:4326", -118.4, 34.1, 1e-4)


def write(path: Path, pixels: NDArray[Any], place: tuple[str | None, float, float, float] = MERCATOR, **options: Any) -> Path:
    """A GeoTIFF of pixels (H, W) or (B, H, W)."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    crs, west, north, pixel = place
    profile = {"crs": crs, "transform": from_origin(west, north, pixel, pixel)} | options
    with rasterio.open(path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1], count=bands.shape[0],
                       dtype=bands.dtype, **profile) as target:
        target.write(bands)
    return path


def speckle(height: int = 200, width: int = 220, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).gamma(4, 25, (height, width)).astype(np.float32) + 1


def to_pixels(place: tuple[str, float, float, float], frame: MapFrame, grid: Grid, col: Any, row: Any) -> tuple[Any, Any]:
    """Source pixel -> grid pixel, by way of pyproj alone."""
    crs, west, north, pixel = place
    east, up = west + (np.asarray(col) + 0.5) * pixel, north - (np.asarray(row) + 0.5) * pixel
    x, y = pyproj.Transformer.from_crs(crs, frame.crs, always_xy=True).transform(east, up)
    return grid.to_pixel(np.asarray(x) - frame.origin[0], np.asarray(y) - frame.origin[1])


def source_under(place: tuple[str, float, float, float], frame: MapFrame, grid: Grid) -> tuple[Any, Any]:
    """The source column and row (fractions) under every grid pixel, by way of pyproj alone."""
    crs, west, north, pixel = place
    x, y = np.meshgrid(*grid.axes())
    east, up = pyproj.Transformer.from_crs(frame.crs, crs, always_xy=True).transform(x + frame.origin[0], y + frame.origin[1])
    return (east - west) / pixel - 0.5, (north - up) / pixel - 0.5
