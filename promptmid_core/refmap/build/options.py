"""What is to be made of the sources of a map."""

from __future__ import annotations

from dataclasses import dataclass, field

from promptmid_core.descriptors import Descriptor
from promptmid_core.prompts import ClassTable
from promptmid_core.refmap.sar.product import SarProduct


@dataclass(frozen=True)
class BuildOptions:
    """How the sources are read, what describes them, and how the map is laid out; of itself as most maps are made.

    `descriptor`: by default the product's own, in a region that of the map. `product`: what is said of the SAR rasters;
    `landcover_table`: whose classes those of the land cover are, as for `ClassTable.load`, or the table itself; `embeddings`: the
    text encoder of the prompts, as for `load_encoder`, by default what the descriptor needs. `crs` and `gsd` (metres) as for
    `laid`; `levels` of the pyramid, by default as for `default_levels`; `store`: the element type of the descriptors, by default
    float16, in a region that of the map. `geoid_height_m`: how far what the heights of the DEM count from lies above the
    ellipsoid, by default as its vertical datum tells.
    """

    descriptor: Descriptor | None = None
    product: SarProduct = field(default_factory=SarProduct)
    landcover_table: str | ClassTable = "worldcover"
    embeddings: str | None = None
    crs: str | None = None
    gsd: float | None = None
    levels: int | None = None
    store: str | None = None
    geoid_height_m: float | None = None
