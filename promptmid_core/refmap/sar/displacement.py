"""By how much heights leave the ground of a map displaced: hills that nothing has moved back, and the datum of a DEM."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, radians, tan
from pathlib import Path

from promptmid_core.georaster import RasterView
from promptmid_core.georaster.placement import ControlPoints
from promptmid_core.georaster.source import opened
from promptmid_core.georaster.undulation import Undulation
from promptmid_core.refmap.sar.laying import Laid
from promptmid_core.refmap.sar.layover import height_error
from promptmid_core.refmap.sar.product import NO, SarProduct


@dataclass(frozen=True)
class Displacement:
    """Standard deviations per axis in metres: `relief_m` for hills, None where nothing tells; `datum_m` for what is not known of
    the surface that the heights of the DEM count from.

    `undulation` is how far that surface lies above the ellipsoid `middle_m` in the middle of the map, None where no pixel's
    place depends on it.
    """

    relief_m: float | None = None
    datum_m: float = 0.0
    undulation: Undulation | None = None
    middle_m: float = 0.0

    @property
    def sigma_m(self) -> float:
        """Of all that is known."""
        return hypot(self.relief_m or 0.0, self.datum_m)


def displacement(lain: Laid, product: SarProduct, dem: RasterView | None) -> Displacement:
    """Return what heights do to scenes; `dem` has those of the map's ground above the ellipsoid."""
    if dem is None or dem.undulation is None:
        return Displacement()
    views = [scene.sar.view for scene in lain.scenes]
    moved, left = [view for view in views if view.ground], [view.path for view in views if not view.ground]
    relief, datum, matters = None, max((view.datum_error() for view in moved), default=0.0), bool(moved)
    if not left:
        relief = 0.0  # what heights have moved back is not off by them
    elif product.incidence_deg is not None and product.terrain_corrected == NO:
        levels = {_level(path) for path in left}
        relief = max(height_error(dem, product.incidence_deg, level) for level in levels)
        if levels != {None}:
            matters, datum = True, max(datum, dem.undulation.sigma_m / tan(radians(product.incidence_deg)))
    if not matters:
        return Displacement(relief)
    return Displacement(relief, datum, dem.undulation, dem.undulation.middle(dem.grid))


def _level(path: Path) -> float | None:
    """The mean height above the ellipsoid of a raster's control points, which it lies right at; None where none is told."""
    with opened(path) as source:
        placed = source.placement
        return placed.height_m if isinstance(placed, ControlPoints) and any(point.z for point in placed.points) else None
