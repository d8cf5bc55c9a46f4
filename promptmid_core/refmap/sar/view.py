"""A SAR product on the map grid: its values, where they can be trusted, and the amplitude that is described."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Mask
from promptmid_core.georaster import GeoImage, RasterView
from promptmid_core.refmap.sar.amplitude import AmplitudeScale
from promptmid_core.refmap.sar.layover import Relief
from promptmid_core.refmap.sar.product import SarProduct
from promptmid_core.refmap.sar.speckle import LEE_WINDOW, lee, multilooked

EMPTY_PX = 9
RIM_PX = 2  # next to empty ground the resampled values are still partly empty


@dataclass(frozen=True)
class SarView:
    """A product read window by window; windows agree where they overlap. `relief` is there where layover is to be masked."""

    view: RasterView
    scale: AmplitudeScale
    product: SarProduct
    relief: Relief | None

    def read(self, col: int, row: int, width: int, height: int) -> tuple[GeoImage, Float32]:
        """Return the window in the values of the product, and as amplitude (H, W) with median 1, filtered, 0 where not valid.

        Not valid are nodata, the empty ground beside the swath, and with a `relief` layover and shadow.
        """
        reach = EMPTY_PX + RIM_PX + self.filter_px
        around = self.view.read(col - reach, row - reach, width + 2 * reach, height + 2 * reach)
        bands = around.image.transpose(2, 0, 1) if around.image.ndim == 3 else around.image[None]
        values = self.scale.span(bands) if len(bands) > 1 else bands[0]
        # decibels of no power are nothing, and one band without an echo would make a bright pixel of two
        zero = (bands == 0).any(axis=0) if self.scale.decibel else values <= 0
        valid = around.valid & ~_empty(zero & around.valid, around.valid)
        if self.relief:
            valid &= ~self.relief.hidden(col - reach, row - reach, *valid.shape[::-1])
        values = np.where(valid, values, np.float32(0))
        inner = np.s_[reach:reach + height, reach:reach + width]
        grid = self.view.grid.cut(col, row, width, height)
        return GeoImage(values[inner], valid[inner], grid, self.view.frame), self.amplitude(values, valid)[inner]

    def amplitude(self, values: Float32, valid: Mask) -> Float32:
        """Return product values (H, W) as amplitude with median 1, filtered, 0 where not valid; as `read` from `filter_px`
        inwards."""
        amplitude = np.where(valid, self.scale.amplitude(values), np.float32(0))
        if not self._filters:
            return amplitude
        intensity = amplitude * amplitude
        if self.product.speckle == "lee" and self.product.looks:
            intensity = lee(intensity, valid, self.product.looks)
        if self.product.multilook > 1:
            intensity = multilooked(intensity, valid, self.product.multilook)
        return np.where(valid, np.sqrt(intensity), np.float32(0))

    @property
    def _filters(self) -> bool:
        return self.product.speckle != "none" or self.product.multilook > 1

    @property
    def filter_px(self) -> int:
        """Pixels on each side that the filters mix into a pixel."""
        lee_px = LEE_WINDOW // 2 if self.product.speckle == "lee" else 0
        return lee_px + self.product.multilook // 2


def _empty(zero: Mask, valid: Mask) -> Mask:
    """Pixels (H, W) in zeros as far as a square of 9 x 9 fits into these and nodata, and the rim of what they border on.

    Single zeros are dark ground, in decibels ground like any other; a field of nothing but zeros is the ground beside a swath
    whose nodata was not declared, or ground too dark for the product's digits, and tells nothing either way.
    """
    if not zero.any():
        return np.zeros(valid.shape, bool)
    side = np.ones((EMPTY_PX, EMPTY_PX), np.uint8)
    opened = cv2.morphologyEx((zero | ~valid).astype(np.uint8), cv2.MORPH_OPEN, side)
    rim = np.ones((2 * RIM_PX + 1, 2 * RIM_PX + 1), np.uint8)
    return np.asarray(cv2.dilate(opened * zero.astype(np.uint8), rim), bool)
