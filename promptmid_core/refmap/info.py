"""What a map is, in figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.refmap.format.header import VERSION, Header
from promptmid_core.refmap.format.manifest import MANIFEST_FILE, read_manifest, require_finished
from promptmid_core.refmap.regions import Region, read_regions


def map_info(path: Path) -> dict[str, Any]:
    """Facts about a finished map, as JSON values; InputError where the folder is none.

    `bounds` are x_min, y_min, x_max, y_max in the CRS; fractions and shares are 0 to 1; `landuse` gives the share of each
    class code among the pixels whose class is known, `land_uses` that of the words of the prompts; `scenes` that of each
    raster of a mosaic among the valid pixels, with its gain; it is empty where there was one raster only. `regions` are those
    that were appended, each of which is a map of its own to ask about; `bounds_deg` are west, south, east, north.
    """
    header = Header.read(path)
    require_finished(path)
    try:
        manifest = read_manifest(path)
    except ValueError as error:
        raise InputError(f"{path / MANIFEST_FILE} is damaged; copy or build the map again") from error
    grid, (east, north), content, built = header.grid, header.frame.origin, manifest["content"], manifest["built"]
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
        "valid_fraction": content["valid_fraction"],
        "described_fraction": content["described_fraction"],
        "levels": header.levels,
        "store": header.store,
        "bytes": content["bytes"],
        "bytes_per_km2": content["bytes"] / area,
        "descriptor": {
            "name": header.descriptor.name, "channels": header.descriptor.channels, "stride": header.descriptor.stride,
            "fingerprint": header.descriptor.fingerprint, "groups": [group.name for group in header.descriptor.groups],
        },
        "regions": [_region(path, region) for region in read_regions(path)[1:]],
        "scenes": [scene | {"share": content["scenes"][scene["name"]]} for scene in header.scenes],
        "amplitude": header.amplitude,
        "sar": header.sar,
        "registration_sigma_m": header.registration_sigma_m,
        "vertical_datum": header.vertical_datum,
        "dem_gsd_m": header.dem_grid.gsd if header.dem_stride else None,
        "dem_fraction": content["dem_fraction"],
        "landuse": content["landuse"],
        "land_uses": _land_uses(content["landuse"], header.vocabulary),
        "landuse_table": header.vocabulary["table"],
        "prompts_from": "land cover" if header.has_landuse else "nothing: the neutral prompt everywhere",
        "prompts": header.vocabulary["prompts"],
        "text_encoder": header.vocabulary["text_encoder"],
        "inputs": {name: {"path": built["inputs"].get(name), "sha256": known} for name, known in header.inputs.items()},
        "options": header.options,
        "versions": built["versions"],
        "built": built["time"],
        "build_seconds": built["seconds"],
    }


def _region(path: Path, region: Region) -> dict[str, Any]:
    grid = Header.read(path / region.path).grid
    return {"name": region.name, "path": str(path / region.path), "crs": region.crs, "bounds_deg": region.bounds,
            "gsd_m": grid.gsd, "size_px": [grid.width, grid.height], "area_km2": grid.width * grid.height * grid.gsd**2 / 1e6}


def _land_uses(classes: dict[str, float], vocabulary: dict[str, Any]) -> dict[str, float]:
    """The share of each land use among the pixels whose class is known, most first; "unknown" for classes that tell none."""
    shares: dict[str, float] = {}
    for code, share in classes.items():
        word = vocabulary["classes"][code] or "unknown"
        shares[word] = shares.get(word, 0.0) + share
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
