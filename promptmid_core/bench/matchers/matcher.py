"""What every method of the bench is given and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from promptmid_core.arrays import Float64, Mask, UInt8


@dataclass(frozen=True)
class Patch:
    """What the camera sees: `image` (P, P, 3) RGB at about the pixel size of the SAR image, `valid` (P, P), the land use."""

    image: UInt8
    valid: Mask
    landuse: str | None = None


@dataclass(frozen=True)
class Window:
    """The SAR image around the place that the prior names, which is the window's centre.

    `image` (S, S); `valid` (S, S) is False outside the SAR image, where its pixels are mirrored in; `median`: of the whole SAR
    image. S is large enough for the patch at every shift, turn and scale that is to be searched: P + 2 R pixels where only the
    shift is unknown.
    """

    image: UInt8
    valid: Mask
    median: float

    def turned(self, yaw: float, scale: float, size: int) -> Window:
        """Return what a frame of `size` pixels would show at the window's centre with this turn (radians) and scale."""
        side = len(self.image)
        if yaw == 0 and scale == 1 and size <= side and (side - size) % 2 == 0:
            cut = np.s_[(side - size) // 2:(side + size) // 2]
            return Window(self.image[cut, cut], self.valid[cut, cut], self.median)
        turn = scale * rotation(yaw)
        middle = (side - 1) / 2 - turn @ np.full(2, (size - 1) / 2)
        matrix = np.column_stack([turn, middle])
        image = cv2.warpAffine(self.image, matrix, (size, size), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                               borderMode=cv2.BORDER_REFLECT_101)
        valid = cv2.warpAffine(self.valid.astype(np.uint8), matrix, (size, size), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
        return Window(np.asarray(image, np.uint8), np.asarray(valid, bool), self.median)


@dataclass(frozen=True)
class Reach:
    """How wrong the prior may be: `radius` px of shift along each axis, `yaw` radians, `scale` (a share), to both sides."""

    radius: int
    yaw: float = 0.0
    scale: float = 0.0


@dataclass(frozen=True)
class Answer:
    """Where the centre of the patch lies, in px right of and below the centre of the window.

    A patch pixel at `u` from the patch's centre lies at (x, y) + scale * R(yaw) u, in image axes: yaw, in radians, turns x
    towards y. `accepted`: whether the method's own gate would let the answer pass as a fix.
    """

    x: float
    y: float
    accepted: bool
    yaw: float = 0.0
    scale: float = 1.0


class Matcher(Protocol):
    """A method of the bench. `name` stands in the rows; `gate` says in words when an answer is accepted."""

    @property
    def name(self) -> str: ...
    @property
    def gate(self) -> str: ...

    def locate(self, patch: Patch, window: Window, reach: Reach) -> Answer | None:
        """Find the patch in the window; None where the method has no answer at all."""
        ...


def rotation(yaw: float) -> Float64:
    """R(yaw) (2, 2) in image axes."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s], [s, c]])


def grey(patch: Patch) -> UInt8:
    """Return the patch in grey (P, P)."""
    return np.asarray(cv2.cvtColor(patch.image, cv2.COLOR_RGB2GRAY), np.uint8)
