"""What a map keeps of its SAR rasters: what was told of them, how they were placed, and what that leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from promptmid_core.georaster import RasterView
from promptmid_core.georaster.placement import CONTROL_POINTS, GEOTRANSFORM, ORBIT, RATIONAL
from promptmid_core.georaster.source import opened
from promptmid_core.refmap.sar.laying import Laid
from promptmid_core.refmap.sar.layover import height_error
from promptmid_core.refmap.sar.product import NO, SarProduct
from promptmid_core.refmap.sar.told import MEASURED, METADATA, NOT_KNOWN, OPTION, Fact

PLACED = {
    GEOTRANSFORM: ("the geotransform", ""),
    CONTROL_POINTS: ("control points", ""),
    RATIONAL: ("rational polynomials at their middle height", "rational polynomials and the heights of the DEM"),
    ORBIT: ("the geolocation grid, without terrain correction", "orbit and the heights of the DEM: terrain corrected"),
}


def placements(paths: Iterable[Path]) -> list[str]:
    """Return by what each raster is placed, a key of PLACED. Raises InputError where one is not."""
    kinds = []
    for path in paths:
        with opened(path) as source:
            kinds.append(source.placement.kind)
    return kinds


def all_facts(told: Sequence[Fact], lain: Laid, product: SarProduct, dem: RasterView | None) -> tuple[Fact, ...]:
    """Return the facts that the header of a map keeps: empty where nothing is known but by options."""
    kinds = placements(scene.sar.view.path for scene in lain.scenes)
    lifts = [scene.sar.view.ground is not None for scene in lain.scenes]
    border = max(lain.borders, default=0.0)
    plain = set(kinds) == {GEOTRANSFORM}
    if plain and not border and not any(fact.source == METADATA for fact in told):
        return ()
    placed = dict.fromkeys(PLACED[kind][lift] for kind, lift in zip(kinds, lifts, strict=True))
    facts = [*told, Fact("placement", "; ".join(placed), METADATA)]
    if border:
        facts.append(Fact("border", round(border, 4), MEASURED, "share of the raster in a border of zeros without a tag, masked"))
    corrected = next((fact.value for fact in told if fact.name == "terrain_corrected"), None)
    facts.append(_relief(plain, lain.lifted, corrected, product, dem))
    return tuple(facts)


def _relief(plain: bool, lifted: bool, corrected: object, product: SarProduct, dem: RasterView | None) -> Fact:
    """By how much heights displace the ground, in metres, one standard deviation."""
    name = "relief_sigma_m"
    if corrected == "yes":
        return Fact(name, 0.0, OPTION if product.terrain_corrected == "yes" else METADATA, "terrain corrected")
    if lifted:
        return Fact(name, 0.0, MEASURED, "heights of the DEM have moved every pixel back")
    if dem is not None and product.incidence_deg is not None and product.terrain_corrected == NO:
        return Fact(name, round(height_error(dem, product.incidence_deg), 3), MEASURED, "heights of the DEM over tan(incidence)")
    if plain and corrected is None:
        return Fact(name, None, NOT_KNOWN, "nothing says whether the terrain was corrected")
    missing = [word for word, there in (("--dem", dem is not None), ("--incidence-deg", product.incidence_deg is not None)) if not
               there]
    return Fact(name, None, NOT_KNOWN, f"hills are displaced; give {' and '.join(missing) or '--terrain-corrected no'}, as "
                "residuals of control points say nothing of them")
