"""Criteria against flights whose errors, jumps and crossings are known."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from refusals import told
from test_metrics import fixed, flight, moved, refused

from promptmid_core.reasons import Reason
from promptmid_core.replay.criteria import CRITERIA, FLIGHTS_PASSED, Course, Criteria, Standing, first_fix_frame
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.run import ReplayedFrame

NO = Reason.LOW_TEXTURE


def frames(text: str) -> list[ReplayedFrame]:
    """A frame for each character: `.` refused, `r` a right fix, 1 px off, `f` a false one, 8 px off, `m` 20 px off."""
    off = {"r": 1.0, "f": 8.0, "m": 20.0}
    return [fixed(index, moved(off[each])) if each in off else refused(index, NO) for index, each in enumerate(text)]


def course(text: str, jumps: tuple[int, ...] = (), crossings: tuple[int, ...] = ()) -> Course:
    flown = frames(text)
    return Course(flown, summarise(flight(flown)), jumps, crossings)


def value(name: str, flown: Course) -> float | None:
    return CRITERIA[name].measure(flown)


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("frames_least", "..rfm", 5), ("fixes_least", "..rfm", 3), ("fixes_most", "..rfm", 3), ("fix_rate_least", "..rfm", 0.6),
    ("fix_rate_from_first_least", "..rf.", 2 / 3), ("fix_rate_from_first_least", "...", None),
    ("first_fix_frame_most", "..rf.", 3), ("first_fix_frame_most", "...", None),
    ("false_fixes_most", "..rfm", 2), ("misleading_most", "..rfm", 1), ("false_fixes_most", "...", 0),
    ("ground_error_median_px_most", "..rfm", 8), ("ground_error_max_px_most", "..rfm", 20),
    ("ground_error_max_px_most", "...", None),
    ("ground_error_p95_px_most", "rrm", 18.1), ("bound_failures_most", "rrrm", 1), ("latency_median_ms_most", "rrr", 13),
    ("latency_p95_ms_most", "rrr", 13.9),
])
def test_what_a_criterion_measures(name: str, text: str, expected: float | None) -> None:
    assert value(name, course(text)) == (expected if expected is None else pytest.approx(expected, abs=1e-4))


@pytest.mark.parametrize(("text", "jumps", "refused_most", "rate"), [
    ("rrr..rrr", (3,), 2, 1.0), ("rrrf.rrr", (3,), 2, 1.0), ("rrr..rr.", (3,), 2, 2 / 3), ("rrr.....", (3,), None, 0.0),
    ("rr.rrr..r.", (2, 6), 2, 0.5), ("rr.rrr....", (2, 6), None, 0.0), ("rrrrr", (3,), 0, 1.0), ("rrrrr", (), None, None),
])
def test_a_jump_is_over_with_the_first_right_fix(text: str, jumps: tuple[int, ...], refused_most: float | None,
                                                 rate: float | None) -> None:
    flown = course(text, jumps=jumps)
    assert value("refused_after_jump_most", flown) == refused_most
    assert value("fix_rate_after_jump_least", flown) == (rate if rate is None else pytest.approx(rate))


def test_false_fixes_count_from_the_crossing_to_the_next() -> None:
    assert value("false_fixes_after_crossing_most", course("ffrrffrrmff", crossings=(4, 8))) == 3
    assert value("false_fixes_after_crossing_most", course("ffrrr", crossings=(2,))) == 0
    assert value("false_fixes_after_crossing_most", course("ffrrr")) is None
    assert value("flagged_share_least", course("ffrrr")) is None
    assert value("flagged_share_least", course("rrrrr", crossings=(1, 3))) == 0
    flown = course("rrrrrrr", crossings=(1, 3, 5))
    flagged = [refused(index, Reason.MAP_DISAGREES) if index in (0, 4) else frame for index, frame in enumerate(flown.frames)]
    assert value("flagged_share_least", replace(flown, frames=flagged)) == pytest.approx(1 / 3)


def test_a_prior_is_overruled_by_fixes_that_say_so() -> None:
    flown = course("rr.")
    assert value("prior_overruled_frames_least", flown) == 0
    overruling = replace(flown.frames[1], fix=replace(flown.frames[1].fix, overruled=6.0))
    assert value("prior_overruled_frames_least", replace(flown, frames=[flown.frames[0], overruling, flown.frames[2]])) == 1


def test_hypotheses_are_judged_from_90_to_99_percent() -> None:
    flown = course("r")
    bands = [{"said_low": low, "said_high": high, "n": n, "right": right}
             for low, high, n, right in ((0.5, 0.9, 99, 1), (0.9, 0.95, 30, 24), (0.95, 0.99, 10, 10), (0.99, 1.0, 9, 0))]
    flown = replace(flown, summary=flown.summary | {"hypotheses": bands})
    assert value("hypotheses_least", flown) == 40
    assert value("hypotheses_right_least", flown) == value("hypotheses_right_most", flown) == pytest.approx(0.85)
    assert value("hypotheses_right_least", course("r")) is None and value("hypotheses_least", course("r")) == 0


def test_limits_are_met_from_their_side_and_never_by_what_is_not_known() -> None:
    least, most = CRITERIA["fix_rate_least"], CRITERIA["false_fixes_most"]
    assert [least.met(v, 0.5) for v in (0.4, 0.5, 0.6, None)] == [False, True, True, False]
    assert [most.met(v, 5) for v in (4, 5, 6, None)] == [True, True, False, False]
    assert (least.worst([0.4, 0.6]), most.worst([4, 6]), most.worst([4, None]), most.worst([])) == (0.4, 6, None, None)


def test_every_name_says_its_side_and_every_criterion_its_meaning() -> None:
    for name, criterion in CRITERIA.items():
        assert name == criterion.name and re.search("_(least|most)$", name) and criterion.meaning.endswith(".") and criterion.unit


def test_of_several_flights_each_passes_or_a_share_that_is_said() -> None:
    flown = [course("rrrr"), course("rrr."), course("....")]

    def judged(share: float) -> list[Standing]:
        criteria = Criteria({"fix_rate_least": 0.7, "false_fixes_most": 0}, share)
        return criteria.judge_all([criteria.judge(each) for each in flown], flown[0])

    assert judged(1.0) == [Standing("fix_rate_least", 0.7, 0.0, False), Standing("false_fixes_most", 0, 0, True),
                           Standing(FLIGHTS_PASSED, 1.0, pytest.approx(2 / 3), False)]
    assert [standing.passed for standing in judged(0.66)] == [True, True, True]
    alone = Criteria({"fix_rate_least": 0.7})
    assert alone.judge_all([alone.judge(flown[0])], flown[0]) == [Standing("fix_rate_least", 0.7, 1.0, True)]


def test_a_share_counts_flights_that_pass_all_criteria_at_once() -> None:
    flown = [course("rrr."), course("mrrr")]
    criteria = Criteria({"fix_rate_least": 1.0, "false_fixes_most": 0}, 0.5)
    standings = criteria.judge_all([criteria.judge(each) for each in flown], flown[0])
    assert [standing.passed for standing in standings] == [True, True, False]


def test_what_takes_all_flights_is_measured_on_them_together() -> None:
    bands = [{"said_low": 0.9, "said_high": 0.99, "n": 40, "right": 36}]
    whole = course("rr")
    whole = replace(whole, summary=whole.summary | {"hypotheses": bands})
    criteria = Criteria({"hypotheses_least": 40, "fix_rate_least": 1})
    each = criteria.judge(course("r"))
    assert [standing.name for standing in each] == ["fix_rate_least"]
    assert criteria.judge_all([each], whole)[1] == Standing("hypotheses_least", 40, 40, True)


def test_the_first_fix_is_counted_from_one() -> None:
    assert first_fix_frame(frames("..f")) == 3
    assert first_fix_frame(frames("...")) is None


@pytest.mark.parametrize(("text", "said"), [
    ("fix_rate_leest: 0.9", "line 1: fix_rate_leest is not known here; did you mean fix_rate_least?"),
    ("fix_rate_least: 95", "line 1: fix_rate_least is 95; it has to be a number from 0 to 1"),
    ("a_b: 1", "line 1: a_b is not known here; there are frames_least"),
    ("fix_rate_least: 0.9\nfalse_fixes_most: -1", "line 2: false_fixes_most is -1; it has to be a number from 0 to inf"),
    ("fix_rate_least: .nan", "line 1: fix_rate_least is nan"), ("fix_rate_least: '1'", "line 1: fix_rate_least is '1'"),
    ("flights_passed_least: 0.5", "names no criterion, so that nothing could fail"), ("- 1", "is no table"),
    ("fix_rate_least: 1\nflights_passed_least: 2", "line 2: flights_passed_least is 2; it has to be a number from 0 to 1"),
])
def test_criteria_that_are_wrong_are_told_with_their_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "criteria.yaml").write_text(text)
    assert said in told(Criteria.read, tmp_path / "criteria.yaml")


def test_criteria_are_read_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "criteria.yaml").write_text("false_fixes_most: 0\nfix_rate_least: 0.95\nflights_passed_least: 0.9\n")
    criteria = Criteria.read(tmp_path / "criteria.yaml")
    assert criteria == Criteria({"false_fixes_most": 0.0, "fix_rate_least": 0.95}, 0.9)
    assert list(criteria.limits) == ["false_fixes_most", "fix_rate_least"]
