"""What a map is, in words for people."""

from __future__ import annotations

from typing import Any

from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.preview.compass import convergence_deg, corners, in_degrees
from promptmid_core.refmap import ReferenceMap, map_info

MEGABYTE = 1e6
NAMED = 3  # land uses


def facts(reference: ReferenceMap, flown: str | None = None) -> dict[str, str]:
    """Return the lines about a map, by what they tell of; `flown` says from which heights a camera fits it."""
    info = map_info(reference.path)
    geodetic = Geodetic(reference.frame, reference.vertical_datum)
    width, height = (count * info["gsd_m"] / 1000 for count in info["size_px"])
    descriptor = info["descriptor"]
    told = {
        "map": info["path"],
        "ground": f"{width:.1f} x {height:.1f} km ({info['area_km2']:.0f} km2), {info['valid_fraction']:.1%} of it with SAR data",
        "pixels": f"{info['size_px'][0]} x {info['size_px'][1]} of {info['gsd_m']:.4g} m, {_levels(info)}",
        **{f"corner {name}": in_degrees(*place) for name, place in corners(reference, geodetic).items()},
        "CRS": f"{info['crs']}, origin of frame map {info['origin'][0]:.0f} E {info['origin'][1]:.0f} N",
        "grid north": _north(convergence_deg(reference, geodetic)),
        "SAR": f"{_scenes(info)}, values read as {info['amplitude']['scale']}",
        **{f"scene {scene['name']}": f"{scene['share']:.1%} of the map, gain {scene['gain_db']:+.2f} dB"
           for scene in info["scenes"]},
        "taken": _taken(info),
        **{name.replace("_", " "): _known(fact) for name, fact in info["facts"].items()},
        "place": _place(info),
        "heights": _heights(reference, info),
        "land use": _land_use(info),
        "descriptor": f"{descriptor['name']} ({descriptor['fingerprint']}), {descriptor['channels']} channels a cell of "
                      f"{descriptor['stride']} px",
        "size": f"{info['bytes'] / MEGABYTE:.1f} MB, {info['bytes_per_km2'] / MEGABYTE:.3f} MB a km2",
        "built": f"{info['built']} in {info['build_seconds']:.0f} s",
    }
    for region in info["regions"]:
        told[f"region {region['name']}"] = (f"{region['area_km2']:.0f} km2, {region['crs']}, pixels of {region['gsd_m']:.4g} m; "
                                            f"'promptmid map info {region['path']}' tells more")
    if flown is not None:
        told["fly at"] = flown
    return told


def _levels(info: dict[str, Any]) -> str:
    coarsest = info["gsd_m"] * 2 ** (info["levels"] - 1)
    return f"{info['levels']} levels up to {coarsest:.4g} m" if info["levels"] > 1 else "one level"


def _north(degrees: float) -> str:
    side = "east" if degrees > 0 else "west"
    return f"{abs(degrees):.2f} degrees {side} of true north in the middle of the map"


def _scenes(info: dict[str, Any]) -> str:
    return f"{len(info['scenes'])} scenes" if info["scenes"] else "one raster"


def _taken(info: dict[str, Any]) -> str:
    if not info["acquired"]:
        return f"unknown; 'promptmid map set {info['path']} --acquired DAY' tells it"
    return f"{', '.join(info['acquired'])} ({'option --acquired' if info['sar'].get('acquired') else 'metadata'})"


def _known(fact: dict[str, Any]) -> str:
    """The value of what is known of a SAR product, and where from."""
    if fact["value"] is None:
        return ": ".join(filter(None, ("unknown", fact["by"])))
    value = f"{fact['value']:.4g}" if isinstance(fact["value"], float) else fact["value"]
    return f"{value} ({' '.join(filter(None, (fact['source'], fact['by'])))})"


def _place(info: dict[str, Any]) -> str:
    offset, taken = info["offset"], info["transformation"]
    said = f"known within {info['registration_sigma_m']:.3g} m" if info["registration_sigma_m"] else "nothing said of its error"
    if taken:
        accuracy = "of unknown accuracy" if taken["accuracy_m"] is None else f"accurate to {taken['accuracy_m']:g} m"
        said += f"; from its raster's datum by {taken['name']}, {accuracy}"
    if offset is None:
        return f"{said}; never held against flights"
    return f"{said}; corrected by flights {', '.join(flight['bag'] for flight in offset['flights'])} on {offset['time']}"


def _heights(reference: ReferenceMap, info: dict[str, Any]) -> str:
    if not reference.has_dem:
        return "no DEM: the ground is taken as flat"
    low, high = reference.header.dem_range
    return f"{low:.0f} to {high:.0f} m, vertical datum {info['vertical_datum']}, a height every {info['dem_gsd_m']:.3g} m"


def _land_use(info: dict[str, Any]) -> str:
    shares = list(info["land_uses"].items())[:NAMED]
    return ", ".join(f"{name} {share:.0%}" for name, share in shares) or "no land cover: the prompt is neutral everywhere"


def table(told: dict[str, str]) -> str:
    """Return facts as lines, names in a column."""
    width = max(map(len, told))
    return "\n".join(f"{name:{width}s}  {value}" for name, value in told.items())
