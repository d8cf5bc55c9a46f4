"""What a map keeps of its SAR rasters: what was told of them, how they were placed, and what that leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from promptmid_core.georaster.placement import CONTROL_POINTS, GEOTRANSFORM, ORBIT, RATIONAL
from promptmid_core.georaster.source import opened
from promptmid_core.refmap.sar.displacement import Displacement
from promptmid_core.refmap.sar.laying import Laid
from promptmid_core.refmap.sar.product import SarProduct
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


def all_facts(told: Sequence[Fact], lain: Laid, product: SarProduct, displaced: Displacement, has_dem: bool) -> tuple[Fact, ...]:
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
    facts.append(_relief(plain, lain.lifted, corrected, product, displaced, has_dem))
    return (*facts, *_geoid(displaced))


def _geoid(displaced: Displacement) -> Iterator[Fact]:
    """How far what the heights of the DEM count from lies above the ellipsoid, where that moves pixels."""
    found = displaced.undulation
    if found is None:
        return
    source = NOT_KNOWN if found.sigma_m else OPTION if found.given else METADATA
    by = f"{found.datum}, by the grid of PROJ" if found.metres is None else found.datum
    yield Fact("geoid_height_m", None if found.sigma_m else round(displaced.middle_m, 3), source,
               found.unknown or ("--geoid-height-m" if found.given else by))
    if found.sigma_m:
        by = f"what {found.sigma_m:g} m of height move the ground by"
        yield Fact("geoid_sigma_m", round(displaced.datum_m, 3), MEASURED, by)


def _relief(plain: bool, lifted: bool, corrected: object, product: SarProduct, displaced: Displacement, has_dem: bool) -> Fact:
    """By how much heights displace the ground, in metres, one standard deviation."""
    name = "relief_sigma_m"
    if corrected == "yes":
        return Fact(name, 0.0, OPTION if product.terrain_corrected == "yes" else METADATA, "terrain corrected")
    if lifted:
        return Fact(name, 0.0, MEASURED, "heights of the DEM have moved every pixel back")
    if displaced.relief_m is not None:
        return Fact(name, round(displaced.relief_m, 3), MEASURED, "heights of the DEM over tan(incidence)")
    if plain and corrected is None:
        return Fact(name, None, NOT_KNOWN, "nothing says whether the terrain was corrected")
    missing = [word for word, there in (("--dem", has_dem), ("--incidence-deg", product.incidence_deg is not None)) if not
               there]
    return Fact(name, None, NOT_KNOWN, f"hills are displaced; give {' and '.join(missing) or '--terrain-corrected no'}, as "
                "residuals of control points say nothing of them")
