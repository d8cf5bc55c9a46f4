"""What the page of a flight tells in tables and tiles."""

from __future__ import annotations

from promptmid_core.pages.page import NBSP, count, number, percent
from promptmid_core.reasons import MEANINGS
from promptmid_core.replay.headline import MOST_SIGMA_OVER_RMS, doubt_of
from promptmid_core.replay.metrics import FALSE_FIX_PX, MISLEADING_PX, Summary
from promptmid_core.replay.run import Flight, ReplayedFrame
from promptmid_core.replay.verdict import Ruling, bound, told, word

# shares of errors inside the 95 % and 50 % ellipse that are good enough, were they known exactly
COVERAGE95, COVERAGE50 = (0.90, 0.98), (0.40, 0.60)
MARKS = {"met": "good", "missed": "bad", "not known": "warn"}
LEVELS = {True: "good", False: "bad", None: "warn"}


def criteria(verdict: Ruling) -> list[dict[str, str]]:
    """Return how a flight stands against each criterion."""
    return [{"name": each.name, "value": told(each.value), "limit": f"{bound(each)} {told(each.limit)}", "word": word(each),
             "level": MARKS[word(each)]} for each in verdict.standings]


def tiles(summary: Summary) -> list[dict[str, str]]:
    """Return the figures at the top of the page."""
    latency, prior = summary["latency_ms"], summary["prior_error_px"]["median"]
    false, misleading, beyond = (count(summary[key]) for key in ("false_fixes", "misleading", "bound_failures"))
    shown = (
        (percent(summary["fix_rate"]), f"fix rate: {summary['fixes']} of {summary['frames']} frames",
         "" if summary["fixes"] else "warn"),
        (false, f"false fixes (above {FALSE_FIX_PX:g} px), {misleading} misleading (above {MISLEADING_PX:g} px)",
         "bad" if summary["false_fixes"] else ""),
        (_both(summary, "ground_error", "median"),
         f"median ground error, 95{NBSP}% within {_both(summary, 'ground_error', 'p95')}", ""),
        (_both(summary, "error", "median"),
         f"median position error, 95{NBSP}% within {_both(summary, 'error', 'p95')}; the prior's: {number(prior, ' px')}", ""),
        (percent(summary["coverage95"]), f"of position errors in the 95{NBSP}% ellipse, {beyond} beyond 3 sigma; "
         f"{number(summary['independent_samples'], digits=0)} independent samples", "warn" if doubt_of(summary) else ""),
        (number(latency["p50"], " ms", 0), f"median time per frame, 95{NBSP}% within {number(latency['p95'], ' ms', 0)}", ""),
    )
    return [{"value": value, "label": label, "level": level} for value, label, level in shown]


def _both(summary: Summary, key: str, name: str) -> str:
    """An error in px and metres, in the space of a tile."""
    px, metres = summary[f"{key}_px"][name], summary[f"{key}_m"][name]
    return number(px) if px is None else f"{px:.2f}{NBSP}px, {metres:.1f}{NBSP}m"


def protection(summary: Summary) -> list[dict[str, str]]:
    levels = summary["protection"]
    rows = [
        {"name": "median level", "value": number(levels["level_px_median"], " px"), "rule": "of the horizontal position"},
        {"name": "exceeded by", "value": count(levels["exceeded"]), "rule": f"of {summary['judged']} fixes"},
        {"name": "share that exceeds it", "value": f"at most {percent(levels['bound'])}", "rule": "by the independent samples"},
    ]
    return rows + ([{"name": "without a level", "value": count(levels["unbounded"]), "rule": "the descriptor is not calibrated, "
                     "or other places are too probable"}] if levels["unbounded"] else [])


def covariance(summary: Summary) -> list[dict[str, str]]:
    sigma, rms, ratio = (number(summary[key]) for key in ("median_sigma_px", "rms_error_px", "sigma_over_rms"))
    plain, samples = summary["filter"], number(summary["independent_samples"])
    ground = [
        {"name": f"ground point in {confidence}{NBSP}% ellipse", "value": percent(summary[key]), "rule": span(limits)}
        for confidence, key, limits in ((95, "coverage95_ground", COVERAGE95), (50, "coverage50_ground", COVERAGE50))
    ] if summary["coverage95_ground"] is not None else []
    return [
        {"name": f"in 95{NBSP}% ellipse", "value": percent(summary["coverage95"]), "rule": span(COVERAGE95)},
        {"name": f"in 50{NBSP}% ellipse", "value": percent(summary["coverage50"]), "rule": span(COVERAGE50)},
        *ground,
        {"name": "independent samples", "value": samples, "rule": f"of {summary['judged']} fixes, by how their errors repeat"},
        {"name": "median sigma / RMS error", "value": f"{sigma} / {rms} px = {ratio}",
         "rule": f"at most {MOST_SIGMA_OVER_RMS:g}"},
        {"name": "beyond 3 sigma", "value": count(summary["bound_failures"]), "rule": "counted apart from false fixes"},
        {"name": "0.1 degrees of attitude", "value": number(summary["attitude"]["metres_per_tenth_deg"], " m"),
         "rule": f"of position, from {number(summary['attitude']['height_m'], ' m')} above the ground"},
        {"name": f"plain filter: in 95{NBSP}% ellipse",
         "value": f"{percent(plain['coverage95'])}, NEES {number(plain['nees'])}", "rule": f"{span(COVERAGE95)}, 2"},
        {"name": "plain filter: median sigma, error",
         "value": f"{number(plain['stated_px'], ' px')}, {number(plain['error_px']['median'], ' px')}",
         "rule": "it takes the fixes as independent"},
    ]


def reasons(flight: Flight, summary: Summary) -> list[dict[str, str]]:
    first: dict[str, ReplayedFrame] = {}
    for frame in flight.frames:
        first.setdefault(str(frame.fix.reason), frame)
    return [
        {"code": code, "count": str(count), "meaning": MEANINGS[first[code].fix.reason],
         "example": f"frame {first[code].index} at {time_of(flight, first[code])}: {first[code].fix.sentence}"}
        for code, count in summary["reasons"].items()
    ]


def belief(summary: Summary) -> list[dict[str, str]]:
    rows = (("ambiguous", "frames that left more than one place", ""),
            ("prior_overruled", "fixes further from the prior than its covariance allows", ": it is surer than it should be"),
            ("map_disagrees", "frames where parts of the map were found to lie apart", ": look at the map there"))
    return [{"count": str(summary[key]), "what": what + (advice if summary[key] else "")} for key, what, advice in rows]


def stages(summary: Summary) -> list[dict[str, str]]:
    rows = {"whole frame": {**summary["latency_ms"], "frames": summary["frames"]}, **summary["stages_ms"]}
    longest = max((row["p95"] or 0.0 for row in rows.values()), default=0.0)
    return [{"name": name, "p50": number(row["p50"]), "p95": number(row["p95"]), "frames": str(row["frames"]),
             "share": f"{100 * (row['p50'] or 0.0) / longest if longest else 0:.1f}"} for name, row in rows.items()]


def time_of(flight: Flight, frame: ReplayedFrame) -> str:
    return f"{(frame.bag_ns - flight.frames[0].bag_ns) * 1e-9:.2f} s"



def span(limits: tuple[float, float]) -> str:
    return f"{100 * limits[0]:.0f} to {100 * limits[1]:.0f} %"
