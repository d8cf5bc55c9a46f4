"""Robustness: how far a method's success depends on the protocol, patch size and search radius, that it is measured by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from promptmid_core.bench.matchers import Matcher
from promptmid_core.bench.pairs import Pair, by_source
from promptmid_core.bench.run import Progress, run
from promptmid_core.bench.scores import Row, score
from promptmid_core.bench.trials import NoPlace, Setting, Trial, draw

Success = dict[tuple[str, str], float]  # within the source's own score_px, by source and method


def measured(pairs: Sequence[Pair], trials: Sequence[Trial], matchers: Sequence[Matcher], setting: Setting, *,
             journal: Path | None = None, progress: Progress | None = None) -> Success:
    """Return the success at the patch and radius of `setting`, with as many trials a source as `trials` has.

    A source without room for such a window is not in it. The journal is as `run` takes it.
    """
    counts = Counter(trial.source for trial in trials)
    drawn, kept = [], []
    for source, group in by_source(pairs):
        try:
            drawn += draw(group, replace(setting, trials=counts[source]))[0]
        except NoPlace:
            continue
        kept += group
    rows = score(run(kept, drawn, matchers, setting, journal=journal, progress=progress), kept, matchers, setting)
    return {(row["source"], row["method"]): _within(row) for row in rows}


def table(rows: Sequence[Row]) -> str:
    """Return what `by_protocol` of the rows holds as aligned plain text: the least, the most, how many times that is, and all."""
    lines = []
    wide = max(len(row["method"]) for row in rows) + 2
    for source in dict.fromkeys(row["source"] for row in rows):
        of_source = [row for row in rows if row["source"] == source]
        names = [name for name, value in of_source[0]["by_protocol"].items() if value is not None]
        lines += [f"{source}: success within {of_source[0]['score_px']:g} px by patch/radius",
                  f"  {'method':{wide}}{'least':>7}{'most':>7}{'ratio':>7}   {''.join(f'{name:>8}' for name in names)}"]
        for row in of_source:
            values = [row["by_protocol"][name] for name in names]
            ratio = f"{max(values) / min(values):7.2f}" if min(values, default=0) else f"{'-':>7}"
            lines.append(f"  {row['method']:{wide}}{min(values):7.3f}{max(values):7.3f}{ratio}   "
                         + "".join(f"{value:8.3f}" for value in values))
        missing = [name for name in of_source[0]["by_protocol"] if name not in names]
        if missing:
            lines.append(f"  no room for {', '.join(missing)}")
        lines.append("")
    return "\n".join(lines)


def _within(row: Row) -> float:
    """The success within `score_px`, which is one of the thresholds."""
    return float(row["success"][f"{row['score_px']:g}"])
