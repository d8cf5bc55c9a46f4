"""Matchability as a layer of a map, for the tools that read rasters."""

from __future__ import annotations

import numpy as np

from promptmid_core.localization.options import SearchOptions
from promptmid_core.plan.survey import Surveyor
from promptmid_core.preview.raster import RasterLayer
from promptmid_core.refmap import ReferenceMap


def matchability_layer(reference: ReferenceMap) -> RasterLayer:
    """Return the probability that a frame's match alone is right, 0 to 1, NaN where the map knows too little, of frames that fill
    the patch that is matched at level 0."""
    side = SearchOptions().patch_px
    survey = Surveyor(reference, side).survey(float(side), 0)
    return RasterLayer(survey.grid, "float32", float("nan"), iter([(0, 0, survey.probability, np.isfinite(survey.probability))]),
                 tags={"layer": "matchability", "footprint_px": str(side)})
