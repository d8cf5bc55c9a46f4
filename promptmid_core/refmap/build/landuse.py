"""The land use of a map: what a tile stores of it, and which prompt the tile is described with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptmid_core.georaster import RasterView
from promptmid_core.prompts import ClassTable, dominant, mix
from promptmid_core.refmap.format.arrays import UNKNOWN_CLASS
from promptmid_core.refmap.tile import Tile


@dataclass(frozen=True)
class TileLandUse:
    """What a tile stores, and `prompt_id`: the land use that covers more than half of it, or the neutral one."""

    arrays: dict[str, NDArray[np.generic]]
    prompt_id: int
    classes: dict[str, int]


@dataclass(frozen=True)
class LandCover:
    """A land-cover raster on the map grid with the table of its classes."""

    view: RasterView
    table: ClassTable

    def codes(self, tile: Tile) -> NDArray[np.uint16]:
        """Return a tile's class codes (H, W), UNKNOWN_CLASS where there are none."""
        cover = self.view.read(tile.col, tile.row, tile.width, tile.height)
        return np.where(cover.valid, cover.image, UNKNOWN_CLASS).astype(np.uint16)

    def told_by(self, codes: NDArray[np.uint16], block: int) -> TileLandUse:
        """Return what a tile's class codes (H, W) come to: by blocks of `block` pixels a mix (KINDS, h, w) and a prompt id (h,
        w)."""
        counts = mix(self.table.prompt_ids()[codes], block)
        found, pixels = np.unique(codes, return_counts=True)
        return TileLandUse(
            {"landuse": codes, "landuse_mix": counts, "prompt": dominant(counts)},
            int(dominant(counts.sum(axis=(1, 2), dtype=np.int64))),
            {str(code): int(count) for code, count in zip(found, pixels, strict=True) if code != UNKNOWN_CLASS})
