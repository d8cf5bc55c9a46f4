"""AROSICS: phase correlation as remote sensing uses it to co-register scenes."""

from __future__ import annotations

import warnings

import numpy as np

from promptmid_core.arrays import Mask, UInt8
from promptmid_core.bench.matchers.matcher import Answer, Patch, Reach, Window, grey
from promptmid_core.bench.matchers.peer import peer

LEAST_RELIABILITY = 60.0  # percent; what AROSICS itself asks of a tie point (COREG_LOCAL's min_reliability)
NODATA = -1.0
EPSG, EAST, NORTH = 32633, 500_000.0, 5_000_000.0  # somewhere in metres: AROSICS takes no image without a place


class Arosics:
    """AROSICS (Scheffler et al. 2017, Remote Sensing 9(7)), global shift in the frequency domain."""

    name = "arosics"
    gate = f"AROSICS reports success and a reliability of at least {LEAST_RELIABILITY:g} %"

    def __init__(self) -> None:
        self._coreg = peer("arosics", self.name).COREG
        self._array = peer("geoarray", self.name).GeoArray
        self._projection = peer("pyproj", self.name).CRS.from_epsg(EPSG).to_wkt()

    def locate(self, patch: Patch, window: Window, reach: Reach) -> Answer | None:
        margin, size = (len(window.image) - len(patch.image)) // 2, len(patch.image)
        with warnings.catch_warnings():  # a patch below 64 px is small for AROSICS, and it says so each time
            warnings.simplefilter("ignore")
            shift = self._coreg(self._placed(window.image, window.valid, 0), self._placed(grey(patch), patch.valid, margin),
                                ws=(size, size), max_shift=reach.radius, nodata=(NODATA, NODATA), calc_corners=False, CPUs=1,
                                progress=False, q=True, ignore_errors=True)
            shift.calculate_spatial_shifts()
        if shift.x_shift_px is None or shift.y_shift_px is None:
            return None
        accepted = bool(shift.success) and (shift.shift_reliability or 0.0) >= LEAST_RELIABILITY
        return Answer(float(shift.x_shift_px), float(shift.y_shift_px), accepted)

    def _placed(self, image: UInt8, valid: Mask, margin: int) -> object:
        """The image on a grid of 1 m pixels whose corner lies `margin` px right of and below that of the window."""
        pixels = np.where(valid, image, np.float32(NODATA))
        corner = (EAST + margin, 1.0, 0.0, NORTH - margin, 0.0, -1.0)
        return self._array(pixels, corner, self._projection, nodata=NODATA, q=True)
