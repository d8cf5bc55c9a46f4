"""What the heights of a DEM are measured from."""

from __future__ import annotations

from pathlib import Path

from promptmid_core.errors import InputError
from promptmid_core.georaster.frame import own_crs
from promptmid_core.georaster.source import opened

UNKNOWN_DATUM = "unknown"
METRES = ("metre", "meter")


def vertical_datum(path: Path) -> str:
    """Return the name of the vertical CRS or ellipsoid that a DEM's heights refer to, "unknown" where the file does not say.

    Raises InputError where its heights are not in metres.
    """
    with opened(path) as source:
        crs = own_crs(path, source.placement.crs)
        band_unit = (source.units[0] or "metre").lower()
    vertical = next((part for part in crs.sub_crs_list if part.is_vertical), None)
    axes = vertical.axis_info if vertical else crs.axis_info[2:]
    unit = axes[0].unit_name if axes else "metre"
    if unit not in METRES or band_unit not in (*METRES, "m", "metres", "meters"):
        raise InputError(f"{path} holds heights in {source.units[0] or unit}; convert them to metres first")
    if vertical:
        return str(vertical.name)
    return f"ellipsoid {crs.ellipsoid.name}" if axes and crs.ellipsoid else UNKNOWN_DATUM
