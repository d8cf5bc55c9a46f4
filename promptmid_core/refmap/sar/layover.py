"""What a side-looking radar cannot show of a relief: layover and shadow, and how far heights displace what it does show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, cos, radians, sin, tan

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Mask
from promptmid_core.georaster import RasterView

SAMPLE = 512


def hidden(heights: Float32, cell_m: float, incidence: float, look: float) -> Mask:
    """Return the cells (H, W) of a relief in metres, NaN where unknown, that lie in layover or shadow; angles in radians.

    Rays are parallel, at `incidence` from the vertical and towards `look`, clockwise from north. A cell is in shadow where some
    ground towards the radar stands above its ray; in layover where ground further off has no larger slant range, or nearer ground
    no smaller one, so that their echoes mix (Kropatsch and Strobl 1990, IEEE TGRS 28(1), 98-107).
    """
    known = heights[np.isfinite(heights)]
    mask = np.zeros(heights.shape, bool)
    if not known.size:
        return mask
    relief, slope = float(known.max() - known.min()), tan(incidence)
    for step in range(1, ceil(reach_m(relief, incidence) / cell_m) + 1):
        distance = step * cell_m
        nearer, further = (_shifted(heights, look, sign * step) for sign in (-1, 1))
        # NaN, for unknown ground, compares as false
        mask |= nearer - heights > distance / slope
        mask |= further - heights >= distance * slope
        mask |= heights - nearer >= distance * slope
    return mask


def reach_m(relief: float, incidence: float) -> float:
    """Return how far off ground may be that hides other ground, where heights differ by `relief` metres at most."""
    return relief * max(tan(incidence), 1 / tan(incidence))


def _shifted(heights: Float32, azimuth: float, distance: float) -> Float32:
    """The heights (H, W) that lie `distance` cells away in a direction, clockwise from north; NaN beyond the edge."""
    move = np.array([[1, 0, distance * sin(azimuth)], [0, 1, -distance * cos(azimuth)]])
    rows, cols = heights.shape
    return np.asarray(cv2.warpAffine(heights, move, (cols, rows), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                                     borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan")), np.float32)


@dataclass(frozen=True)
class Relief:
    """The DEM of a map, on cells of `stride` level pixels, as a radar sees it; `range_m`: its highest less its lowest height."""

    dem: RasterView
    stride: int
    incidence_deg: float
    look_deg: float
    range_m: float

    def hidden(self, col: int, row: int, width: int, height: int) -> Mask:
        """Return the level pixels (height, width) of a window that lie in layover or shadow; the window may reach beyond the
        map."""
        stride, cell_m, incidence = self.stride, self.dem.grid.gsd, radians(self.incidence_deg)
        reach = ceil(reach_m(self.range_m, incidence) / cell_m) + 2
        left, top = col // stride - reach, row // stride - reach
        across, down = -(-(col + width) // stride) + reach - left, -(-(row + height) // stride) + reach - top
        read = self.dem.read(left, top, across, down)
        mask = hidden(np.where(read.valid, read.image, np.float32(np.nan)), cell_m, incidence, radians(self.look_deg))
        fine = mask.repeat(stride, axis=0).repeat(stride, axis=1)
        first_row, first_col = row - top * stride, col - left * stride
        return np.asarray(fine[first_row:first_row + height, first_col:first_col + width])


def height_error(dem: RasterView, incidence_deg: float, level: float | None = None) -> float:
    """Return the standard deviation in metres of the ground's displacement in a product that was not terrain-corrected.

    A point that stands h above `level`, by default the mean height, lies h / tan(incidence) nearer to the radar. Heights are
    means over at most 512 x 512 cells.
    """
    step = max(1, ceil(max(dem.grid.shape) / SAMPLE))
    coarse = RasterView.of(dem.path, dem.frame, like=dem.grid.every(step), resampling="bilinear", kind="dem")
    heights = replace(coarse, undulation=dem.undulation).read(0, 0, coarse.grid.width, coarse.grid.height)
    known = heights.image[heights.valid].astype(np.float64)
    off = known - (known.mean() if level is None else level) if known.size else np.zeros(1)
    return float(np.sqrt((off ** 2).mean())) / tan(radians(incidence_deg))
