"""From the pixels of a grid to those of a raster, however it lies, and round the Earth."""

from __future__ import annotations

from typing import Any

import numpy as np

from promptmid_core.arrays import Float64, Mask
from promptmid_core.geometry import Grid
from promptmid_core.georaster.frame import MapFrame
from promptmid_core.georaster.placement import Geotransform
from promptmid_core.georaster.positions import Mapping
from promptmid_core.georaster.proj import transformer
from promptmid_core.georaster.turn import turn_of

NOWHERE = -1e9  # columns off any raster


def mapping_to(source: Any, frame: MapFrame, grid: Grid, height: float | None = None) -> Mapping:
    """Return what takes columns and rows of a grid to those of a raster, NOWHERE where the projections have no place.

    `height` is that of the ground, where heights move the raster's pixels. Columns of places close together have no step between
    them, so that they may go on beyond the raster where it comes round the Earth.
    """
    placement = source.placement
    wkt = placement.crs.to_wkt()
    to_source, turn = transformer(frame.crs, wkt), turn_of(wkt)
    east, north = frame.origin
    middle = float(placement.ground(np.array([source.width / 2]), np.array([source.height / 2]))[0][0])

    def mapping(col: Float64, row: Float64) -> tuple[Float64, Float64]:
        x, y = grid.to_map(col, row)
        right, up = to_source.transform(x + east, y + north)
        there = np.isfinite(right) & np.isfinite(up)
        if turn:
            right[there] = turn.unbroken(right[there], middle)
        u, v = placement.pixel(np.where(there, right, 0.0), np.where(there, up, 0.0), height)
        there &= np.isfinite(u) & np.isfinite(v)
        return np.where(there, u - 0.5, NOWHERE), np.where(there, v - 0.5, NOWHERE)

    return mapping


def inside(source: Any, u: Float64, v: Float64) -> Mask:
    """Return which of these columns and rows lie within a raster's extent, however often it comes round the Earth."""
    again = _round(source)
    if again:
        u = u - again * np.round((u - (source.width - 1) / 2) / again)
    return np.asarray((u >= -0.5) & (u <= source.width - 0.5) & (v >= -0.5) & (v <= source.height - 0.5))


def columns_round(source: Any) -> int | None:
    """Return after how many columns a raster comes to the same places again, to half a one; None where it never does."""
    again = _round(source)
    return round(again) if again else None


def _round(source: Any) -> float | None:
    placement = source.placement
    if not (isinstance(placement, Geotransform) and placement.upright):
        return None
    turn = turn_of(placement.crs.to_wkt())
    return turn.length / placement.transform.a if turn else None
