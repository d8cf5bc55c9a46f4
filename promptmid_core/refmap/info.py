"""What a map is, in figures."""

from __future__ import annotations

from dataclasses import asdict
from math import hypot
from pathlib import Path
from typing import Any

from promptmid_core.prompts import ClassTable
from promptmid_core.refmap.format.header import VERSION, Header
from promptmid_core.refmap.format.manifest import Manifest
from promptmid_core.refmap.format.offset import OffsetFacts, seal_of
from promptmid_core.refmap.regions import Region, read_regions
from promptmid_core.refmap.sar.registration import disagree
from promptmid_core.refmap.sar.told import told

LITTLE = 0.05  # of a map's ground: a raster that lies askew on its grid fills several times that


def map_info(path: Path) -> dict[str, Any]:
    """Return the facts about a finished map, as JSON values. Raises InputError where the folder is none.

    `bounds` are x_min, y_min, x_max, y_max in the CRS; fractions and shares are 0 to 1; `landuse` gives the share of each class
    code among the pixels whose class is known, `land_uses` that of the words of the prompts; `scenes` that of each raster of a
    mosaic among the valid pixels, with its gain; it is empty where there was one raster only; `overlaps` how those with ground in
    common lie on one another. `regions` are those that were
    appended, each of which is a map of its own to ask about; `bounds_deg` are west, south, east, north. `transformation` is the
    `name` of the one from another datum of the SAR raster to that of the map, and its `accuracy_m` in metres, None where nobody
    knows that; it is None where the datum is the same. `offset` is the one by place, None where there is none: the flights that
    it was fitted from and when, how far apart its nodes are and how many, over how far offsets are alike, and their sigma away
    from all flights.
    """
    header = Header.read(path)
    manifest = Manifest.read(path)
    values, content, built, facts = header.to_dict(), manifest.content, manifest.built, header.vocabulary
    grid, (east, north) = header.grid, header.frame.origin
    x_min, y_min, x_max, y_max = grid.bounds
    area = grid.width * grid.height * grid.gsd**2 / 1e6
    return {
        "path": str(path),
        "format": VERSION,
        "crs": header.frame.crs,
        "origin": [east, north],
        "gsd_m": grid.gsd,
        "size_px": [grid.width, grid.height],
        "bounds": [x_min + east, y_min + north, x_max + east, y_max + north],
        "area_km2": area,
        "valid_fraction": content.valid_fraction,
        "described_fraction": content.described_fraction,
        "levels": header.levels,
        "store": header.store,
        "bytes": content.bytes,
        "bytes_per_km2": content.bytes / area,
        "descriptor": {
            "name": header.descriptor.name, "channels": header.descriptor.channels, "stride": header.descriptor.stride,
            "fingerprint": header.descriptor.fingerprint, "groups": [group.name for group in header.descriptor.groups],
        },
        "regions": [_region(path, region) for region in read_regions(path)[1:]],
        "scenes": [asdict(scene) | {"share": content.scenes.get(scene.name, 0.0)} for scene in header.scenes],
        "overlaps": [asdict(overlap) for overlap in header.overlaps],
        "amplitude": values["amplitude"],
        "sar": values["sar"],
        "acquired": list(header.acquired),
        "facts": {fact.name: {"value": fact.value, "source": fact.source, "by": fact.by}
                  for fact in header.facts or told(header.sar.product, [])},
        "registration_sigma_m": header.registration_sigma_m,
        "offset": _offset(path, header),
        "transformation": values.get("transformation"),
        "vertical_datum": header.vertical_datum,
        "dem_gsd_m": header.dem_grid.gsd if header.dem_stride else None,
        "dem_fraction": content.dem_fraction,
        "landuse": content.landuse,
        "land_uses": _land_uses(content.landuse, facts.table),
        "landuse_table": values["vocabulary"]["table"],
        "prompts_from": "land cover" if header.has_landuse else "nothing: the neutral prompt everywhere",
        "prompts": values["vocabulary"]["prompts"],
        "text_encoder": facts.text_encoder,
        "inputs": {name: {"path": built.inputs.get(name), "sha256": known} for name, known in header.inputs.items()},
        "options": values["options"],
        "versions": built.versions,
        "built": built.time,
        "build_seconds": built.seconds,
    }


def land_uses(path: Path) -> dict[str, float]:
    """Return the share of each land use in a finished map's ground of which it is known, most first; empty without land cover.
    Raises InputError where the folder is none."""
    return _land_uses(Manifest.read(path).content.landuse, Header.read(path).vocabulary.table)


def little_data(path: Path) -> str | None:
    """Return a sentence where a finished map is all but empty. Raises InputError where the folder is none."""
    content = Manifest.read(path).content
    share = min(content.valid_fraction, content.described_fraction)
    if share >= LITTLE:
        return None
    return (f"{path} is all but empty: {content.valid_fraction:.2%} of it has SAR pixels and {content.described_fraction:.2%} "
            "descriptors; look at it with 'promptmid map preview', and check nodata, extent and CRS of its rasters")


def few_heights(path: Path) -> str | None:
    """Return a sentence where a finished map with a DEM has heights under less than half of its SAR pixels. Raises InputError
    where the folder is none."""
    content = Manifest.read(path).content
    if content.dem_fraction is None or content.dem_fraction >= content.valid_fraction / 2:
        return None
    return (f"{path} has heights on {content.dem_fraction:.2%} of it, where {content.valid_fraction:.2%} has SAR pixels; the "
            "others are taken from what lies around, so give a DEM that covers the map, or none")


def small_ground(path: Path, patch_px: int) -> str | None:
    """Return a sentence where a map is smaller than the patch of `patch_px` map pixels that a frame is matched by. Raises
    InputError where the folder is none."""
    grid = Header.read(path).grid
    if min(grid.width, grid.height) >= patch_px:
        return None
    return (f"{path} has {grid.width} x {grid.height} px, less than the patch of {patch_px} px that a frame is matched by, so "
            "that few frames or none will get a fix; build it of a larger raster, or with a smaller --gsd")


def seams(path: Path) -> list[str]:
    """Return a sentence for each two scenes of a finished map that disagree on where the ground lies. Raises InputError where the
    folder is none."""
    header, inputs = Header.read(path), Manifest.read(path).built.inputs
    return [f"{inputs.get(each.second, each.second)} shows the ground {hypot(each.east_px, each.north_px):.1f} px from where "
            f"{inputs.get(each.first, each.first)} does ({each.east_px:+.1f} east, {each.north_px:+.1f} north, sigma "
            f"{each.sigma_px:.2f}); the map has the first where both are, and a seam of so much where it ends. Hold {path} "
            "against a raster or flights that are trusted with 'promptmid map audit', and leave out the scene that is off"
            for each in header.overlaps if disagree(each.east_px, each.north_px, each.sigma_px)]


def unsure_place(path: Path) -> str | None:
    """Return a sentence where nobody knows how well a map lies on the ground. Raises InputError where the folder is none."""
    taken = Header.read(path).transformation
    if taken is None or taken.accuracy_m is not None:
        return None
    return (f"how well {path} lies on the ground is unknown, since PROJ knows no transformation from the datum of its raster "
            f"({taken.name}); give the raster the CRS that it was made in, datum and all")


def unsure_relief(path: Path) -> str | None:
    """Return a sentence where nobody knows how far hills displace the ground of a map. Raises InputError where the folder is
    none."""
    fact = next((fact for fact in Header.read(path).facts if fact.name == "relief_sigma_m"), None)
    if fact is None or fact.value is not None:
        return None
    return f"how far hills displace the ground of {path} is unknown: {fact.by}"


def unsure_datum(path: Path) -> str | None:
    """Return a sentence where a map may lie off because nobody knows what the heights of its DEM count from. Raises InputError
    where the folder is none."""
    facts = {fact.name: fact for fact in Header.read(path).facts}
    if "geoid_sigma_m" not in facts:
        return None
    return (f"{path} may lie off by {facts['geoid_sigma_m'].value} m, one standard deviation, as its raster was placed by "
            f"heights that are taken as above the ellipsoid: {facts['geoid_height_m'].by}; then build it again")


def _offset(path: Path, header: Header) -> dict[str, Any] | None:
    facts = OffsetFacts.read(path, seal_of(header))
    return None if facts is None else {
        "flights": [asdict(flight) for flight in facts.flights], "time": facts.time, "node_m": facts.grid.gsd,
        "nodes": [facts.grid.width, facts.grid.height], "range_m": facts.range_m, "away_m": facts.away_m}


def _region(path: Path, region: Region) -> dict[str, Any]:
    grid = Header.read(path / region.path).grid
    return {"name": region.name, "path": str(path / region.path), "crs": region.crs, "bounds_deg": list(region.bounds),
            "gsd_m": grid.gsd, "size_px": [grid.width, grid.height], "area_km2": grid.width * grid.height * grid.gsd**2 / 1e6}


def _land_uses(classes: dict[str, float], table: ClassTable | None) -> dict[str, float]:
    """The share of each land use among the pixels whose class is known, most first; "unknown" for classes that tell none."""
    words, shares = table.landuse if table else {}, dict[str, float]()
    for code, share in classes.items():
        word = words.get(int(code)) or "unknown"
        shares[word] = shares.get(word, 0.0) + share
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
