"""The ground that was seen: how much of what a frame shows is new."""

from __future__ import annotations

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Patch

BLOCK = 16  # pixels of the first patch
MOST_BLOCKS = 20_000


class SeenGround:
    """Remembers the ground under patches, in blocks as large on the ground whatever the patch's level; the oldest are forgotten
    first."""

    def __init__(self) -> None:
        self._side = 0.0
        self._blocks: dict[tuple[int, int], None] = {}

    def copy(self) -> SeenGround:
        """Return another that goes on from here."""
        other = SeenGround()
        other._side, other._blocks = self._side, dict(self._blocks)
        return other

    def see(self, patch: Patch, shift: Float64) -> float:
        """Remember the ground of a patch, moved by a shift (2,) in metres, and return the share of it that is new."""
        new = self.unseen(patch, shift)
        for place in self._places(patch, shift):
            self._blocks.pop(place, None)
            self._blocks[place] = None
        for place in list(self._blocks)[:max(len(self._blocks) - MOST_BLOCKS, 0)]:
            del self._blocks[place]
        return new

    def unseen(self, patch: Patch, shift: Float64) -> float:
        """Return what `see` does; nothing is remembered."""
        places = self._places(patch, shift)
        return sum(place not in self._blocks for place in places) / len(places) if places else 0.0

    def _places(self, patch: Patch, shift: Float64) -> list[tuple[int, int]]:
        """The blocks that a patch shows ground of."""
        self._side = side = self._side or BLOCK * patch.grid.gsd
        step = max(round(side / patch.grid.gsd), 1)
        seen = patch.valid[step // 2::step, step // 2::step]
        rows, cols = np.nonzero(seen)
        x, y = patch.grid.to_map(cols * step, rows * step)
        across, up = (np.round(along / side).astype(int).tolist() for along in (x + shift[0], y + shift[1]))
        return list(zip(across, up, strict=True))
