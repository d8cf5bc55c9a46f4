"""The log of a flight: the first fix, each change of state, why it was lost, with place and time, and nothing else."""

from dataclasses import replace

import numpy as np
from judged import fix_at, refused_at

from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.fix import Fix, State
from promptmid_core.outputs.match_keys import Judged
from promptmid_core.outputs.story import Story
from promptmid_core.reasons import Reason


def fixed(index: int, x: float) -> Fix:
    return fix_at(index, np.array([x, -20.0]), np.zeros(2)).fix


def refused(index: int, state: State, reason: Reason, sentence: str, x: float | None = None) -> Fix:
    fix = refused_at(index, np.zeros(2)).fix
    prior = Prior(fix.stamp_ns, Pose(np.array([x, 7.0, 900.0]), np.eye(3)), np.eye(6)) if x is not None else None
    return replace(fix, state=state, reason=reason, sentence=sentence, candidate=replace(fix.candidate, prior=prior))


def test_a_flight_is_told_by_its_turns() -> None:
    story = Story()
    flight = [
        refused(0, State.SEARCHING, Reason.PRIOR_MISSING, "no odometry"),
        refused(1, State.SEARCHING, Reason.AMBIGUOUS, "two places", 5.0),
        fixed(2, 100.0),
        fixed(3, 150.0),
        refused(4, State.TRACKING, Reason.LOW_TEXTURE, "water", 200.0),
        refused(5, State.LOST, Reason.AMBIGUOUS, "no place holds half", 250.04),
        refused(6, State.LOST, Reason.AMBIGUOUS, "no place holds half", 260.0),
        fixed(7, 300.0),
    ]
    assert [story.of(Judged(fix.stamp_ns, fix)) for fix in flight] == [
        "SEARCHING at no known place, image of 1700000000.000000000: prior_missing: no odometry",
        None,
        "SEARCHING -> TRACKING at x 100.0 y -20.0 m in map by the fix, image of 1700000001.000000000: the first fix",
        None,
        None,
        "TRACKING -> LOST at x 250.0 y 7.0 m in map by the prior, image of 1700000002.500000000: ambiguous: no place holds half",
        None,
        "LOST -> TRACKING at x 300.0 y -20.0 m in map by the fix, image of 1700000003.500000000: fix",
    ]


def test_an_image_that_the_program_failed_on_is_no_turn() -> None:
    story = Story()
    assert story.of(Judged(1, None, failure="broken")) is None
    assert "the first fix" in str(story.of(Judged(2, fixed(0, 0.0))))
