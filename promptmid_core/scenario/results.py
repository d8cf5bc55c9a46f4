"""What scenarios came to: values for JSON, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from promptmid_core.replay.criteria import Standing, first_fix_frame
from promptmid_core.replay.metrics import Summary
from promptmid_core.replay.shares import bound95
from promptmid_core.scenario.run import FlownLeg, Played, whole_course

FIGURES = ("frames", "fixes", "fix_rate", "false_fixes", "misleading", "bound_failures", "ground_error_px")
KEYS = {
    "name": "The file's name without its ending; `file` and `shows` beside it.",
    "passed": "Whether the scenario passed; one that was `skipped` asks for nothing and passes.",
    "frames": "Frames, `fixes`, `false_fixes`, `misleading` and `bound_failures`, as in [replay.md](replay.md#the-figures): sums "
              "over its flights.",
    "fix_rate": "`fixes` per frame.",
    "ground_error_px": "`median`, `p95`, `max` over the fixes of all flights.",
    "first_fix_frame": "Number, from 1 on, of the first frame with a fix: the latest of the flights, null where one has no fix.",
    "reasons": "Counts of the [reason codes](diagnostics.md#reason-codes).",
    "places": "Grounds flown over that have nothing in common; `places_with_false_fixes` of them had one, and "
              "`false_fix_bound95` is the upper end of the one-sided 95 % interval of that share.",
    "criteria": "For each `name`, `limit`, `value`, `passed`: the value of the flight that is furthest from passing.",
    "flights": "For each flight its name (`flight`), the same figures, reasons and criteria.",
    "left_out": "Cells without room for the flight.",
    "skipped": "Why the scenario was not run; `error` where it could not be.",
}


def as_json(played: Played) -> dict[str, Any]:
    """Return a scenario's result as values of JSON.

    Counts are sums over its flights and errors those of all their fixes; the criteria are held against each flight.
    `first_fix_frame` is the latest of the flights, null where one has no fix. `places` are the grounds flown over that share
    nothing; `false_fix_bound95` is the upper end of a one-sided 95 % interval of the share of places with a false fix.
    """
    scenario = played.scenario
    whole: Summary = {"frames": 0, "fixes": 0, "false_fixes": 0, "misleading": 0, "bound_failures": 0, "fix_rate": None,
                      "ground_error_px": {"median": None, "p95": None, "max": None}, "reasons": {}}
    if played.legs:
        whole = whole_course(played.legs).summary
    firsts = [first_fix_frame(leg.flight.frames) for leg in played.legs]
    places = {leg.leg.place: False for leg in played.legs}
    for leg in played.legs:
        places[leg.leg.place] |= bool(leg.course.summary["false_fixes"])
    result = {
        "name": scenario.name, "file": str(scenario.path), "shows": scenario.shows, "passed": played.passed,
        **{key: whole[key] for key in FIGURES},
        "first_fix_frame": None if None in firsts else max((first for first in firsts if first), default=None),
        "reasons": whole["reasons"],
        "places": len(places), "places_with_false_fixes": sum(places.values()),
        "false_fix_bound95": bound95(sum(places.values()), len(places)),
        "criteria": [asdict(standing) for standing in played.standings],
        "flights": [_flight(leg) for leg in played.legs],
    }
    return result | {name: value for name in ("skipped", "error", "left_out") if (value := getattr(played, name))}


def table(results: Sequence[Played]) -> str:
    """Return the results as aligned plain text: a line a scenario, and one for each criterion that it failed."""
    width = max(8, *(len(played.scenario.name) for played in results))
    lines = [f"{'scenario':{width}}  {'':7}{'flights':>8}{'frames':>8}{'fixes':>8}{'rate':>8}{'false':>7}{'median px':>11}"]
    for played in results:
        values = as_json(played)
        word = "skipped" if played.skipped else "passed" if played.passed else "failed"
        line = f"{values['name']:{width}}  {word:7}"
        if played.skipped or played.error:
            lines.append(f"{line} {played.skipped or played.error}")
            continue
        rate, false, median = values["fix_rate"], values["false_fixes"], values["ground_error_px"]["median"]
        lines.append(f"{line}{len(played.legs):>8}{values['frames']:>8}{values['fixes']:>8}{shown(rate, '.1%'):>8}"
                     f"{shown(false, 'd'):>7}{shown(median, '.2f'):>11}")
        lines += [f"{'':{width}}    {missed(standing)}" for standing in played.standings if not standing.passed]
    return "\n".join(lines)


def missed(standing: Standing) -> str:
    """Return a criterion with its limit and its value."""
    return f"{standing.name} {standing.limit:g}: {shown(standing.value, '.4g')}"


def shown(value: float | None, form: str) -> str:
    """Return a number for a table, a dash where it is not known."""
    return "-" if value is None else format(value, form)


def _flight(leg: FlownLeg) -> dict[str, Any]:
    summary = leg.course.summary
    return {"flight": leg.leg.label, "passed": leg.passed, **{key: summary[key] for key in FIGURES},
            "first_fix_frame": first_fix_frame(leg.flight.frames), "reasons": summary["reasons"],
            "criteria": [asdict(standing) for standing in leg.standings]}
