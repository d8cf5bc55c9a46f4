"""What a radar shows of hills, as the DEM foretells it: slopes that face it are bright, those behind are dim."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.audit.source import Source
from promptmid_core.errors import InputError
from promptmid_core.geometry import Patch
from promptmid_core.georaster import RasterView, check_raster
from promptmid_core.prompts.prompt import Modality
from promptmid_core.refmap import ReferenceMap

STEEP_DEG = 3.0, 80.0  # local angles of incidence beyond which a cosine tells nothing of brightness
LEAST_RELIEF = 0.12  # standard deviation of the logarithm of the amplitude, from which on hills stand out of fields
BORDER_PX = 2


def relief_source(dem: Path, reference: ReferenceMap, incidence_deg: float | None, look_deg: float | None) -> Source:
    """Return the radar image that a DEM foretells on the map's pixels, for a radar that looks towards `look_deg`, clockwise from
    north, at `incidence_deg` from the vertical: by default those of the map.

    The backscatter of a slope is taken for the cotangent of its local incidence (Ulander 1996); flat ground is not valid, as it
    foretells nothing. Raises InputError where the DEM cannot be read, or the geometry is not known.
    """
    incidence, look = geometry(reference, incidence_deg, look_deg)
    if incidence is None or look is None:
        raise InputError(f"{reference.path} does not tell how its radar looked, without which hills foretell nothing of its "
                         "image; give --incidence-deg and --look-deg")
    check_raster(dem, "dem")
    view = RasterView.of(dem, reference.frame, like=reference.grid, resampling="bilinear", kind="dem")

    def read(col: int, row: int, width: int, height: int) -> Patch:
        around = view.read(col - BORDER_PX, row - BORDER_PX, width + 2 * BORDER_PX, height + 2 * BORDER_PX)
        amplitude = shading(around.image, reference.gsd, np.radians(incidence), np.radians(look))
        inner = np.s_[BORDER_PX:BORDER_PX + height, BORDER_PX:BORDER_PX + width]
        valid = cv2.erode(around.valid.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)[inner].astype(bool)
        image = amplitude[inner]
        if not valid.any() or float(np.log(image[valid]).std()) < LEAST_RELIEF:
            valid = np.zeros_like(valid)
        return Patch(np.where(valid, image, 0), valid, around.grid.cut(BORDER_PX, BORDER_PX, width, height))

    part = view.part()
    if not all(part[2:]):
        raise InputError(f"{dem} does not overlap {reference.path}; give a DEM of the same region")
    return Source(str(dem), Modality.SAR, read, part)


def geometry(reference: ReferenceMap, incidence_deg: float | None, look_deg: float | None) -> tuple[float | None, float | None]:
    """Return incidence and look direction in degrees as they are given, else as the map tells, None where neither does."""
    told = reference.header.sar.product
    return (told.incidence_deg if incidence_deg is None else incidence_deg), (told.look_deg if look_deg is None else look_deg)


def shading(heights: Float32, gsd_m: float, incidence: float, look: float) -> Float32:
    """Return the amplitude (H, W), 1 on level ground, of heights (H, W) in metres on pixels of `gsd_m`; angles in radians."""
    south, east = np.gradient(heights.astype(np.float64), gsd_m)
    # how steeply the ground rises in the direction in which the radar looks, and across
    away = east * np.sin(look) - south * np.cos(look)
    across = east * np.cos(look) + south * np.sin(look)
    # the angle between the normal (-away, -across, 1) and the direction to the radar (-sin, 0, cos)
    cosine = (away * np.sin(incidence) + np.cos(incidence)) / np.sqrt(1 + away ** 2 + across ** 2)
    local = np.clip(np.arccos(np.clip(cosine, -1, 1)), *np.radians(STEEP_DEG))
    return np.asarray(np.sqrt(np.tan(incidence) / np.tan(local)), np.float32)
