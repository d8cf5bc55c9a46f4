"""The reference map as it is read: by window in flight, as a whole by whoever looks at it."""

from promptmid_core.refmap.info import little_data, map_info, unsure_place
from promptmid_core.refmap.map import ReferenceMap
from promptmid_core.refmap.regions import Region, read_regions, region_path, unfinished_regions, verify_map

__all__ = [
    "ReferenceMap", "Region", "little_data", "map_info", "read_regions", "region_path", "unfinished_regions",
    "unsure_place", "verify_map",
]
