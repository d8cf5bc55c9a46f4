"""A reference map made before flight: planned, tiled, built by workers, extended, repaired, and given its offset and its day."""

from promptmid_core.refmap.build.acquired import tell_acquired
from promptmid_core.refmap.build.append import append_region
from promptmid_core.refmap.build.builder import build_map
from promptmid_core.refmap.build.offset import write_offset
from promptmid_core.refmap.build.options import BuildOptions
from promptmid_core.refmap.build.repair import repair_map
from promptmid_core.refmap.build.sources import Sources
from promptmid_core.refmap.build.workers import Crew

__all__ = ["BuildOptions", "Crew", "Sources", "append_region", "build_map", "repair_map", "tell_acquired", "write_offset"]
