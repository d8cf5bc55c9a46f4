"""The report of a flight: one HTML file that carries its pictures."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from promptmid_core import __version__
from promptmid_core.files import write_whole
from promptmid_core.pages.page import NBSP, count, number, percent, rendered
from promptmid_core.reasons import MEANINGS
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay import figures
from promptmid_core.replay.live import Comparison, rows, sentence
from promptmid_core.replay.metrics import FALSE_FIX_PX, MISLEADING_PX, Summary
from promptmid_core.replay.pictures import match_pictures
from promptmid_core.replay.run import Flight, ReplayedFrame

# the covariance that is asked for: shares of errors inside the 95 % and 50 % ellipse, and sigma over RMS error
COVERAGE95 = (0.90, 0.98)
COVERAGE50 = (0.40, 0.60)
MOST_SIGMA_OVER_RMS = 2.0
# with fewer independent samples the shares say more about chance than about the covariance
ENOUGH_SAMPLES = 20
# how many places are shown of a frame, and from which probability on
PLACES, LEAST_PROBABILITY = 4, 0.001


class Judgement(NamedTuple):
    """`level` is good, warn or bad."""

    level: str
    headline: str
    sentences: list[str]


def write_report(path: Path, flight: Flight, summary: Summary, reference: ReferenceMap, *, live: Comparison | None = None,
                 command: str | None = None) -> None:
    """Write the report of `flight` to `path`, replacing it at once or not at all. Raises InputError where it cannot be written.

    `live` is the comparison with the same flight flown live, where there is one.
    """
    write_whole(path, render(flight, summary, reference, live=live, command=command))


def render(flight: Flight, summary: Summary, reference: ReferenceMap, *, live: Comparison | None = None,
           command: str | None = None) -> str:
    """Return the report as HTML; every text from outside is escaped."""
    has_truth = any(frame.truth is not None for frame in flight.frames)
    examples = _examples(flight, reference)
    return rendered(
        "replay/report.html.j2",
        title=f"Replay of {Path(flight.bag).name}",
        s=summary,
        verdict=verdict(summary),
        tiles=_tiles(summary),
        plots={
            "trajectory": figures.trajectory(flight, reference), "time": figures.errors_over_time(flight),
            "ground": figures.ground_errors(flight), "calibration": figures.calibration(flight),
            "stanford": figures.stanford(flight),
        },
        trajectory_text=f"North is up. Frames without a fix stand {'at their true place' if has_truth else 'at their prior'}.",
        time_text=_time_text(summary, has_truth),
        unjudged=_unjudged(summary),
        errors=[{"name": name, "values": [number(summary[key][column]) for column in ("median", "p95", "max")]}
                for name, key in (("ground error, px", "ground_error_px"), ("horizontal error, px", "error_px"),
                                  ("horizontal error, m", "error_m"), ("prior error, px", "prior_error_px"))],
        covariance=_covariance(summary),
        protection=_protection(summary),
        reasons=_reasons(flight, summary),
        reasons_text=f"{percent(1 - summary['fix_rate'])} of frames gave no fix." if summary["fix_rate"] is not None else "",
        belief=_belief(summary),
        examples=examples,
        examples_title="Example matches" if summary["fixes"] else "Examples of refused frames",
        examples_text=_examples_text(summary),
        live=_live(live),
        stages=_stages(summary),
        provenance=_provenance(flight, command),
    )


def verdict(summary: Summary) -> Judgement:
    """Return the flight in one headline and a few sentences."""
    frames, fixes, reasons = summary["frames"], summary["fixes"], summary["reasons"]
    mostly = next(iter(reasons.items()), None)
    if not frames:
        return Judgement("warn", "The bag holds no camera frame.", [])
    if not fixes:
        assert mostly is not None
        return Judgement("warn", f"None of {frames} {_frames(frames)} was localized.",
                         [f"Most frequent reason: {mostly[0]} ({mostly[1]} {_frames(mostly[1])})."])
    share = f"{fixes} of {frames} {_frames(frames)} localized ({percent(summary['fix_rate'])})"
    left = frames - fixes
    refused = [f"{left} {_frames(left)} refused, most often for {mostly[0]} ({mostly[1]})."] if mostly else []
    findings = [f"{sentence[0].upper()}{sentence[1:]}." for sentence in summary["findings"]]
    if summary["false_fixes"] is None:
        unknown = "Without ground truth nothing here says how good the fixes are."
        return Judgement("warn", f"{share}.", [unknown, *findings, *refused])
    ground = summary["ground_error_px"]
    accuracy = (f"Ground error: median {ground['median']:.2f} px ({ground['median'] * summary['gsd_m']:.1f} m), "
                f"95{NBSP}% of fixes within {ground['p95']:.2f} px, largest {ground['max']:.2f} px.")
    doubt = _doubt(summary)
    sentences = [accuracy, doubt or _coverage_sentence(summary), *findings, *refused]
    if summary["false_fixes"]:
        false = f"{summary['false_fixes']} false {'fix' if summary['false_fixes'] == 1 else 'fixes'} among {fixes}"
        return Judgement("bad", f"{false}: ground error above {FALSE_FIX_PX:g} px.", [f"{share}.", *sentences])
    return Judgement("warn" if doubt or findings else "good", f"{share}, no false fix.", sentences)


def _enough(summary: Summary) -> bool:
    return (summary["independent_samples"] or 0) >= ENOUGH_SAMPLES


def _coverage_sentence(summary: Summary) -> str:
    text = (f"The 95{NBSP}% ellipse holds {percent(summary['coverage95'])} of the errors, the 50{NBSP}% ellipse "
            f"{percent(summary['coverage50'])}")
    return text + ("." if _enough(summary) else "; there are too few independent fixes to judge the covariance by.")


def _doubt(summary: Summary) -> str | None:
    """What is wrong with the covariance, if there are enough fixes to say so."""
    if not _enough(summary):
        return None
    words: list[str] = []
    told: list[str] = []
    for confidence, key, (least, most) in ((95, "coverage95", COVERAGE95), (50, "coverage50", COVERAGE50)):
        if not least <= summary[key] <= most:
            words.append("overconfident" if summary[key] < least else "too cautious")
            told.append(f"the {confidence}{NBSP}% ellipse holds {percent(summary[key])} of the errors, accepted are "
                        f"{_range((least, most))}")
    if told:
        word = words[0] if len(set(words)) == 1 else "of another shape than the errors"
        return f"The covariance is {word}: {'; '.join(told)}."
    ratio = summary["sigma_over_rms"]
    if ratio is not None and ratio > MOST_SIGMA_OVER_RMS:
        return f"The covariance is too cautious: the median sigma is {ratio:.1f} times the RMS error."
    return None


def _time_text(summary: Summary, has_truth: bool) -> str:
    parts = ["Error of each fix and of the prior."] if has_truth else []
    if summary["fixes"]:
        parts.append(f"The band is the radius inside which the covariance of a fix promises 95{NBSP}% of errors: half the long "
                     "axis of the ellipse.")
    return " ".join([*parts, "The scale is logarithmic."])


def _tiles(summary: Summary) -> list[dict[str, str]]:
    ground, latency = summary["ground_error_px"], summary["latency_ms"]
    false, misleading, beyond = (count(summary[key]) for key in ("false_fixes", "misleading", "bound_failures"))
    tiles = (
        (percent(summary["fix_rate"]), f"fix rate: {summary['fixes']} of {summary['frames']} frames",
         "" if summary["fixes"] else "warn"),
        (false, f"false fixes (above {FALSE_FIX_PX:g} px), {misleading} misleading (above {MISLEADING_PX:g} px)",
         "bad" if summary["false_fixes"] else ""),
        (number(ground["median"], " px"), f"median ground error, 95{NBSP}% within {number(ground['p95'], ' px')}", ""),
        (number(summary["prior_error_px"]["median"], " px"), "median error of the prior, for comparison", ""),
        (percent(summary["coverage95"]), f"of errors in the 95{NBSP}% ellipse, {beyond} beyond 3 sigma",
         "warn" if _doubt(summary) else ""),
        (number(latency["p50"], " ms", 1), f"median time per frame, 95{NBSP}% within {number(latency['p95'], ' ms', 1)}", ""),
    )
    return [{"value": value, "label": label, "level": level} for value, label, level in tiles]


def _protection(summary: Summary) -> list[dict[str, str]]:
    levels = summary["protection"]
    rows = [
        {"name": "median level", "value": number(levels["level_px_median"], " px"), "rule": "of the horizontal position"},
        {"name": "exceeded by", "value": count(levels["exceeded"]), "rule": f"of {summary['judged']} fixes"},
        {"name": "share that exceeds it", "value": f"at most {percent(levels['bound'])}", "rule": "by the independent samples"},
    ]
    return rows + ([{"name": "without a level", "value": count(levels["unbounded"]), "rule": "the descriptor is not calibrated, "
                     "or other places are too probable"}] if levels["unbounded"] else [])


def _covariance(summary: Summary) -> list[dict[str, str]]:
    sigma, rms, ratio = (number(summary[key]) for key in ("median_sigma_px", "rms_error_px", "sigma_over_rms"))
    plain, samples = summary["filter"], number(summary["independent_samples"])
    ground = [
        {"name": f"ground point in {confidence}{NBSP}% ellipse", "value": percent(summary[key]), "rule": _range(limits)}
        for confidence, key, limits in ((95, "coverage95_ground", COVERAGE95), (50, "coverage50_ground", COVERAGE50))
    ] if summary["coverage95_ground"] is not None else []
    return [
        {"name": f"in 95{NBSP}% ellipse", "value": percent(summary["coverage95"]), "rule": _range(COVERAGE95)},
        {"name": f"in 50{NBSP}% ellipse", "value": percent(summary["coverage50"]), "rule": _range(COVERAGE50)},
        *ground,
        {"name": "independent samples", "value": samples, "rule": f"of {summary['judged']} fixes, by how their errors repeat"},
        {"name": "median sigma / RMS error", "value": f"{sigma} / {rms} px = {ratio}",
         "rule": f"at most {MOST_SIGMA_OVER_RMS:g}"},
        {"name": "beyond 3 sigma", "value": count(summary["bound_failures"]), "rule": "counted apart from false fixes"},
        {"name": "0.1 degrees of attitude", "value": number(summary["attitude"]["metres_per_tenth_deg"], " m"),
         "rule": f"of position, from {number(summary['attitude']['height_m'], ' m')} above the ground"},
        {"name": f"plain filter: in 95{NBSP}% ellipse",
         "value": f"{percent(plain['coverage95'])}, NEES {number(plain['nees'])}", "rule": f"{_range(COVERAGE95)}, 2"},
        {"name": "plain filter: median sigma, error",
         "value": f"{number(plain['stated_px'], ' px')}, {number(plain['error_px']['median'], ' px')}",
         "rule": "it takes the fixes as independent"},
    ]


def _reasons(flight: Flight, summary: Summary) -> list[dict[str, str]]:
    first: dict[str, ReplayedFrame] = {}
    for frame in flight.frames:
        first.setdefault(str(frame.fix.reason), frame)
    return [
        {"code": code, "count": str(count), "meaning": MEANINGS[first[code].fix.reason],
         "example": f"frame {first[code].index} at {_time(flight, first[code])}: {first[code].fix.sentence}"}
        for code, count in summary["reasons"].items()
    ]


def _belief(summary: Summary) -> list[dict[str, str]]:
    rows = (("ambiguous", "frames that left more than one place", ""),
            ("prior_overruled", "fixes further from the prior than its covariance allows", ": it is surer than it should be"),
            ("map_disagrees", "frames where parts of the map were found to lie apart", ": look at the map there"))
    return [{"count": str(summary[key]), "what": what + (advice if summary[key] else "")} for key, what, advice in rows]


def _places(frame: ReplayedFrame) -> str:
    """The most probable places after a frame; those of a probability that rounds to nothing are left out."""
    told = [f"x {pose.position[0]:.0f}, y {pose.position[1]:.0f} ({percent(probability)})"
            for pose, probability in frame.fix.places[:PLACES] if probability >= LEAST_PROBABILITY]
    return f"Most probable: {'; '.join(told)}." if told else ""


def _examples(flight: Flight, reference: ReferenceMap) -> list[dict[str, Any]]:
    shown = []
    for example in flight.examples:
        frame = flight.frames[example.index]
        pictures = match_pictures(example, reference)
        if pictures is None:
            continue
        place = f"frame {frame.index} at {_time(flight, frame)}"
        if frame.fix.accepted:
            known = f", ground error {frame.ground_error_px:.2f} px" if frame.ground_error_px is not None else ""
            text = f"{place}{known}, 95 % radius {figures.radius95_px(frame, flight.gsd_m):.2f} px"
            caption = "SAR map where the fix puts the frame"
        else:
            text = f"{place}: {frame.fix.sentence}"
            caption = f"SAR map where the {'prior' if example.candidate.pose is None else 'match'} puts the frame"
        ties = example.candidate.ties
        if ties is not None:
            text += f"; {len(ties.weight)} tie points"
        title = example.title.capitalize() if frame.fix.accepted else example.title
        shown.append({"title": title, "text": text, "places": _places(frame), "sar_caption": caption, **asdict(pictures)})
    return shown


def _examples_text(summary: Summary) -> str:
    if not summary["fixes"]:
        return "The first frame of each of the most frequent reasons."
    order = "ground error" if summary["judged"] else "their own sigma"
    return f"Accepted frames in the order of {order}: at 10 %, in the middle, and the worst."


def _live(comparison: Comparison | None) -> dict[str, Any] | None:
    """The section on the live run: good, warn where there was none or frames were dropped, bad where the two contradict."""
    if comparison is None:
        return None
    whole = comparison.dropped == 0
    level = "warn" if comparison.not_run or not whole else "good" if comparison.agrees else "bad"
    return {"level": level, "sentence": sentence(comparison), "rows": rows(comparison), "differences": comparison.differences}


def _stages(summary: Summary) -> list[dict[str, str]]:
    rows = {"whole frame": {**summary["latency_ms"], "frames": summary["frames"]}, **summary["stages_ms"]}
    longest = max((row["p95"] or 0.0 for row in rows.values()), default=0.0)
    return [{"name": name, "p50": number(row["p50"]), "p95": number(row["p95"]), "frames": str(row["frames"]),
             "share": f"{100 * (row['p50'] or 0.0) / longest if longest else 0:.1f}"} for name, row in rows.items()]


def _provenance(flight: Flight, command: str | None) -> list[tuple[str, str]]:
    rows = [
        ("Bag", flight.bag),
        ("Map", flight.map),
        ("Map CRS", flight.crs),
        ("Map pixel", f"{flight.gsd_m:.6g} m"),
        ("Patch", f"{flight.patch_px} px"),
        ("Descriptor", flight.descriptor),
        ("Fingerprint", flight.fingerprint),
        ("Versions", f"promptmid {__version__}, Python {platform.python_version()}, NumPy {version('numpy')}, "
                     f"OpenCV {_opencv_version()}"),
    ]
    return [*rows, ("Command", command)] if command else rows


def _opencv_version() -> str:
    import cv2

    return str(cv2.__version__)


def _unjudged(summary: Summary) -> str:
    return "The bag has no ground truth for its fixes." if summary["fixes"] else "No frame was accepted."


def _time(flight: Flight, frame: ReplayedFrame) -> str:
    return f"{(frame.bag_ns - flight.frames[0].bag_ns) * 1e-9:.2f} s"


def _frames(count: int) -> str:
    return "frame" if count == 1 else "frames"


def _range(limits: tuple[float, float]) -> str:
    return f"{100 * limits[0]:.0f} to {100 * limits[1]:.0f} %"
