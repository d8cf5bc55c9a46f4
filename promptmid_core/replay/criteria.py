"""What a replayed flight has to come to: criteria by name, each with its meaning, its unit and how it is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.reasons import Reason
from promptmid_core.replay.metrics import FALSE_FIX_PX, Summary
from promptmid_core.replay.run import ReplayedFrame
from promptmid_core.sections import Section

LEAST, MOST = "_least", "_most"


@dataclass(frozen=True)
class Course:
    """A replayed flight and what is known to have befallen it.

    `summary` are its figures, as `summarise` gives them. `jumps` and `crossings` are indices of frames: the first taken after
    the prior or the odometry jumped, and the first whose boresight lies on the part of the map that is off.
    """

    frames: Sequence[ReplayedFrame]
    summary: Summary
    jumps: tuple[int, ...] = ()
    crossings: tuple[int, ...] = ()


@dataclass(frozen=True)
class Criterion:
    """What a name in a file of criteria stands for. `measure` gives the value, None where the flight has nothing to measure; the
    limit has to lie from `low` to `high`. One that is `of_all` is measured on all flights together, as it takes many frames."""

    name: str
    meaning: str
    unit: str
    measure: Callable[[Course], float | None]
    low: float = 0.0
    high: float = inf
    of_all: bool = False

    @property
    def is_least(self) -> bool:
        """Whether the value has to reach the limit, rather than not exceed it."""
        return self.name.endswith(LEAST)

    def met(self, value: float | None, limit: float) -> bool:
        """Return whether a value passes; one that is not known never does."""
        return value is not None and (value >= limit if self.is_least else value <= limit)

    def worst(self, values: Sequence[float | None]) -> float | None:
        """Return the value that is furthest from passing; None where one of them is not known."""
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        return min(known) if self.is_least else max(known)


def is_right(frame: ReplayedFrame) -> bool:
    """Return whether a frame has a fix that is no false one."""
    return frame.fix.accepted and frame.ground_error_px is not None and frame.ground_error_px <= FALSE_FIX_PX


def first_fix_frame(frames: Sequence[ReplayedFrame]) -> int | None:
    """Return the number, from 1 on, of the first frame with a fix; None where there is none."""
    return next((number for number, frame in enumerate(frames, 1) if frame.fix.accepted), None)


def _of_summary(*keys: str) -> Callable[[Course], float | None]:
    def measure(course: Course) -> float | None:
        value: Any = course.summary
        for key in keys:
            value = value.get(key) if value is not None else None
        return None if value is None else float(value)

    return measure


def _first(course: Course) -> float | None:
    return first_fix_frame(course.frames)


def _rate_from_first(course: Course) -> float | None:
    first = first_fix_frame(course.frames)
    return None if first is None else _rate(course.frames[first - 1:])


def _rate(frames: Sequence[ReplayedFrame]) -> float | None:
    return sum(frame.fix.accepted for frame in frames) / len(frames) if frames else None


def _stretches(course: Course, starts: Sequence[int]) -> list[Sequence[ReplayedFrame]]:
    """The frames from each start to the next."""
    ends = [*starts[1:], len(course.frames)][:len(starts)]
    return [course.frames[start:end] for start, end in zip(starts, ends, strict=True)]


def _refused_after_jump(course: Course) -> float | None:
    """The most frames, from a jump on, before a right fix; of a jump that none follows, all of them, and so not known."""
    waits = []
    for frames in _stretches(course, course.jumps):
        wait = next((index for index, frame in enumerate(frames) if is_right(frame)), None)
        if wait is None:
            return None
        waits.append(wait)
    return max(waits, default=None)


def _rate_after_jump(course: Course) -> float | None:
    rates = []
    for frames in _stretches(course, course.jumps):
        found = next((index for index, frame in enumerate(frames) if is_right(frame)), None)
        rates.append(0.0 if found is None else _rate(frames[found:]) or 0.0)
    return min(rates, default=None)


def _false_after_crossing(course: Course) -> float | None:
    false = [sum(frame.fix.accepted and not is_right(frame) for frame in frames)
             for frames in _stretches(course, course.crossings)]
    return max(false, default=None)


def _flagged_share(course: Course) -> float | None:
    flagged = [any(frame.fix.reason is Reason.MAP_DISAGREES for frame in frames)
               for frames in _stretches(course, course.crossings)]
    return sum(flagged) / len(flagged) if flagged else None


def _overruled(course: Course) -> float | None:
    return float(sum(frame.fix.overruled > 0 for frame in course.frames))


def _hypotheses(key: str) -> Callable[[Course], float | None]:
    """The share that is right, or the number, of hypotheses that are said to hold 90 to 99 % of the belief."""
    def measure(course: Course) -> float | None:
        bands = [band for band in course.summary.get("hypotheses", []) if band["said_low"] >= 0.9 and band["said_high"] <= 0.99]
        count = sum(band["n"] for band in bands)
        if key == "n":
            return float(count)
        return sum(band["right"] for band in bands) / count if count else None

    return measure


CRITERIA = {criterion.name: criterion for criterion in (
    Criterion("frames_least", "Frames that were judged.", "frames", _of_summary("frames")),
    Criterion("fixes_least", "Frames with a fix.", "frames", _of_summary("fixes")),
    Criterion("fixes_most", "Frames with a fix; 0 where the map shows another place.", "frames", _of_summary("fixes")),
    Criterion("fix_rate_least", "Share of all frames that have a fix.", "share", _of_summary("fix_rate"), high=1),
    Criterion("fix_rate_from_first_least", "Share of the frames from the first fix on that have a fix.", "share",
              _rate_from_first, high=1),
    Criterion("first_fix_frame_most", "Number, from 1 on, of the first frame with a fix.", "frames", _first),
    Criterion("false_fixes_most", f"Fixes with a ground error above {FALSE_FIX_PX:g} px.", "fixes", _of_summary("false_fixes")),
    Criterion("misleading_most", "Fixes with a ground error above 10 px.", "fixes", _of_summary("misleading")),
    Criterion("bound_failures_most", "Fixes with a horizontal error above 3 sigma.", "fixes", _of_summary("bound_failures")),
    Criterion("ground_error_median_px_most", "Median of the fixes' ground errors.", "px",
              _of_summary("ground_error_px", "median")),
    Criterion("ground_error_p95_px_most", "95th percentile of the fixes' ground errors.", "px",
              _of_summary("ground_error_px", "p95")),
    Criterion("ground_error_max_px_most", "Largest ground error of a fix.", "px", _of_summary("ground_error_px", "max")),
    Criterion("refused_after_jump_most", "Frames without a right fix from a jump of prior or odometry on; of several jumps the "
              "longest such stretch.", "frames", _refused_after_jump),
    Criterion("fix_rate_after_jump_least", "Share of the frames with a fix, from the first right one after a jump to the next "
              "jump or the end; of several the least.", "share", _rate_after_jump, high=1),
    Criterion("flagged_share_least", "Share of the crossings, from the right part of the map to one that is off, that a frame "
              f"with {Reason.MAP_DISAGREES} follows before the next crossing or the end.", "share", _flagged_share, high=1),
    Criterion("false_fixes_after_crossing_most", "False fixes from a crossing to the next or the end; of several crossings the "
              "most.", "fixes", _false_after_crossing),
    Criterion("prior_overruled_frames_least", "Frames whose fix overrules the prior.", "frames", _overruled),
    Criterion("hypotheses_right_least", "Share of the hypotheses said to hold 90 to 99 % that are right.", "share",
              _hypotheses("right"), high=1, of_all=True),
    Criterion("hypotheses_right_most", "The same, which shows too little trust in them.", "share", _hypotheses("right"),
              high=1, of_all=True),
    Criterion("hypotheses_least", "Number of hypotheses said to hold 90 to 99 %.", "hypotheses", _hypotheses("n"),
              of_all=True),
    *(Criterion(f"coverage{share}{place}_chance_least", f"How probable a share of errors in the {share} % ellipse of the {what} "
                f"as far from {share} % as this one is, to either side, were the covariance honest: by the independent samples.",
                "probability", _of_summary("coverage_chance", f"coverage{share}{place}"), high=1)
      for place, what in (("", "position"), ("_ground", "ground point")) for share in (95, 50)),
    Criterion("error_median_m_most", "Median of the fixes' horizontal position errors.", "m", _of_summary("error_m", "median")),
    Criterion("error_p95_m_most", "95th percentile of the same.", "m", _of_summary("error_m", "p95")),
    Criterion("latency_median_ms_most", "Median time of a frame on this machine, from message to verdict.", "ms",
              _of_summary("latency_ms", "p50")),
    Criterion("latency_p95_ms_most", "95th percentile of the same.", "ms", _of_summary("latency_ms", "p95")),
)}


@dataclass(frozen=True)
class Standing:
    """One criterion held against a flight: `value` is None where there was nothing to measure, which does not pass."""

    name: str
    limit: float
    value: float | None
    passed: bool


@dataclass(frozen=True)
class Criteria:
    """Limits by the names of CRITERIA. Of several flights each has to pass, or the share `flights_passed` of them."""

    limits: dict[str, float]
    flights_passed: float = 1.0

    @staticmethod
    def read(path: Path) -> Criteria:
        """Return the criteria that a YAML file holds, a limit for each name.

        Raises InputError, with file, line and name, where it cannot be used.
        """
        return Criteria.of(Section.read(path, "give a file with lines such as 'fix_rate_least: 0.95'"))

    @staticmethod
    def of(section: Section) -> Criteria:
        """Return the criteria that a part of a file holds. Raises InputError, with file, line and name, where they cannot be
        used."""
        section.only(*CRITERIA, FLIGHTS_PASSED)
        if not set(section.fields) - {FLIGHTS_PASSED}:
            raise InputError(f"{section.spelled()} names no criterion, so that nothing could fail; add one of "
                             f"{', '.join(CRITERIA)}")
        limits = {name: section.number(name, CRITERIA[name].low, CRITERIA[name].high)
                  for name in section.fields if name != FLIGHTS_PASSED}
        share = section.number(FLIGHTS_PASSED, 0, 1) if FLIGHTS_PASSED in section else 1.0
        return Criteria(limits, share)

    def judge(self, course: Course, of_all: bool = False) -> list[Standing]:
        """Return how a flight stands against each of the criteria, those that are `of_all` flights apart."""
        standings = []
        for name, limit in self.limits.items():
            criterion = CRITERIA[name]
            if criterion.of_all is of_all:
                value = criterion.measure(course)
                standings.append(Standing(name, limit, value, criterion.met(value, limit)))
        return standings

    def judge_all(self, flights: Sequence[Sequence[Standing]], whole: Course) -> list[Standing]:
        """Return how flights stand together, each of which was judged; `whole` has the frames of all.

        Of each criterion the value of the flight that is furthest from passing, and whether enough of them pass it; then what is
        measured on all; last, of several flights, the share of those that pass every criterion.
        """
        standings = []
        for each in zip(*flights, strict=True):
            share = sum(standing.passed for standing in each) / len(each)
            value = CRITERIA[each[0].name].worst([standing.value for standing in each])
            standings.append(Standing(each[0].name, each[0].limit, value, share >= self.flights_passed))
        standings += self.judge(whole, of_all=True)
        if len(flights) > 1:
            share = sum(all(standing.passed for standing in flight) for flight in flights) / len(flights)
            standings.append(Standing(FLIGHTS_PASSED, self.flights_passed, share, share >= self.flights_passed))
        return standings


FLIGHTS_PASSED = "flights_passed_least"
