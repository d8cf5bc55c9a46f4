"""A camera or a driver that stands still: the very pixels of an image that was taken elsewhere."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from dataclasses import replace

import numpy as np

from promptmid_core.arrays import Float64, UInt8
from promptmid_core.localization.fix import Candidate
from promptmid_core.reasons import Reason

# a driver may go round a ring of buffers that are no longer filled
KEPT = 16
MOST_MOVED_M = 2.0


class FrozenImages:
    """Knows the last images by their pixels, and where the odometry was when each first came.

    A frozen image matches where it was taken, as well as ever, while the aircraft flies on: slowly enough for the track, which
    takes it for drift. No two images of a sensor are the same, so one that comes again from another place is none.
    """

    def __init__(self) -> None:
        self._places: OrderedDict[int, tuple[Float64, float]] = OrderedDict()

    def judged(self, candidate: Candidate, image: UInt8, place: Float64, doubt: float = 0.0) -> Candidate:
        """Return the candidate of an `image` (H, W[, C]) that came at a `place` (3,) of the odometry, in metres; refused where
        those pixels came from elsewhere. `doubt`: metres that the way flown may be wrong by, in all so far."""
        digest = zlib.crc32(np.ascontiguousarray(image[::16, ::16]).data)
        first, doubted = self._places.setdefault(digest, (place, doubt))
        if len(self._places) > KEPT:
            self._places.popitem(last=False)
        moved = float(np.linalg.norm(place - first))
        if moved <= MOST_MOVED_M + max(doubt - doubted, 0.0):
            return candidate
        # it says nothing of where the aircraft is
        candidate = replace(candidate, surface=None, aside=())
        if candidate.reason is not Reason.FIX:
            return candidate
        sentence = f"the image has the very pixels of one that came {moved:.0f} m from here; does the camera or its driver hang?"
        return replace(candidate, reason=Reason.IMAGE_FROZEN, sentence=sentence)
