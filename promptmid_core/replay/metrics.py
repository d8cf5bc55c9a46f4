"""What a replayed flight was worth: the figures of the JSON contract and the printed table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.localization.attitude import metres_per_tenth_at
from promptmid_core.reasons import Reason
from promptmid_core.replay.plainfilter import followed
from promptmid_core.replay.protected import protection
from promptmid_core.replay.repeats import autocorrelation, independent_samples, whitened, whitened_ground
from promptmid_core.replay.run import D2_50, D2_95, Flight, ReplayedFrame, horizontal
from promptmid_core.replay.shares import chance

Summary = dict[str, Any]
Values = Float64

FALSE_FIX_PX = 5.0
MISLEADING_PX = 10.0
# three sigma
D2_BOUND = 9.0
# probabilities that places are said to have, from the lower bound up to the upper
SAID = ((0.5, 0.9), (0.9, 0.99), (0.99, 0.999), (0.999, 1.0))


def summarise(flight: Flight) -> Summary:
    """Return the figures of a flight, ready for JSON; null where there are no samples.

    px are level-0 map pixels; rates and coverages are fractions. `ground_error_px`: distance on the ground between the boresight
    points of fix and truth. `error_px`, `error_m`: horizontal distance of `base_link`. `false_fixes` and `misleading`: accepted
    fixes with a ground error above 5 and 10 px, whatever their covariance says. `bound_failures`: accepted fixes whose horizontal
    Mahalanobis distance to the truth is above 3. `coverage95`, `coverage50`: share of judged fixes inside their own ellipse, and
    `coverage95_ground`, `coverage50_ground` the same of their ground points. `independent_samples`, `independent_samples_ground`:
    how many independent samples such a share rests on; `coverage_chance`: of each, how probable one so far from 95 or 50 % is, to
    either side, were the covariance honest. `filter`: what a plain filter makes of the fixes. `protection`: how wide
    their protection levels are, and how often errors exceed them.
    `median_sigma_px` is the median of sqrt(var x + var y), to be held against `rms_error_px`, the root mean square of `error_px`.
    `judged` counts the fixes that have a truth; `ambiguous` the frames that left more than one place, `prior_overruled` the fixes
    that contradict the prior, `map_disagrees` the frames under a dispute of the map with itself. `latency_ms` is over all
    frames, refused ones too. `first_fix_frame` counts from 1. `hypotheses`: of the places told of on frames that have a truth,
    those said to be true with a probability from `said_low` to `said_high`: how many, and how many of them lie within
    FALSE_FIX_PX of the truth. `attitude`: the median height above the ground of the fixes, and the metres that 0.1 degrees of
    attitude move a fix by there; `attitude_understated`, `boresight_suspect`: None, or what is to be found of both.
    """
    frames = flight.frames
    fixes = [frame for frame in frames if frame.fix.accepted]
    ground = _values(frame.ground_error_px for frame in fixes)
    error_m, error_px = _values(frame.error_m for frame in fixes), _values(frame.error_px for frame in fixes)
    d2, d2_ground = _values(frame.d2 for frame in fixes), _values(frame.d2_ground for frame in fixes)
    sigma, prior_error = (_values(getattr(frame, name) for frame in those)
                          for name, those in (("sigma_px", fixes), ("prior_error_px", frames)))
    rms = float(np.sqrt(np.mean(np.square(error_px)))) if len(error_px) else None
    median_sigma = float(np.median(sigma)) if len(sigma) else None
    samples, samples_ground = (independent_samples(fixes, error) for error in (whitened, whitened_ground))
    shares = {"coverage95": _share(d2, D2_95), "coverage50": _share(d2, D2_50),
              "coverage95_ground": _share(d2_ground, D2_95), "coverage50_ground": _share(d2_ground, D2_50)}
    return {
        "frames": len(frames),
        "fixes": len(fixes),
        "fix_rate": len(fixes) / len(frames) if frames else None,
        "first_fix_frame": next((i for i, frame in enumerate(frames, 1) if frame.fix.accepted), None),
        "judged": len(d2),
        "false_fixes": _above(ground, FALSE_FIX_PX, fixes),
        "misleading": _above(ground, MISLEADING_PX, fixes),
        "bound_failures": _above(d2, D2_BOUND, fixes),
        "ground_error_px": _spread(ground),
        "ground_error_m": _spread(ground * flight.gsd_m),
        "error_px": _spread(error_px),
        "error_m": _spread(error_m),
        "prior_error_px": _spread(prior_error),
        "prior_error_m": _spread(prior_error * flight.gsd_m),
        **shares,
        "independent_samples": samples,
        "independent_samples_ground": samples_ground,
        "coverage_chance": {name: chance(share, 0.95 if "95" in name else 0.5,
                                         samples_ground if name.endswith("ground") else samples)
                            for name, share in shares.items()},
        "autocorrelation": autocorrelation(fixes, flight.gsd_m),
        "filter": followed(frames, flight.gsd_m),
        "protection": protection(fixes, flight.gsd_m, samples),
        "median_sigma_px": _rounded(median_sigma),
        "rms_error_px": _rounded(rms),
        "sigma_over_rms": _rounded(median_sigma / rms) if median_sigma is not None and rms else None,
        "hypotheses": _hypotheses(frames, flight.gsd_m),
        "latency_ms": _percentiles(np.array([frame.latency_ms for frame in frames])),
        "stages_ms": _stages(frames),
        "reasons": dict(Counter(str(frame.fix.reason) for frame in frames if not frame.fix.accepted).most_common()),
        "states": dict(Counter(str(frame.fix.state) for frame in frames)),
        "ambiguous": sum(frame.fix.reason is Reason.AMBIGUOUS for frame in frames),
        "prior_overruled": sum(frame.fix.overruled > 0 for frame in fixes),
        "map_disagrees": sum(frame.fix.dispute is not None for frame in frames),
        "attitude": _attitude(fixes),
        "attitude_understated": asdict(flight.understated) | {"times": flight.understated.times} if flight.understated else None,
        "boresight_suspect": asdict(flight.suspicion) if flight.suspicion else None,
        "findings": findings(flight),
        "patch_px": flight.patch_px,
        "gsd_m": flight.gsd_m,
        "descriptor": flight.descriptor,
        "fingerprint": flight.fingerprint,
        "crs": flight.crs,
        "map": flight.map,
        "bag": flight.bag,
        "notes": list(flight.notes),
    }


def findings(flight: Flight) -> list[str]:
    """Return what a flight shows to be wrong with the aircraft's equipment, a sentence each."""
    return [str(found) for found in (flight.understated, flight.suspicion) if found is not None]


def table(summary: Summary) -> str:
    """Return the summary as aligned plain text."""
    frames, chances = summary["frames"], summary["coverage_chance"]
    lines = [
        f"bag         {summary['bag']}",
        f"map         {summary['map']}   {summary['gsd_m']:.4g} m per pixel, {summary['crs']}",
        f"descriptor  {summary['descriptor']}   patch {summary['patch_px']} px",
        "",
        f"frames          {frames:>7}",
        f"fixes           {summary['fixes']:>7}   {_percent(summary['fix_rate'])} of frames",
        f"false fixes     {_count(summary['false_fixes']):>7}   ground error above {FALSE_FIX_PX:g} px",
        f"first fix       {_count(summary['first_fix_frame']):>7}   frame, counted from 1",
        f"misleading      {_count(summary['misleading']):>7}   ground error above {MISLEADING_PX:g} px",
        f"bound failures  {_count(summary['bound_failures']):>7}   horizontal error above 3 sigma",
        f"ambiguous       {summary['ambiguous']:>7}   frames that left more than one place",
        f"prior overruled {summary['prior_overruled']:>7}   fixes further from the prior than its covariance allows",
        f"map disagrees   {summary['map_disagrees']:>7}   frames where parts of the map were found to lie apart",
        "",
        f"{'':17}{'median':>9}{'p95':>9}{'max':>9}",
    ]
    for title, key in (("ground error", "ground_error"), ("position error", "error"), ("prior error", "prior_error")):
        for unit in ("px", "m"):
            spread = summary[f"{key}_{unit}"]
            lines.append(f"{f'{title} {unit}':17}" + "".join(f"{_number(spread[name]):>9}" for name in ("median", "p95", "max")))
    lines += [
        "",
        f"{'':31}{'position':>9}{'ground point':>14}",
        *(f"{title:31}{told(summary[key]):>9}{told(summary[f'{key}_ground']):>14}" for title, key, told in (
            ("coverage of the 95 % ellipse", "coverage95", _percent), ("coverage of the 50 % ellipse", "coverage50", _percent),
            ("independent samples", "independent_samples", _number))),
        *(f"chance of such a {share} % share     {_chance(chances[f'coverage{share}']):>9}"
          f"{_chance(chances[f'coverage{share}_ground']):>14}" for share in (95, 50)),
        f"median sigma / RMS error       {_number(summary['median_sigma_px'])} px / {_number(summary['rms_error_px'])} px"
        f" = {_number(summary['sigma_over_rms'])}",
        *_filter_lines(summary["filter"]),
        *_protection_lines(summary["protection"]),
        "",
        f"0.1 degrees of attitude move a fix by {_number(summary['attitude']['metres_per_tenth_deg'])} m, from "
        f"{_number(summary['attitude']['height_m'])} m above the ground",
        *(f"finding: {sentence}" for sentence in summary["findings"]),
        "",
        f"{'milliseconds':16}{'p50':>9}{'p95':>9}{'frames':>9}",
        f"{'latency':16}{_milliseconds(summary['latency_ms'])}{frames:>9}",
    ]
    lines += [f"  {name:14}{_milliseconds(stage)}{stage['frames']:>9}" for name, stage in summary["stages_ms"].items()]
    lines += ["", "refused frames"]
    lines += [f"  {code:24}{count:>7}" for code, count in summary["reasons"].items()] or ["  none"]
    lines += ["", *(f"note: {note}" for note in summary["notes"])] if summary["notes"] else []
    return "\n".join(lines)


def _filter_lines(plain: Summary) -> list[str]:
    median, p95 = (_number(plain["error_px"][name]) for name in ("median", "p95"))
    return [
        "",
        "a plain filter of these fixes, which takes them for independent",
        f"coverage of its 95 % ellipse   {_percent(plain['coverage95'])}   NEES {_number(plain['nees'])}, honest is 2",
        f"median sigma / error           {_number(plain['stated_px'])} px / {median} px, 95 % within {p95} px",
    ]


def _protection_lines(levels: Summary) -> list[str]:
    unbounded = f"; {levels['unbounded']} fixes have none" if levels["unbounded"] else ""
    return [
        "",
        f"median protection level        {_number(levels['level_px_median'])} px, exceeded by {_count(levels['exceeded'])} fixes"
        f"{unbounded}",
        f"share that exceeds it          at most {_percent(levels['bound'])}, by the independent samples",
    ]


def _attitude(fixes: Sequence[ReplayedFrame]) -> dict[str, float | None]:
    told = [(frame.fix.pose, frame.fix.ground) for frame in fixes]
    seen = [(pose, ground) for pose, ground in told if pose is not None and ground is not None]
    heights = _values(float(pose.position[2] - ground.point[2]) for pose, ground in seen)
    metres = _values(metres_per_tenth_at(pose, ground) for pose, ground in seen)
    return {"height_m": _median(heights), "metres_per_tenth_deg": _median(metres)}


def _median(values: Values) -> float | None:
    return _rounded(float(np.median(values))) if len(values) else None


def _values(values: Iterable[float | None]) -> Values:
    return np.array([value for value in values if value is not None], dtype=np.float64)


def _share(d2: Values, limit: float) -> float | None:
    return float((d2 <= limit).mean()) if len(d2) else None


def _above(values: Values, limit: float, fixes: Sequence[ReplayedFrame]) -> int | None:
    """How many exceed the limit; None where there are fixes but no truth to judge them by."""
    return None if fixes and not len(values) else int((values > limit).sum())


def _hypotheses(frames: Sequence[ReplayedFrame], gsd_m: float) -> list[dict[str, float | int]]:
    told = [place for frame in frames for place in told_places(frame, gsd_m)]
    found = []
    for low, high in SAID:
        those = [is_right for said, is_right in told if low <= said and (said < high or high == 1)]
        found.append({"said_low": low, "said_high": high, "n": len(those), "right": sum(those)})
    return found


def told_places(frame: ReplayedFrame, gsd_m: float) -> list[tuple[float, bool]]:
    """Return the probability of each place that a frame tells of, and whether that lies within FALSE_FIX_PX of the truth; none
    where the frame has no truth."""
    truth = frame.truth
    return [] if truth is None else [(said, horizontal(place, truth) <= FALSE_FIX_PX * gsd_m) for place, said in frame.fix.places]


def _spread(values: Values) -> dict[str, float | None]:
    if not len(values):
        return {"median": None, "p95": None, "max": None}
    return {"median": _rounded(float(np.median(values))), "p95": _rounded(float(np.percentile(values, 95))),
            "max": _rounded(float(values.max()))}


def _percentiles(values: Values) -> dict[str, float | None]:
    if not len(values):
        return {"p50": None, "p95": None}
    return {"p50": round(float(np.percentile(values, 50)), 3), "p95": round(float(np.percentile(values, 95)), 3)}


def _stages(frames: Sequence[ReplayedFrame]) -> dict[str, dict[str, float | int | None]]:
    """Per stage, in the order in which frames went through them: median, 95th percentile, and how many frames reached it."""
    times: dict[str, list[float]] = {}
    # the frame with the most stages shows the order; refused frames stop earlier
    for frame in sorted(frames, key=lambda frame: -len(frame.fix.candidate.stage_ms)):
        for name, value in frame.fix.candidate.stage_ms.items():
            times.setdefault(name, []).append(value)
    return {name: {**_percentiles(np.array(values)), "frames": len(values)} for name, values in times.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _chance(value: float | None) -> str:
    return "-" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _milliseconds(stage: dict[str, Any]) -> str:
    return f"{_number(stage['p50']):>9}{_number(stage['p95']):>9}"
