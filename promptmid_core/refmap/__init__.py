"""The reference map: built once from a SAR raster before flight, queried by window in flight."""

from promptmid_core.refmap.build.append import append_region
from promptmid_core.refmap.build.builder import build_map
from promptmid_core.refmap.build.repair import repair_map
from promptmid_core.refmap.info import map_info
from promptmid_core.refmap.map import ReferenceMap
from promptmid_core.refmap.regions import Region, read_regions, region_path, unfinished_regions, verify_map
from promptmid_core.refmap.sar.product import SarProduct

__all__ = [
    "ReferenceMap", "Region", "SarProduct", "append_region", "build_map", "map_info", "read_regions", "region_path", "repair_map",
    "unfinished_regions", "verify_map",
]
