"""What a raster is taken for, and what its pixels have to be like for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from promptmid_core.arrays import Float32, Mask

Kind = Literal["sar", "optical", "landcover", "dem"]

TYPES: dict[Kind, tuple[str, ...]] = {
    "sar": ("uint8", "uint16", "int16", "float32", "float64", "complex_int16", "complex64", "complex128"),
    "optical": ("uint8", "uint16"),
    "landcover": ("uint8", "uint16", "int16", "int32"),
    "dem": ("uint8", "uint16", "int16", "int32", "float32", "float64"),
}
BANDS: dict[Kind, tuple[int, ...]] = {"sar": (1,), "optical": (1, 3), "landcover": (1,), "dem": (1,)}


@dataclass(frozen=True)
class Plausible:
    """The values from `least` to `most` that a quantity can have; others in a raster are a fill that it does not declare.

    `what` names the quantity in a sentence; `otherwise` says what such values may be besides a fill, and what to do about that.
    """

    what: str
    least: float
    most: float
    otherwise: str = ""

    def holds(self, pixels: Float32) -> Mask:
        """Return which pixels (H, W) have such values in all their bands (B, H, W)."""
        return within(pixels, self.least, self.most)


# the Dead Sea's shore lies at -430 m, the deepest pits of opencast mines above it, and no mountain reaches 9000 m
HEIGHTS = Plausible("height of the ground in metres", -500.0, 9000.0,
                    "depths of a sea floor are no ground that a camera sees: raise them with gdal_calc.py --calc='maximum(A,0)'")
PLAUSIBLE: dict[Kind, Plausible] = {"dem": HEIGHTS}


def needs_all_bands(kind: Kind | None) -> bool:
    """Return whether a pixel is valid only where every band is: polarisations are joined, and black in one colour is a colour."""
    return kind == "sar"


def within(pixels: Float32, least: float, most: float) -> Mask:
    """Return which pixels (H, W) lie between two values in all their bands (B, H, W)."""
    return np.asarray(((pixels >= np.float32(least)) & (pixels <= np.float32(most))).all(axis=0), np.bool_)
