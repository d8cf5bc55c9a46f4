"""The reference map as it is read: by window in flight, as a whole by whoever looks at it."""

from promptmid_core.refmap.info import (
    few_heights,
    land_uses,
    little_data,
    map_info,
    seams,
    small_ground,
    unsure_datum,
    unsure_place,
    unsure_relief,
)
from promptmid_core.refmap.map import ReferenceMap
from promptmid_core.refmap.regions import Region, read_regions, region_path, unfinished_regions, verify_map

__all__ = [
    "ReferenceMap", "Region", "few_heights", "land_uses", "little_data", "map_info", "read_regions", "region_path", "seams",
    "small_ground", "unfinished_regions", "unsure_datum", "unsure_place", "unsure_relief", "verify_map",
]
