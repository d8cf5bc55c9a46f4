"""What an audit found, as it is written: for programs, and for people."""

from __future__ import annotations

from typing import Any

import numpy as np

from promptmid_core.audit.audit import Audit, HeldOut
from promptmid_core.refmap import ReferenceMap, map_info


def as_json(found: Audit, reference: ReferenceMap, written: bool) -> dict[str, Any]:
    """Return the figures of an audit as JSON values; px are map pixels.

    `offset_px` is that of the nodes that were seen, its largest at `largest_at`, easting and northing in the CRS; `covered` the
    share of the map's valid ground whose cells were seen; `looks` the independent ones behind a node that was seen.
    """
    gsd, field, origin = reference.gsd, found.field, reference.frame.origin
    east, north, sigma, looks = field.values
    seen = looks > 0
    length = np.where(seen, np.hypot(east, north), 0.0)
    row, col = np.unravel_index(int(np.argmax(length)), length.shape)
    x, y = field.grid.to_map(col, row)
    valid_m2 = map_info(reference.path)["valid_fraction"] * reference.grid.width * reference.grid.height * gsd ** 2
    return {
        "map": str(reference.path), "descriptor": reference.descriptor_name, "gsd_m": gsd, "written": written,
        "node_px": field.grid.gsd / gsd, "nodes": [field.grid.width, field.grid.height],
        "offset_px": {"median": _round(np.median(length[seen]) / gsd), "p95": _round(np.quantile(length[seen], 0.95) / gsd),
                      "largest": _round(length[row, col] / gsd)},
        "largest_at": [round(float(x) + origin[0], 1), round(float(y) + origin[1], 1)],
        "sigma_px": {"median": _round(np.median(sigma[seen]) / gsd), "away": _round(field.away_m / gsd)},
        "range_px": _round(found.covariance.range_m / gsd), "noise_px": _round(np.sqrt(found.covariance.noise) / gsd),
        "covered": _round(min(int(seen.sum()) * field.grid.gsd ** 2 / max(valid_m2, 1e-9), 1.0)),
        "looks": {"median": _round(np.median(looks[seen])), "most": int(looks.max())},
        "flights": [{"bag": flight.bag, "frames": flight.frames, "held_out": held and _held(held, gsd)}
                    for flight, held in zip(found.flights, found.held_out, strict=True)],
    }


def as_text(values: dict[str, Any]) -> str:
    """Return what `as_json` returns, for people."""
    offset, sigma, (east, north) = values["offset_px"], values["sigma_px"], values["largest_at"]
    lines = [f"offset {offset['median']:.2f} px at the median, {offset['p95']:.2f} px at 95 %, {offset['largest']:.2f} px at "
             f"most, at {east:.0f} E {north:.0f} N; 1 px = {values['gsd_m']:.3f} m",
             f"{values['covered']:.1%} of the map seen, with {values['looks']['median']:g} independent looks at the median; "
             f"alike over {values['range_px']:.0f} px; sigma {sigma['median']:.2f} px there, {sigma['away']:.2f} px elsewhere"]
    for flight in values["flights"]:
        held, line = flight["held_out"], f"{flight['bag']}: {flight['frames']} frames"
        if held is None:
            lines.append(f"{line}; with a second flight it would be told how much of its errors the offset explains")
        elif held["explained"] is None:
            lines.append(f"{line}, of which the other flights have seen none of the ground")
        else:
            before, after = held["before_px"], held["after_px"]
            lines.append(f"{line}, {held['covered']:.0%} of them over ground of the other flights, whose offset takes their "
                         f"errors from {before['median']:.2f} to {after['median']:.2f} px at the median, from "
                         f"{before['p95']:.2f} to {after['p95']:.2f} px at 95 %: {held['explained']:.0%} explained")
    return "\n".join(lines)


def _held(held: HeldOut, gsd: float) -> dict[str, Any]:
    explained = held.explained
    return {"covered": _round(held.covered), "before_px": _lengths(held.before, gsd), "after_px": _lengths(held.after, gsd),
            "explained": None if explained is None else _round(explained)}


def _lengths(metres: np.ndarray[Any, np.dtype[np.float64]], gsd: float) -> dict[str, float] | None:
    if not len(metres):
        return None
    return {"median": _round(np.median(metres) / gsd), "p95": _round(np.quantile(metres, 0.95) / gsd)}


def _round(value: float | np.floating[Any]) -> float:
    return round(float(value), 4)
