"""GeoTIFFs in, georeferenced arrays in the `map` frame out."""

from promptmid_core.georaster.check import RasterFacts, check_raster
from promptmid_core.georaster.covering import covering_grid
from promptmid_core.georaster.datum import UNKNOWN_DATUM, vertical_datum
from promptmid_core.georaster.frame import MapFrame, ground_resolution, map_frame
from promptmid_core.georaster.identity import raster_identity
from promptmid_core.georaster.kind import Kind, Plausible
from promptmid_core.georaster.source import band_label
from promptmid_core.georaster.transformation import Transformation, transformation
from promptmid_core.georaster.view import GeoImage, RasterView, resample

__all__ = [
    "UNKNOWN_DATUM", "GeoImage", "Kind", "MapFrame", "Plausible", "RasterFacts", "RasterView", "Transformation", "band_label",
    "check_raster", "covering_grid", "ground_resolution", "map_frame", "raster_identity", "resample", "transformation",
    "vertical_datum",
]
