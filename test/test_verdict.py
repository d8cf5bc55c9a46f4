"""A flight passes or fails by criteria, its user's or the usual ones, and its covariance is judged to either side."""

from pathlib import Path

import numpy as np
import pytest
from judged import SIGMA_M, fix_at, flight_of, refused_at
from scipy.stats import binom
from simulated import Scene

from promptmid_core.cli import main
from promptmid_core.replay.criteria import Course, Criteria
from promptmid_core.replay.headline import doubt_of, headline
from promptmid_core.replay.metrics import summarise, table
from promptmid_core.replay.run import ReplayedFrame
from promptmid_core.replay.shares import chance
from promptmid_core.replay.verdict import USUAL, Ruling, judged, lines


def flown(fixes: int, refused: int = 0, sigma_m: float = SIGMA_M, with_truth: bool = True,
          far_m: float = 0.0) -> list[ReplayedFrame]:
    errors = np.random.default_rng(5).normal(0.0, SIGMA_M, (fixes, 2))
    errors[0, 0] += far_m
    frames = [fix_at(i, np.array([50.0 * i, 0.0]), errors[i], sigma_m=sigma_m, with_truth=with_truth) for i in range(fixes)]
    return [*frames, *(refused_at(fixes + i, np.array([50.0 * (fixes + i), 0.0])) for i in range(refused))]


def verdict_of(frames: list[ReplayedFrame], criteria: Criteria | None = None) -> Ruling:
    return judged(Course(frames, summarise(flight_of(frames))), criteria)


def missed(verdict: Ruling) -> set[str]:
    return {standing.name for standing in verdict.standings if not standing.passed}


@pytest.mark.parametrize(("inside", "of", "share"), [(3, 8, 0.5), (58, 60, 0.95), (60, 60, 0.95), (0, 5, 0.5), (40, 60, 0.95)])
def test_the_chance_of_a_share_is_that_of_the_exact_binomial_test_to_both_sides(inside: int, of: int, share: float) -> None:
    most, least = binom.cdf(inside, of, share), binom.sf(inside - 1, of, share)
    assert chance(inside / of, share, of) == pytest.approx(min(1.0, 2 * min(most, least)), abs=1e-6)
    assert chance(None, share, of) is None and chance(0.5, share, None) is None


def test_a_share_that_many_samples_reject_few_do_not() -> None:
    assert chance(0.8, 0.95, 4.7) > 0.1 > 0.01 > chance(0.8, 0.95, 80.2)


def test_the_usual_criteria() -> None:
    assert verdict_of(flown(60)).word == "PASS"
    assert missed(verdict_of(flown(60, refused=20))) == {"fix_rate_least"}
    assert missed(verdict_of(flown(60, far_m=150.0))) == {"misleading_most"}
    assert missed(verdict_of(flown(60, sigma_m=2.0))) == {"coverage95_chance_least", "coverage50_chance_least"}
    # a covariance that is too large is wrong too
    assert "coverage50_chance_least" in missed(verdict_of(flown(60, sigma_m=20.0)))
    assert {*USUAL.limits} == {"misleading_most", "fix_rate_least", "coverage95_chance_least", "coverage50_chance_least"}


def test_what_no_truth_tells_is_not_judged_unless_it_was_asked_for(tmp_path: Path) -> None:
    frames = flown(20, with_truth=False)
    assert verdict_of(frames).word == "NOT JUDGED"
    assert verdict_of(flown(4, with_truth=False) + [refused_at(4 + i, np.zeros(2)) for i in range(4)]).word == "FAIL"
    file = tmp_path / "criteria.yaml"
    file.write_text("misleading_most: 0\nfix_rate_least: 0.5\n")
    asked = verdict_of(frames, Criteria.read(file))
    assert asked.word == "FAIL" and missed(asked) == {"misleading_most"}
    assert "  misleading_most           -  at most 0           not known" in lines(asked)


def test_a_replay_that_misses_its_criteria_ends_with_status_3(scene: Scene, tmp_path: Path,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "criteria.yaml"
    words = ["replay", str(scene.bag), "--map", str(scene.map_path), "--duration", "1", "--criteria", str(file)]
    file.write_text("fixes_least: 1000\n")
    assert main(words) == 3
    assert "FAIL" in (said := capsys.readouterr().out) and "at least 1000" in said
    file.write_text("frames_least: 1\n")
    assert main(words) == 0
    assert "PASS" in capsys.readouterr().out
    # the usual ones judge, and end nothing
    assert main(words[:-2]) == 0
    file.write_text("fixes_lest: 1\n")
    assert main(words) == 1
    assert "did you mean fixes_least" in capsys.readouterr().err


def test_the_headline_and_the_table_have_both_errors_in_px_and_metres() -> None:
    summary = summarise(flight_of(flown(60)))
    told = headline(summary)
    for key in ("ground_error", "error"):
        px, metres = summary[f"{key}_px"]["median"], summary[f"{key}_m"]["median"]
        assert metres == pytest.approx(10 * px, abs=1e-4)
        assert f"median {px:.2f} px ({metres:.1f} m)" in told.sentences[0]
    shown = table(summary)
    assert all(name in shown for name in ("ground error px", "ground error m", "position error px", "position error m"))
    assert f"by {summary['independent_samples']:.0f} independent samples" in told.sentences[1]


@pytest.mark.parametrize(("sigma_m", "word"), [(SIGMA_M, None), (2.0, "overconfident"), (20.0, "too cautious")])
def test_what_is_wrong_with_a_covariance(sigma_m: float, word: str | None) -> None:
    doubt = doubt_of(summarise(flight_of(flown(60, sigma_m=sigma_m))))
    assert doubt is None if word is None else doubt is not None and word in doubt
