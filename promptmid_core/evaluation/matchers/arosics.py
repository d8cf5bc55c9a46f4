"""AROSICS: phase correlation as remote sensing uses it to co-register scenes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from promptmid_core.evaluation.matchers.matcher import Answer, Image, Patch, Reach, Window, grey
from promptmid_core.evaluation.matchers.peer import peer

LEAST_RELIABILITY = 30.0  # percent; below it AROSICS itself flags tie points as unreliable ("min_reliability")
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
        shift = self._coreg(self._placed(window.image, 0), self._placed(grey(patch), margin), ws=(size, size),
                            max_shift=reach.radius, calc_corners=False, CPUs=1, progress=False, q=True, ignore_errors=True)
        shift.calculate_spatial_shifts()
        if shift.x_shift_px is None or shift.y_shift_px is None:
            return None
        accepted = bool(shift.success) and (shift.shift_reliability or 0.0) >= LEAST_RELIABILITY
        return Answer(float(shift.x_shift_px), float(shift.y_shift_px), accepted)

    def _placed(self, image: Image, margin: int) -> object:
        """The image on a grid of 1 m pixels whose corner lies `margin` px right of and below that of the window."""
        pixels: NDArray[np.float32] = image.astype(np.float32)
        return self._array(pixels, (EAST + margin, 1.0, 0.0, NORTH - margin, 0.0, -1.0), self._projection, q=True)
