"""A described patch turned and scaled without describing it again: harmonics of oriented edges turn with the ground."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Mask
from promptmid_core.descriptors import gradients
from promptmid_core.geometry import DescriptorMap
from promptmid_core.matching.overview import ORDER, turnable

MARGIN_STEP = 16  # so that frames of about one size share what is made of the map


@dataclass(frozen=True)
class Turnable:
    """The channels of a patch that can be turned, averaged over the cells of an overview wherever these may lie.

    `array` (C, h, w) and `share` (h, w), how much of a coarse cell is known, at the patch's own cells, of which `factor` make the
    side of a coarse one; `middle`: column and row there of the place about which it is turned; `reach`: own cells from it to the
    farthest known one.
    """

    array: Float32
    share: Float32
    factor: int
    middle: tuple[float, float]
    reach: float

    @staticmethod
    def of(patch: DescriptorMap, factor: int, place: tuple[float, float]) -> Turnable:
        """`place`: metres in `map`, about which it is turned. Raises InputError where the patch has no such channels, ValueError
        where the place is not on it."""
        kept = turnable(patch)
        x_min, y_min, x_max, y_max = patch.grid.bounds
        if not (x_min <= place[0] <= x_max and y_min <= place[1] <= y_max):
            raise ValueError(f"the place {place} is not on the patch, which has bounds {patch.grid.bounds}")
        valid = kept.valid.astype(np.float32)
        box = (factor, factor)
        share = _blurred(valid, box)
        array = np.stack([_blurred(channel * valid, box) for channel in kept.array]) / np.maximum(share, np.float32(1e-3))
        col, row = (float(value) for value in patch.grid.to_pixel(*place))
        rows, cols = np.nonzero(kept.valid)
        reach = float(np.hypot(rows - row, cols - col).max(initial=0.0))
        # a box of an even side has its middle between two cells, and its mean at the second
        between = 0.0 if factor % 2 else 0.5
        return Turnable(np.asarray(array, np.float32), share, factor, (col + between, row + between), reach)

    def margin(self, scale: float) -> int:
        """Coarse cells from the place to the rim of the patch however it is turned, or a few more."""
        return -(-int(np.ceil(self.reach * scale / self.factor) + 1) // MARGIN_STEP) * MARGIN_STEP

    def at(self, turn: float, scale: float, rest: tuple[float, float] = (0.0, 0.0)) -> tuple[Float32, Mask]:
        """Return channels (C, 2 margin + 1, 2 margin + 1) in coarse cells, 0 where not valid, and where they are valid.

        `turn` radians counter-clockwise seen from above, and `scale` times as large, about the place, which lies `rest` coarse
        cells east and north of the middle of the middle cell.
        """
        margin = self.margin(scale)
        side = 2 * margin + 1
        # of a coarse cell, where it is read: columns run east, rows south
        c, s = np.cos(turn) * self.factor / scale, np.sin(turn) * self.factor / scale
        middle = np.array([margin + rest[0], margin - rest[1]])
        linear = np.array([[c, -s], [s, c]])
        back = np.column_stack([linear, np.array(self.middle) - linear @ middle])
        read = [cv2.warpAffine(channel, back, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
                for channel in (*self.array, self.share)]
        valid = np.asarray(read[-1] > 0.5)
        return gradients.turned(np.stack(read[:-1]), (ORDER,) * len(self.array), turn) * valid, valid


def _blurred(image: NDArray[np.floating], box: tuple[int, int]) -> Float32:
    """Means over boxes around each cell; beyond the rim there is nothing."""
    return np.asarray(cv2.blur(image, box, borderType=cv2.BORDER_CONSTANT), np.float32)
