"""The reference map: built once from a SAR raster before flight, queried by window in flight."""

from promptmid_core.refmap.builder import build_map
from promptmid_core.refmap.info import map_info
from promptmid_core.refmap.manifest import verify_map
from promptmid_core.refmap.product import SarProduct
from promptmid_core.refmap.query import ReferenceMap
from promptmid_core.refmap.repair import repair_map

__all__ = ["ReferenceMap", "SarProduct", "build_map", "map_info", "repair_map", "verify_map"]
