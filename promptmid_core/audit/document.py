"""What an audit found, as it is written: for programs, and for people."""

from __future__ import annotations

from typing import Any

import numpy as np

from promptmid_core.audit.audit import Audit, Held, HeldOut
from promptmid_core.refmap import ReferenceMap, map_info

OFFSET = ("node_px", "nodes", "offset_px", "largest_at", "sigma_px", "range_px", "noise_px", "covered", "looks", "flights")


def as_json(found: Held, reference: ReferenceMap, written: bool) -> dict[str, Any]:
    """Return the figures of an audit as JSON values; px are map pixels.

    `shift_px`: how far beside the ground the places lie that were found, `by_place` each of them, at easting and northing in the
    CRS; `scenes`: how those that the map was made of lie on one another; `found_share` of each raster's pieces. Of the offset by
    place, None where there is none: `offset_px` is that of the nodes that were seen, its largest at `largest_at`; `covered` the
    share of the map's valid ground whose cells were seen; `looks` the independent ones behind a node that was seen.
    """
    gsd, origin = reference.gsd, reference.frame.origin
    pieces = [piece for piece in found.pieces if piece.shift is not None]
    lengths = np.array([np.hypot(*piece.shift) for piece in pieces if piece.shift is not None])
    return {
        "map": str(reference.path), "descriptor": reference.descriptor_name, "gsd_m": gsd, "written": written,
        "verdict": found.verdict.word, "passed": found.verdict.passed, "why": found.verdict.sentence,
        "shift_px": _lengths(lengths, gsd),
        "by_place": [{"at": [round(float(piece.middle[i] + origin[i]), 1) for i in (0, 1)],
                      "shift_px": [_round(value / gsd) for value in piece.shift], "sigma_px": _round(piece.sigma / gsd)}
                     for piece in pieces if piece.shift is not None],
        "scenes": [{"a": each.first, "b": each.second, "shift_px": [each.east_px, each.north_px], "sigma_px": each.sigma_px}
                   for each in reference.header.overlaps],
        "seam": None if found.seam is None else {
            "apart_px": [_round(value / gsd) for value in found.seam.apart], "heading_deg": _round(found.seam.heading_deg),
            "at": [round(float(found.seam.at[i] + origin[i]), 1) for i in (0, 1)]},
        "rasters": [{"raster": each.name, "pieces": len(each.pieces), "found_share": _round(len(each.found) / len(each.pieces))}
                    for each in found.sought],
        **(_offset(found.audit, reference) if found.audit else dict.fromkeys(OFFSET)),
    }


def _offset(found: Audit, reference: ReferenceMap) -> dict[str, Any]:
    gsd, field, origin = reference.gsd, found.field, reference.frame.origin
    east, north, sigma, looks = field.values
    seen = looks > 0
    length = np.where(seen, np.hypot(east, north), 0.0)
    row, col = np.unravel_index(int(np.argmax(length)), length.shape)
    x, y = field.grid.to_map(col, row)
    valid_m2 = map_info(reference.path)["valid_fraction"] * reference.grid.width * reference.grid.height * gsd ** 2
    values = (
        field.grid.gsd / gsd, [field.grid.width, field.grid.height],
        {"median": _round(np.median(length[seen]) / gsd), "p95": _round(np.quantile(length[seen], 0.95) / gsd),
         "largest": _round(length[row, col] / gsd)},
        [round(float(x) + origin[0], 1), round(float(y) + origin[1], 1)],
        {"median": _round(np.median(sigma[seen]) / gsd), "away": _round(field.away_m / gsd)},
        _round(found.covariance.range_m / gsd), _round(np.sqrt(found.covariance.noise) / gsd),
        _round(min(int(seen.sum()) * field.grid.gsd ** 2 / max(valid_m2, 1e-9), 1.0)),
        {"median": _round(np.median(looks[seen])), "most": int(looks.max())},
        [{"bag": flight.bag, "frames": flight.frames, "held_out": held and _held(held, gsd)}
         for flight, held in zip(found.flights, found.held_out, strict=True)],
    )
    return dict(zip(OFFSET, values, strict=True))


def as_text(values: dict[str, Any]) -> str:
    """Return what `as_json` returns, for people."""
    lines = [f"{values['verdict']}: {values['why']}"]
    if values["shift_px"]:
        shift = values["shift_px"]
        lines.append(f"{len(values['by_place'])} places of the map lie {shift['median']:.2f} px beside the ground at the median, "
                     f"{shift['p95']:.2f} px at 95 %; 1 px = {values['gsd_m']:.3f} m")
    lines += [f"{each['raster']}: {each['found_share']:.0%} of {each['pieces']} pieces found" for each in values["rasters"]]
    lines += [f"scene {each['b']} beside {each['a']}: {each['shift_px'][0]:+.2f} px east, {each['shift_px'][1]:+.2f} px north, "
              f"sigma {each['sigma_px']:.2f}" for each in values["scenes"]]
    if values["seam"]:
        seam = values["seam"]
        (east, north), (right, up) = seam["at"], seam["apart_px"]
        lines.append(f"the seam runs {seam['heading_deg']:.0f} degrees from north through {east:.0f} E {north:.0f} N; to the "
                     f"right of that heading the map lies {right:+.1f} px east, {up:+.1f} px north of where it does to the left")
    if values["offset_px"] is None:
        return "\n".join(lines)
    offset, sigma, (east, north) = values["offset_px"], values["sigma_px"], values["largest_at"]
    lines += [f"offset {offset['median']:.2f} px at the median, {offset['p95']:.2f} px at 95 %, {offset['largest']:.2f} px at "
              f"most, at {east:.0f} E {north:.0f} N",
              f"{values['covered']:.1%} of the map seen, with {values['looks']['median']:g} independent looks at the median; "
              f"alike over {values['range_px']:.0f} px; sigma {sigma['median']:.2f} px there, {sigma['away']:.2f} px elsewhere"]
    for flight in values["flights"]:
        held, line = flight["held_out"], f"{flight['bag']}: {flight['frames']} frames"
        if held is None:
            lines.append(f"{line}; with another flight or raster it would be told how much of its errors the offset explains")
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
