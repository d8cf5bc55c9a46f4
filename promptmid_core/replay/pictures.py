"""The images of the report: what a frame and the map showed at the place of a match."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from promptmid_core.arrays import UInt8
from promptmid_core.outputs.sidebyside import draw_ties, laid, rgb, tinted
from promptmid_core.plots import uri
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.examples import Example

ZOOM = 2
CHECK_PX = 32


@dataclass(frozen=True)
class MatchPictures:
    """PNG data URIs of one match on the grid of its patch: what the camera saw, the map there, and both in a checkerboard."""

    optical: str
    sar: str
    blend: str


def match_pictures(example: Example, reference: ReferenceMap) -> MatchPictures | None:
    """Return the pictures of an example; None where its frame was refused before it could be laid on the ground."""
    both = laid(example.candidate, reference)
    if both is None:
        return None
    rows, cols = np.indices(both.optical.shape) // CHECK_PX
    blend = np.where(((rows + cols) % 2 == 0)[..., None], tinted(both.sar), rgb(both.optical))
    optical, sar = _enlarged(rgb(both.optical)), _enlarged(tinted(both.sar))
    draw_ties(optical, both.seen, both.weight, ZOOM)
    draw_ties(sar, both.found, both.weight, ZOOM)
    return MatchPictures(_png(optical), _png(sar), _png(_enlarged(blend)))


def _enlarged(image: UInt8) -> UInt8:
    return np.ascontiguousarray(np.repeat(np.repeat(image, ZOOM, axis=0), ZOOM, axis=1))


def _png(image: UInt8) -> str:
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return uri(data.tobytes())
