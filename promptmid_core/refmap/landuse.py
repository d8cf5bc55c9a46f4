"""The land use of a map: what a tile stores of it, and the words and prompts that the header gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.georaster import RasterView
from promptmid_core.landuse import ClassTable, dominant, mix
from promptmid_core.prompts import LAND_USES, Modality, Prompt, vocabulary
from promptmid_core.refmap.header import Header, Tile
from promptmid_core.refmap.store import UNKNOWN_CLASS


@dataclass(frozen=True)
class TileLandUse:
    """What a tile stores, and `prompt_id`: the land use that covers more than half of it, or the neutral one."""

    arrays: dict[str, NDArray[np.generic]]
    prompt_id: int
    classes: dict[str, int]

    def prompt(self, modality: Modality) -> Prompt:
        return vocabulary()[modality][self.prompt_id]


@dataclass(frozen=True)
class LandCover:
    """A land-cover raster on the map grid with the table of its classes."""

    view: RasterView
    table: ClassTable

    def read(self, tile: Tile, header: Header) -> TileLandUse:
        """A tile's class codes (H, W), and by block its mix (KINDS, h, w) and prompt id (h, w)."""
        cover = self.view.read(tile.col, tile.row, tile.width, tile.height)
        codes = np.where(cover.valid, cover.image, UNKNOWN_CLASS).astype(np.uint16)
        counts = mix(self.table.prompt_ids()[codes], header.block_px)
        found, pixels = np.unique(codes, return_counts=True)
        return TileLandUse(
            {"landuse": codes, "landuse_mix": counts, "prompt": dominant(counts)},
            int(dominant(counts.sum(axis=(1, 2), dtype=np.int64))),
            {str(code): int(count) for code, count in zip(found, pixels, strict=True) if code != UNKNOWN_CLASS})


def describe_vocabulary(table: ClassTable | None) -> dict[str, Any]:
    """For the header: the land uses and the prompts of both modalities by id, and the class table as JSON values."""
    prompts = {modality.value: [prompt.text for prompt in prompts] for modality, prompts in vocabulary().items()}
    classes = {str(code): word for code, word in table.landuse.items()} if table else {}
    return {"land_uses": list(LAND_USES), "prompts": prompts, "table": table and table.name, "source": table and table.source,
            "classes": classes}
