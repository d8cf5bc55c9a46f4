"""Rasters as the field delivers them: their faults are mended, or told in one sentence, and never taken for ground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from promptmid_core.georaster import MapFrame, Transformation, map_frame, transformation

DEGREES = Affine(1e-4, 0, -118.4, 0, -1e-4, 34.1)  # in Los Angeles
UTM = Affine(10, 0, 380_000, 0, -10, 3_770_000)


def raster(path: Path, pixels: NDArray[Any], crs: Any = "EPSG:4326", transform: Affine = DEGREES, **options: Any) -> Path:
    """A GeoTIFF of pixels (H, W) or (B, H, W)."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    profile = {"crs": crs, "transform": transform} | options
    with rasterio.open(path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1], count=bands.shape[0],
                       dtype=bands.dtype, **profile) as target:
        target.write(bands)
    return path


def speckle(shape: tuple[int, int] = (96, 120), seed: int = 0) -> NDArray[np.float32]:
    """Amplitudes of even ground, with a median of about 100."""
    return (np.sqrt(np.random.default_rng(seed).gamma(4, 0.25, shape)) * 100 + 1).astype(np.float32)


@pytest.mark.parametrize(("crs", "transform", "accuracy", "named"), [
    ("EPSG:4326", DEGREES, 0.0, "UTM zone 11N"),
    ("EPSG:4269", DEGREES, 4.0, "NAD83 to WGS 84"),
    ("EPSG:26711", UTM, 7.0, "NAD27 to WGS 84 (6)"),
    ("EPSG:32611", UTM, 0.0, "none"),
    ("+proj=longlat +ellps=clrk66 +no_defs", DEGREES, None, "Ballpark"),
])
def test_accuracy_of_a_datum_is_what_proj_knows_of_it(tmp_path: Path, crs: str, transform: Affine, accuracy: float | None,
                                                      named: str) -> None:
    sar = raster(tmp_path / "sar.tif", speckle(), crs, transform)
    taken = transformation(sar, map_frame(sar, "EPSG:32611"))
    assert taken.accuracy_m == accuracy and named in taken.name


def test_datum_of_the_map_itself_costs_no_accuracy(tmp_path: Path) -> None:
    sar = raster(tmp_path / "sar.tif", speckle(), "EPSG:26711", UTM)
    assert transformation(sar, MapFrame("EPSG:26711", (0.0, 0.0))) == Transformation(
        "none: the raster lies in the CRS of the map", 0.0)
