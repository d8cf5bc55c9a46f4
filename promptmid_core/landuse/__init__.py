"""Land cover: from the class codes of a raster to the land uses that prompts tell apart."""

from promptmid_core.landuse.mix import KINDS, dominant, mix
from promptmid_core.landuse.table import TABLES, ClassTable

__all__ = ["KINDS", "TABLES", "ClassTable", "dominant", "mix"]
