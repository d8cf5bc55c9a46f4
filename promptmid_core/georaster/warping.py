"""Upright pixels laid on another grid by GDAL."""

from __future__ import annotations

from typing import Any

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.geometry import Grid
from promptmid_core.georaster.frame import MapFrame
from promptmid_core.georaster.turn import turn_of, turned_to

# GDAL's default of 1/8 source pixel would leave that much registration error; nearer to exact costs time only
WARP_TOLERANCE_PX = 1e-4


def without_step(transform: Any, width: int, crs: Any) -> tuple[Any, Any]:
    """Return the geotransform and CRS of an array so many pixels wide, in which no longitude begins again within it."""
    from affine import Affine
    from rasterio.crs import CRS

    turn, right = turn_of(crs.to_wkt()), transform.c + transform.a * width
    if turn is None:
        return transform, crs
    shift = turn.shift(transform.c, right)
    if shift is None:
        wkt, shift = turned_to(crs.to_wkt(), (transform.c + right) / 2)
        crs = CRS.from_wkt(wkt)
    return Affine.translation(shift, 0.0) @ transform if shift else transform, crs


def warp_array(array: Float32, transform: Any, crs: Any, grid: Grid, frame: MapFrame,
               resampling: str) -> Float32:
    """Return an array (B, H, W), NaN where unknown, on another grid; NaN where that has no value."""
    from affine import Affine
    from rasterio.enums import Resampling
    from rasterio.io import MemoryFile
    from rasterio.vrt import WarpedVRT

    with MemoryFile() as memory:
        with memory.open(driver="GTiff", count=array.shape[0], height=array.shape[1], width=array.shape[2], dtype="float32",
                         crs=crs, transform=transform, nodata=np.nan) as target:
            target.write(array)
        # without XSCALE and YSCALE GDAL derives the kernel's size from each window's shape, and windows no longer agree
        with memory.open() as source, WarpedVRT(
            source, crs=frame.crs, transform=Affine(*grid.to_transform(frame.origin)), width=grid.width, height=grid.height,
            resampling=Resampling[resampling], tolerance=WARP_TOLERANCE_PX, nodata=np.nan, dtype="float32", XSCALE=1, YSCALE=1,
        ) as warped:
            return np.asarray(warped.read(), np.float32)
