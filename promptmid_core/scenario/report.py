"""The report of scenarios: one HTML page that carries its plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptmid_core import __version__
from promptmid_core.files import write_whole
from promptmid_core.pages.page import count, number, percent, rendered
from promptmid_core.replay.criteria import CRITERIA, Standing, first_fix_frame
from promptmid_core.scenario.results import as_json, shown
from promptmid_core.scenario.run import FlownLeg, Played

WORDS = {"passed": "good", "failed": "bad", "skipped": "warn"}
MOST_REASONS = 3


def write_report(path: Path, results: Sequence[Played], command: str | None = None) -> None:
    """Write the page to `path`, replacing it at once or not at all. Raises InputError where it cannot be written."""
    write_whole(path, render(results, command))


def render(results: Sequence[Played], command: str | None = None) -> str:
    """Return the page as HTML; every text from outside is escaped."""
    words = [word_of(played) for played in results]
    failed, skipped = words.count("failed"), words.count("skipped")
    headline = f"{failed or words.count('passed')} of {len(results)} scenarios {'failed' if failed else 'passed'}."
    return rendered(
        "scenario/report.html.j2", headline=headline, level="bad" if failed else "warn" if skipped else "good",
        skipped=f"{skipped} {'was' if skipped == 1 else 'were'} skipped." if skipped else "",
        scenarios=[_scenario(played) for played in results], version=__version__, command=command or "")


def word_of(played: Played) -> str:
    """Return how a scenario ended, one of WORDS."""
    return "skipped" if played.skipped else "passed" if played.passed else "failed"


def _scenario(played: Played) -> dict[str, Any]:
    values, word = as_json(played), word_of(played)
    bound = values["false_fix_bound95"]
    return {
        "name": values["name"], "shows": values["shows"], "word": word, "level": WORDS[word],
        "why": played.skipped or played.error, "flights": len(played.legs), **_figures(values),
        "places": f"{values['places']} independent {'place' if values['places'] == 1 else 'places'}, "
                  f"{values['places_with_false_fixes']} with a false fix: with 95 % confidence {percent(bound)} of such places "
                  "at most",
        "criteria": [_criterion(standing) for standing in played.standings],
        "legs": [_leg(leg) for leg in played.legs],
    }


def _figures(values: dict[str, Any]) -> dict[str, str]:
    ground = values["ground_error_px"]
    return {"frames": str(values["frames"]), "fixes": str(values["fixes"]), "rate": percent(values["fix_rate"]),
            "false": count(values["false_fixes"]), "misleading": count(values["misleading"]),
            "first": count(values["first_fix_frame"]), "median": number(ground["median"]), "p95": number(ground["p95"])}


def _criterion(standing: Standing) -> dict[str, str]:
    known = CRITERIA.get(standing.name)
    return {"name": standing.name, "limit": f"{standing.limit:g}", "value": shown(standing.value, ".4g"),
            "level": "good" if standing.passed else "bad", "word": "passed" if standing.passed else "failed",
            "unit": known.unit if known else "share",
            "meaning": known.meaning if known else "Share of the flights that pass every criterion."}


def _leg(leg: FlownLeg) -> dict[str, Any]:
    summary = leg.course.summary
    reasons = ", ".join(f"{code} {times}" for code, times in list(summary["reasons"].items())[:MOST_REASONS])
    missed = ", ".join(standing.name for standing in leg.standings if not standing.passed)
    return {"label": leg.leg.label, "level": "good" if leg.passed else "bad", "missed": missed or "passed", "reasons": reasons,
            **_figures({**summary, "first_fix_frame": first_fix_frame(leg.flight.frames)}), "plots": leg.plots}
