"""What a bench run found: one row per source and method, and the printed table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float64, Mask
from promptmid_core.bench.matchers import Matcher
from promptmid_core.bench.pairs import Pair, by_source
from promptmid_core.bench.run import Result
from promptmid_core.bench.strata import DAYS, apart, resolution, shares
from promptmid_core.bench.trials import Setting

Row = dict[str, Any]

THRESHOLDS_PX = (1, 3, 5, 10)
REPLICATES = 2000
SAME_GSD = 1.1
STRATA = {"landuse": "land use", "by_gsd": "ground resolution", "by_days": "days between the images"}


def score(results: Sequence[Result], pairs: Sequence[Pair], matchers: Sequence[Matcher], setting: Setting, *,
          by_days: bool = False) -> list[Row]:
    """Return one row per source and method, ready for JSON; null where there is nothing to say.

    `success`: share of trials with an error of at most so many px; `interval95`: its bootstrap interval over pairs, which is what
    a new place would vary by: pairs of one optical image are drawn together, and of a single one its trials. `median_px`,
    `rmse_px` are over the trials within `score_px`; `fix_rate`: share that the method's gate accepts; `false_fix_rate`: share of
    all trials accepted with an error above `score_px`. `landuse`, `by_gsd` and, where it is asked for, `by_days` hold the success
    within `score_px` by stratum. `versus` holds the difference and the ratio of the success at 5 px to the first method's, paired
    over trials.
    """
    rows = []
    for source, group in by_source(pairs):
        of_source = [result for result in results if result.trial.source == source]
        first = None
        known = {pair.id: pair for pair in group}
        for matcher in matchers:
            chosen = [result for result in of_source if result.method == matcher.name]
            errors = np.array([result.error_px for result in chosen])
            places = np.unique([str(known[result.trial.pair].optical) for result in chosen], return_inverse=True)[1]
            if not places.any():  # one place says nothing of others, but its trials of themselves
                places = np.arange(len(chosen))
            row = _row(source, matcher, chosen, errors, places, group, setting)
            days = [known[result.trial.pair].dated.days for result in chosen]
            if by_days:
                row |= _by_days(errors <= row["score_px"], days)
            if first is None:
                first = matcher.name, errors
            else:
                versus = _versus(errors <= 5, first[1] <= 5, places, setting.seed)
                if by_days:
                    versus["by_days"] = {name: _versus_of(errors <= 5, first[1] <= 5, places, setting.seed,
                                                          np.array([apart(each) == name for each in days])) for name in DAYS}
                row["versus"] = {first[0]: versus}
            rows.append(row)
    return rows


def table(rows: Sequence[Row], left_out: dict[str, int]) -> str:
    """Return the rows as aligned plain text, with what they were made with."""
    lines = []
    wide = max((len(row["method"]) for row in rows), default=0) + 2
    for source in dict.fromkeys(row["source"] for row in rows):
        of_source = [row for row in rows if row["source"] == source]
        head = of_source[0]
        gsd = f"1 px = {head['gsd_m']:g} m" if head["gsd_m"] else "metres per px unknown or mixed"
        unfit = left_out.get(source, 0)
        lines += [
            f"{source}: {head['trials']} trials on {head['pairs']} pairs"
            + (f" ({unfit} more have no room for them)" if unfit else ""),
            f"patch {head['patch_px']} px, radius {head['radius_px']} px, turn {head['yaw_deg']:g} deg, scale "
            f"{head['scale_percent']:g} %, seed {head['seed']}; {gsd}",
            f"  {'method':{wide}}{'1 px':>7}{'3 px':>7}{'5 px':>7}{'95 % interval':>17}{'10 px':>7}{'median':>8}{'rmse':>7}"
            f"{'fixes':>8}{'false':>7}{'s/pair':>9}",
        ]
        for row in of_source:
            share = [f"{row['success'][str(px)]:7.3f}" for px in THRESHOLDS_PX]
            low, high = row["interval95"]["5"]
            interval = f"[{low:.3f}, {high:.3f}]"
            lines.append(f"  {row['method']:{wide}}{''.join(share[:3])}{interval:>17}{share[3]}"
                         f"{_number(row['median_px'], 8)}{_number(row['rmse_px'], 7)}{row['fix_rate']:8.3f}"
                         f"{row['false_fix_rate']:7.3f}{row['seconds_median']:9.4f}")
        for row in of_source:
            for method, versus in row.get("versus", {}).items():
                lines.append(f"  {row['method']} less {method} within 5 px: {_difference(versus)}")
                lines += [f"    at {name} days: {_difference(its)}" for name, its in versus.get("by_days", {}).items() if its]
        for key, what in STRATA.items():
            lines += [f"  {row['method']} within {row['score_px']:g} px by {what}: {_listed(row[key])}"
                      for row in of_source if row.get(key)]
        if head.get("undated"):
            lines.append(f"  {head['undated']} trials are of images whose days are not known, and left out of those by days")
        lines += [f"  median and rmse of the trials within {head['score_px']:g} px; a false fix is accepted and beyond that", ""]
    lines += ["accepted as a fix:", *(f"  {name}: {gate}" for name, gate in {row["method"]: row["gate"] for row in rows}.items())]
    return "\n".join(lines)


def _row(source: str, matcher: Matcher, results: Sequence[Result], errors: Float64, places: NDArray[np.intp],
         pairs: Sequence[Pair], setting: Setting) -> Row:
    limit = pairs[0].score_px
    good = errors[errors <= limit]
    accepted = np.array([result.answer is not None and result.answer.accepted for result in results])
    known = {pair.id: pair for pair in pairs}
    tried = [known[result.trial.pair] for result in results]
    return {
        "source": source,
        "method": matcher.name,
        "trials": len(results),
        "pairs": len({pair.id for pair in tried}),
        "patch_px": setting.patch,
        "radius_px": setting.radius,
        "yaw_deg": setting.yaw_deg,
        "scale_percent": setting.scale_percent,
        "seed": setting.seed,
        "gate": matcher.gate,
        "gsd_m": _gsd(pairs),
        "score_px": limit,
        "success": {str(px): _rounded((errors <= px).mean()) for px in THRESHOLDS_PX},
        "interval95": {str(px): _interval(_replicates(errors <= px, places, setting.seed)) for px in THRESHOLDS_PX},
        "median_px": _rounded(np.median(good)) if len(good) else None,
        "rmse_px": _rounded(np.sqrt(np.mean(good ** 2))) if len(good) else None,
        "fix_rate": _rounded(accepted.mean()),
        "false_fix_rate": _rounded((accepted & (errors > limit)).mean()),
        "seconds_median": _rounded(np.median([result.seconds for result in results])),
        "landuse": _rounded_each(shares(errors <= limit, [pair.landuse for pair in tried])),
        "by_gsd": _rounded_each(shares(errors <= limit, [resolution(pair.gsd_m) for pair in tried])),
    }


def _by_days(success: Mask, days: Sequence[int | None]) -> Row:
    found = _rounded_each(shares(success, [apart(each) for each in days]))
    return {"by_days": {name: found.get(name) for name in DAYS}, "undated": days.count(None)}


def _versus(these: Mask, those: Mask, places: NDArray[np.intp], seed: int) -> Row:
    # the same pairs are drawn for both, so what a pair makes hard for both cancels
    mine, other = _replicates(these, places, seed), _replicates(those, places, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = mine / other
    base = float(those.mean())
    return {
        "difference5": _rounded(these.mean() - those.mean()),
        "interval95": _interval(mine - other),
        "ratio5": _rounded(these.mean() / base) if base else None,
        "ratio_interval95": _interval(ratios) if np.isfinite(ratios).all() else None,
    }


def _versus_of(these: Mask, those: Mask, places: NDArray[np.intp], seed: int, chosen: Mask) -> Row | None:
    """The same of chosen trials alone; None where there is none."""
    if not chosen.any():
        return None
    return _versus(these[chosen], those[chosen], np.unique(places[chosen], return_inverse=True)[1], seed)


def _replicates(success: Mask, places: NDArray[np.intp], seed: int) -> Float64:
    """The share of successes (REPLICATES,) with the pairs drawn anew, with replacement."""
    hits, counts = np.bincount(places, success), np.bincount(places)
    drawn = np.random.default_rng(seed).integers(0, len(counts), (REPLICATES, len(counts)))
    return np.asarray(hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1), np.float64)


def _interval(replicates: Float64) -> list[float]:
    return [_rounded(value) for value in np.percentile(replicates, (2.5, 97.5))]


def _gsd(pairs: Sequence[Pair]) -> float | None:
    """The median, where it is known of every pair and much the same."""
    known = [pair.gsd_m for pair in pairs if pair.gsd_m is not None]
    if len(known) < len(pairs) or max(known) > SAME_GSD * min(known):
        return None
    return _rounded(np.median(known))


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 6)


def _rounded_each(values: dict[str, float]) -> dict[str, float]:
    return {name: _rounded(value) for name, value in values.items()}


def _listed(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in values.items())


def _number(value: float | None, width: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.2f}"


def _difference(versus: Row) -> str:
    low, high = versus["interval95"]
    text = f"{versus['difference5']:+.3f} [{low:+.3f}, {high:+.3f}]"
    if versus["ratio5"] is None:
        return text
    interval = versus["ratio_interval95"]
    return f"{text}, ratio {versus['ratio5']:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")
