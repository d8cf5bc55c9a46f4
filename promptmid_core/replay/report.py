"""The report of a flight: one HTML file that carries its pictures, and that one can move in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptmid_core.files import write_whole
from promptmid_core.pages.page import number, percent, rendered
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay import facts, figures
from promptmid_core.replay.causes import Cause, causes_of
from promptmid_core.replay.criteria import Course
from promptmid_core.replay.framedata import framedata, shown
from promptmid_core.replay.gallery import gallery, gallery_text
from promptmid_core.replay.headline import headline
from promptmid_core.replay.live import Comparison, rows, sentence
from promptmid_core.replay.mapview import mapview
from promptmid_core.replay.metrics import FALSE_FIX_PX, Summary
from promptmid_core.replay.origin import origin
from promptmid_core.replay.run import Flight
from promptmid_core.replay.shots import Shot
from promptmid_core.replay.verdict import Ruling, judged

SCRIPTS = ("pages/zoom.js", "replay/frames.js")


def write_report(path: Path, flight: Flight, summary: Summary, reference: ReferenceMap, **more: Any) -> None:
    """Write the report of `flight` to `path`, replacing it at once or not at all; `more` as for `render`. Raises InputError where
    it cannot be written."""
    write_whole(path, render(flight, summary, reference, **more))


def render(flight: Flight, summary: Summary, reference: ReferenceMap, *, verdict: Ruling | None = None,
           causes: tuple[Cause, ...] | None = None, shots: Mapping[int, Shot] | None = None, live: Comparison | None = None,
           command: str | None = None) -> str:
    """Return the report as HTML; every text from outside is escaped.

    `verdict` is that by the usual criteria and `causes` those that the frames tell of, where they are not given. `shots` are the
    pictures of frames, by index; `live` is the comparison with the same flight flown live, where there is one.
    """
    has_truth = any(frame.truth is not None for frame in flight.frames)
    verdict = verdict or judged(Course(flight.frames, summary))
    frames = shown(flight, FALSE_FIX_PX)
    view = mapview(flight, reference, frames)
    return rendered(
        "replay/report.html.j2", scripts=SCRIPTS,
        title=f"Replay of {Path(flight.bag).name}",
        s=summary,
        head=headline(summary),
        verdict={"word": verdict.word, "by": verdict.by, "level": facts.LEVELS[verdict.passed], "rows": facts.criteria(verdict)},
        causes=causes_of(flight, reference.terrain()) if causes is None else causes,
        tiles=facts.tiles(summary),
        map=view,
        frames=framedata(flight, frames, None if view is None else view.places, shots or {}) if frames else None,
        shows_frames=bool(shots),
        plots={
            "time": figures.errors_over_time(flight), "ground": figures.ground_errors(flight),
            "calibration": figures.calibration(flight), "stanford": figures.stanford(flight),
            "innovation": figures.innovations(flight), "latency": figures.latency(flight),
        },
        map_text=f"North is up. Frames without a fix stand {'at their true place' if has_truth else 'at their prior'}.",
        time_text=_time_text(summary, has_truth),
        unjudged="The bag has no ground truth for its fixes." if summary["fixes"] else "No frame was accepted.",
        errors=[{"name": name, "values": [f"{number(summary[f'{key}_px'][column])} px" for column in columns],
                 "metres": [number(summary[f"{key}_m"][column], " m", 1) for column in columns]}
                for columns in [("median", "p95", "max")]
                for name, key in (("ground", "ground_error"), ("position", "error"), ("prior", "prior_error"))],
        covariance=facts.covariance(summary),
        protection=facts.protection(summary),
        reasons=facts.reasons(flight, summary),
        reasons_text=f"{percent(1 - summary['fix_rate'])} of frames gave no fix." if summary["fix_rate"] is not None else "",
        belief=facts.belief(summary),
        examples=gallery(flight, reference),
        examples_title="Example matches" if summary["fixes"] else "Examples of refused frames",
        examples_text=gallery_text(summary),
        live=_live(live),
        stages=facts.stages(summary),
        provenance=origin(flight, reference, command),
    )


def _time_text(summary: Summary, has_truth: bool) -> str:
    parts = ["Position error of each fix and of the prior."] if has_truth else []
    if summary["fixes"]:
        parts.append("The band is the radius inside which the covariance of a fix promises 95 % of errors: half the long axis of "
                     "the ellipse.")
    return " ".join([*parts, "The scale is logarithmic."])


def _live(comparison: Comparison | None) -> dict[str, Any] | None:
    """The section on the live run: good, warn where there was none or frames were dropped, bad where the two contradict."""
    if comparison is None:
        return None
    whole = comparison.dropped == 0
    level = "warn" if comparison.not_run or not whole else "good" if comparison.agrees else "bad"
    return {"level": level, "sentence": sentence(comparison), "rows": rows(comparison), "differences": comparison.differences}
