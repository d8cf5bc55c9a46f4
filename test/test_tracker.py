"""The track: first fix, agreement, loss and recovery; priors in time."""

from dataclasses import replace

import numpy as np
import pytest

from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.fix import Candidate, Fix, GroundShift, State
from promptmid_core.localization.options import Options
from promptmid_core.localization.prior import PriorBuffer, check_prior
from promptmid_core.localization.tracker import Tracker
from promptmid_core.reasons import Reason

GSD = 10.0
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def prior_at(frame: int, **changes: np.ndarray) -> Prior:
    pose = Pose.from_rpy(np.array([100.0 * frame, 0, 1000]), 0, 0, 0)
    return Prior(START + frame * SECOND, pose, changes.get("covariance", np.diag([1e4, 1e4, 100, 1e-4, 1e-4, 1e-3])))


def candidate(
    frame: int, shift: tuple[float, float] = (50.0, -30.0), evidence: float = 6.0, reason: Reason = Reason.FIX
) -> Candidate:
    prior = prior_at(frame)
    pose = prior.pose.corrected(np.array([*shift, 0, 0, 0, 0]))
    return Candidate(
        prior.stamp_ns,
        prior,
        reason,
        "" if reason is Reason.FIX else "as the test wants",
        pose,
        np.diag([50.0] * 6),
        ("x", "y", "yaw"),
        GroundShift(np.array(shift), np.diag([40.0, 40.0])),
        scores={"evidence": evidence, "search_px": 48.0},
    )


def run(candidates: list[Candidate], options: Options | None = None) -> list[Fix]:
    tracker = Tracker(options or Options(), GSD)
    return [tracker.track(c) for c in candidates]


def reasons(fixes: list[Fix]) -> list[Reason]:
    return [fix.reason for fix in fixes]


def test_a_first_fix_needs_three_that_agree() -> None:
    fixes = run([candidate(i) for i in range(5)])
    assert reasons(fixes) == [Reason.NOT_CONFIRMED] * 2 + [Reason.FIX] * 3
    assert [fix.state for fix in fixes] == [State.SEARCHING] * 2 + [State.TRACKING] * 3
    assert [fix.accepted for fix in fixes] == [False, False, True, True, True]
    assert fixes[0].pose is None
    assert fixes[0].covariance is None


def test_jumping_candidates_are_never_confirmed() -> None:
    rng = np.random.default_rng(0)
    fixes = run([candidate(i, tuple(rng.uniform(-2000, 2000, 2))) for i in range(60)])
    assert not any(fix.accepted for fix in fixes)


def test_gaps_do_not_hinder_confirmation_within_the_window() -> None:
    weak = [candidate(i, reason=Reason.LOW_TEXTURE) if i in (1, 3) else candidate(i) for i in range(5)]
    assert reasons(run(weak))[-1] is Reason.FIX


def test_a_jump_from_the_track_is_refused_and_does_not_move_it() -> None:
    fixes = run([candidate(i) for i in range(4)] + [candidate(4, (250.0, 200.0)), candidate(5)])
    assert reasons(fixes)[4:] == [Reason.TRACK_DISAGREES, Reason.FIX]


def test_a_drifting_prior_is_followed() -> None:
    fixes = run([candidate(i, (50.0 + 8 * i, -30.0)) for i in range(30)])
    assert all(fix.accepted for fix in fixes[2:])


@pytest.mark.parametrize("taken", [1.0, 0.6])
def test_a_prior_that_takes_the_fixes_is_followed(taken: float) -> None:
    shift, fixes = np.array([400.0, -300.0]), []
    tracker = Tracker(Options(), GSD)
    for i in range(12):
        fixes.append(tracker.track(candidate(i, tuple(shift))))
        if fixes[-1].accepted:
            shift = shift * (1 - taken)
    assert all(fix.accepted for fix in fixes[2:])


@pytest.mark.parametrize("shift", [(-200.0, 150.0), (600.0, -450.0), (120.0, 160.0)])
def test_what_lies_off_the_way_from_the_last_correction_to_none_is_refused(shift: tuple[float, float]) -> None:
    fixes = run([*(candidate(i, (400.0, -300.0)) for i in range(4)), candidate(4, shift)])
    assert fixes[-1].reason is Reason.TRACK_DISAGREES


def test_a_shrunk_correction_has_to_stand_on_its_own() -> None:
    fixes = run([*(candidate(i, (400.0, -300.0)) for i in range(4)), candidate(4, (0.0, 0.0), evidence=-2.0)])
    assert fixes[-1].reason is Reason.MATCH_WEAK


def test_weak_matches_pass_only_where_a_track_expects_them() -> None:
    assert Reason.FIX not in reasons(run([candidate(i, evidence=-2.0) for i in range(8)]))
    fixes = run([candidate(i) for i in range(4)] + [candidate(4, evidence=-2.0), candidate(5, evidence=-9.0)])
    assert reasons(fixes)[4:] == [Reason.FIX, Reason.MATCH_WEAK]


def test_a_track_is_lost_after_so_many_rejections_and_found_again() -> None:
    options = Options.of(lose_after=4)
    bad = [candidate(i, reason=Reason.LOW_TEXTURE) for i in range(4, 9)]
    fixes = run([*(candidate(i) for i in range(4)), *bad, *(candidate(i, (300.0, 300.0)) for i in range(9, 13))], options)
    assert [fix.state for fix in fixes[4:9]] == [State.TRACKING] * 3 + [State.LOST] * 2
    assert reasons(fixes[9:]) == [Reason.NOT_CONFIRMED] * 2 + [Reason.FIX] * 2


def test_stamps_must_increase() -> None:
    fixes = run([candidate(0), candidate(1), candidate(1), candidate(0), candidate(2), candidate(3)])
    assert reasons(fixes)[2:4] == [Reason.STAMP_BACKWARDS] * 2
    assert reasons(fixes)[4:] == [Reason.FIX] * 2


def test_a_clock_that_starts_again_starts_the_track_again() -> None:
    earlier = [candidate(i) for i in range(100, 106)] + [candidate(i) for i in range(6)]
    fixes = run(earlier)
    assert fixes[5].accepted
    assert reasons(fixes)[6:] == [Reason.STAMP_BACKWARDS] * 2 + [Reason.NOT_CONFIRMED] * 2 + [Reason.FIX] * 2


def test_a_stray_stamp_costs_one_frame() -> None:
    stray = replace(candidate(3), stamp_ns=START - 500 * SECOND)
    assert reasons(run([candidate(0), candidate(1), candidate(2), stray, candidate(4)]))[2:] == [
        Reason.FIX,
        Reason.STAMP_BACKWARDS,
        Reason.FIX,
    ]


def test_priors_are_interpolated_between_their_neighbours_only() -> None:
    buffer = PriorBuffer()
    for frame in (0, 1, 2):
        for part in (0.0, 0.25, 0.5, 0.75):
            base = prior_at(frame)
            buffer.add(
                Prior(
                    base.stamp_ns + int(part * SECOND),
                    base.pose.corrected(np.array([100 * part, 0, 0, 0, 0, 0])),
                    base.covariance,
                )
            )
    assert buffer.at(START + 1_100_000_000).pose.position[0] == pytest.approx(110)
    assert buffer.at(START).pose.position[0] == 0
    for stamp in (START - 1, START + 4 * SECOND):
        with pytest.raises(Refusal) as caught:
            buffer.at(stamp)
        assert caught.value.reason is Reason.PRIOR_MISSING


def test_a_gap_in_the_odometry_is_not_bridged() -> None:
    buffer = PriorBuffer()
    buffer.add(prior_at(0))
    buffer.add(prior_at(2))
    with pytest.raises(Refusal, match="gap of 2000 ms"):
        buffer.at(START + SECOND)
    with pytest.raises(Refusal, match="no odometry"):
        PriorBuffer().at(START)


@pytest.mark.parametrize(
    ("covariance", "word"),
    [
        (np.diag([1.0, 1, 1, 1, 1, np.nan]), "NaN"),
        (np.diag([1.0, 1, 1, 1, 1, 0]), "has variance 0 in yaw"),
        (np.diag([-1.0, 1, 1, 1, 1, 1]), "has variance -1 in x"),
        (np.eye(6) + np.eye(6, k=1), "symmetric"),
        (np.eye(6) + 2 * (np.eye(6, k=1) + np.eye(6, k=-1)), "semidefinite"),
    ],
)
def test_a_covariance_that_is_none_is_refused(covariance: np.ndarray, word: str) -> None:
    with pytest.raises(Refusal, match=word) as caught:
        check_prior(prior_at(0, covariance=covariance))
    assert caught.value.reason is Reason.PRIOR_INVALID


def test_units_that_differ_by_far_are_no_reason_to_refuse() -> None:
    check_prior(prior_at(0, covariance=np.diag([1e8, 1e8, 1e6, 1e-10, 1e-10, 1e-8])))
