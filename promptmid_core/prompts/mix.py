"""How much of each land use a place holds, and which one speaks for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import UInt8
from promptmid_core.prompts.prompt import LAND_USES, NEUTRAL

KINDS = len(LAND_USES) + 1


def mix(ids: UInt8, block: int) -> NDArray[np.uint16]:
    """Return pixels (KINDS, h, w) of each prompt id (H, W) in blocks of `block` x `block`; blocks at the far edges may be cut."""
    height, width = (-(-size // block) for size in ids.shape)
    # what is beyond the edge is of no kind at all
    whole = np.full((height * block, width * block), KINDS, np.uint8)
    whole[:ids.shape[0], :ids.shape[1]] = ids
    blocks = whole.reshape(height, block, width, block)
    return np.stack([(blocks == kind).sum(axis=(1, 3)) for kind in range(KINDS)]).astype(np.uint16)


def dominant(counts: NDArray[np.generic]) -> UInt8:
    """Return the prompt id (...) that speaks for each place, from its pixels (KINDS, ...).

    That of the land use which covers more than half of all its pixels, those of unknown use counted among them; NEUTRAL where
    none does.
    """
    counts = np.asarray(counts, np.float64)
    uses = counts.copy()
    uses[NEUTRAL] = 0
    return np.where(uses.max(axis=0) > counts.sum(axis=0) / 2, uses.argmax(axis=0), NEUTRAL).astype(np.uint8)
