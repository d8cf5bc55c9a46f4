"""How a raster's places become places of the `map` frame, and how good that is known to be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptmid_core.georaster.frame import MapFrame, own_crs
from promptmid_core.georaster.proj import transformer
from promptmid_core.georaster.source import opened

SAME = "none: the raster lies in the CRS of the map"


@dataclass(frozen=True)
class Transformation:
    """The operation that PROJ takes from a raster's CRS to that of a map, by its name.

    `accuracy_m` is what its makers say of it: metres, 0 where the datum stays the same, None where nobody knows.
    """

    name: str
    accuracy_m: float | None


def transformation(path: Path, frame: MapFrame) -> Transformation:
    """Return the operation that takes the middle of a raster to the `map` frame, out of those that are installed.

    Raises InputError where the raster cannot be opened or has no CRS of a place on the Earth.
    """
    from pyproj.exceptions import ProjError

    with opened(path) as source:
        own = own_crs(path, source.placement.crs)
        middle = source.placement.ground(np.array([source.width / 2]), np.array([source.height / 2]))
    chosen = transformer(own, frame.crs)
    chosen.transform(float(middle[0][0]), float(middle[1][0]))
    try:
        # which of several is taken depends on the place
        chosen = chosen.get_last_used_operation()
    except ProjError:
        return Transformation(SAME, 0.0)
    return Transformation(chosen.description, chosen.accuracy if chosen.accuracy >= 0 else None)
