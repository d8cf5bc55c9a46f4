"""The page of a plan: a verdict, the heights, and where frames will match."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from promptmid_core import __version__
from promptmid_core.files import write_whole
from promptmid_core.pages.page import rendered
from promptmid_core.plan.figures import map_picture, profile_picture
from promptmid_core.plan.plan import FAIR, GOOD, MissionPlan
from promptmid_core.refmap import map_info
from promptmid_core.refmap.age import UNKNOWN_AGE

CLASSES = (("bad", "not likely to localize"), ("warn", "may localize"), ("good", "likely to localize"))
MOST_STRETCHES = 40


def write_plan(path: Path, plan: MissionPlan, command: str = "") -> None:
    """Write the page to `path`, replacing it at once or not at all. Raises InputError where it cannot be written."""
    level, headline, words = verdict(plan)
    info = map_info(plan.reference.path)
    write_whole(path, rendered(
        "plan/plan.html.j2",
        name=plan.reference.path.name, level=level, headline=headline, words=words, plan=plan,
        planned=plan.band.at(plan.height, plan.search), heights=[plan.band.at(height, plan.search) for height in plan.heights],
        map_picture=map_picture(plan), profile=profile_picture(plan) if plan.way else "", stretches=list(_stretches(plan)),
        good=GOOD, fair=FAIR, version=__version__, command=command, built=info["built"],
        camera=f"{plan.camera.width}x{plan.camera.height} px, focal length {plan.camera.k[0, 0]:.0f} px"))


def verdict(plan: MissionPlan) -> tuple[str, str, list[str]]:
    """Return how good a plan is, `good`, `warn` or `bad`, a headline, and sentences."""
    band, share = plan.band, plan.good_share
    where = f"{plan.way.length / 1000:.1f} km of route" if plan.way else "ground with data"
    words = [f"With this camera, fly {band.least:.0f} to {band.most:.0f} m above ground over this map; best from "
             f"{band.usual:.0f} m. Above, {band.ceiling}."]
    if plan.reference.has_dem:
        flown = "the route" if plan.way else "the map"
        words.append(f"Level flight stays within that over all of {flown} from {plan.altitudes[0]:.0f} to "
                     f"{plan.altitudes[1]:.0f} m above the datum of the map's heights." if plan.altitudes else
                     f"No level flight stays within that over all of {flown}: its ground rises and falls too much.")
    words += _of_age(plan)
    if plan.trouble:
        return "bad", f"{plan.height:.0f} m above ground is {plan.trouble}.", words
    level = "good" if share >= GOOD else "warn" if share >= FAIR else "bad"
    off = [piece for piece in plan.pieces if piece.trouble]
    if off:
        words.append(f"{len(off)} of {len(plan.pieces)} pieces of the route lie outside of that ({off[0].trouble}).")
    return level, f"From {plan.height:.0f} m, {share:.0%} of the {where} is likely to localize.", words


def _of_age(plan: MissionPlan) -> list[str]:
    """What the day of the flight says of the map."""
    age = plan.age
    if age is None:
        return [f"{UNKNOWN_AGE[0].upper()}{UNKNOWN_AGE[1:]}."]
    return [f"On {age.flown} the map, taken on {age.taken}, is {age.days} days away, and {age.season_days} days of the year in "
            "season.", *(f"Caution: {sentence}." for sentence in plan.cautions)]


def _stretches(plan: MissionPlan) -> Iterator[dict[str, Any]]:
    """Pieces in a row that are equally good, the first of them."""
    alike = groupby(plan.pieces, key=lambda piece: (_class(piece.probability), piece.trouble))
    for kind, group in islice(alike, MOST_STRETCHES):
        pieces = list(group)
        yield {"from_km": pieces[0].from_m / 1000, "to_km": pieces[-1].to_m / 1000, "level": CLASSES[kind[0]][0],
               "says": kind[1] or CLASSES[kind[0]][1], "least": min(piece.probability for piece in pieces),
               "mean": sum(piece.probability for piece in pieces) / len(pieces)}


def _class(probability: float) -> int:
    return (probability >= FAIR) + (probability >= GOOD)
