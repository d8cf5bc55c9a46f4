"""The frames of a flight as small pictures, so that a page can show any of them and stays of bounded size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from promptmid_core.arrays import UInt8
from promptmid_core.localization.fix import Candidate
from promptmid_core.outputs.sidebyside import laid
from promptmid_core.outputs.surfaces import drawn
from promptmid_core.plots import uri
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.run import ReplayedFrame

# characters of all pictures in the page, and what one frame may have of them at the side that it is drawn with
MOST, PER_PX = 11_500_000, 1.1
LARGEST, SMALLEST, OF_SURFACE = 256, 96, 48
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 60]


@dataclass(frozen=True)
class Shot:
    """A frame as data URIs of JPEG: `camera` on the map's grid, `sar` where the match puts it, `surface` of its scores, None
    where there is none, over `span` (west, south, east, north): metres that the pose was corrected by. `ties`: pixels of the tie
    points in either picture and their weights, of pictures that have `width` and `height`."""

    camera: str
    sar: str
    surface: str | None
    span: list[float]
    ties: list[list[float]]
    width: int
    height: int

    @property
    def size(self) -> int:
        """Characters, about."""
        return len(self.camera) + len(self.sar) + len(self.surface or "") + 24 * len(self.ties)


class Shots:
    """Keeps pictures of the frames of a flight, by index: of all where a page has room for them, else of an even share.

    `expected`: how many frames there will be, which their size goes by; more are thinned as they come.
    """

    def __init__(self, reference: ReferenceMap, expected: int) -> None:
        self._reference = reference
        smallest = int(MOST / (PER_PX * SMALLEST ** 2))
        self._every = max(1, -(-expected // smallest))
        kept = max(1, -(-expected // self._every))
        self._side = int(np.clip(np.sqrt(MOST / (PER_PX * kept)), SMALLEST, LARGEST))
        self._size = 0
        self.kept: dict[int, Shot] = {}

    def add(self, frame: ReplayedFrame, candidate: Candidate) -> None:
        """Offer a frame with what it was matched by."""
        if frame.index % self._every:
            return
        shot = shot_of(candidate, self._reference, self._side)
        if shot is None:
            return
        self.kept[frame.index] = shot
        self._size += shot.size
        while self._size > MOST:
            self._every *= 2
            self.kept = {index: one for index, one in self.kept.items() if index % self._every == 0}
            self._size = sum(one.size for one in self.kept.values())


def shot_of(candidate: Candidate, reference: ReferenceMap, side: int) -> Shot | None:
    """Return a frame at most `side` pixels wide and high; None where it was refused before it was laid on the ground."""
    both = laid(candidate, reference)
    if both is None:
        return None
    height, width = both.optical.shape
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # pixels have integers at their centres
    at = (np.column_stack([both.seen, both.found]) + 0.5) * scale - 0.5
    ties = [[round(float(value), 1) for value in row] + [round(float(weight), 2)]
            for row, weight in zip(at, both.weight, strict=True) if np.isfinite(row).all()]
    surface = None if candidate.surface is None else drawn(candidate.surface, OF_SURFACE)
    span = [round(value, 1) for value in surface[1]] if surface else []
    return Shot(_small(both.optical, size), _small(both.sar, size), _jpeg(surface[0]) if surface else None, span, ties,
                *size)


def _small(image: UInt8, size: tuple[int, int]) -> str:
    return _jpeg(image if image.shape == size[::-1] else cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _jpeg(image: Any) -> str:
    return uri(cv2.imencode(".jpg", image, QUALITY)[1].tobytes(), "jpeg")
