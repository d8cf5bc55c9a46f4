"""A lost aircraft: when a search of the map begins, how it ends, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from simulated import Scene

from promptmid_core.bags.bag import open_bag
from promptmid_core.cli import main
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import Prior
from promptmid_core.localization import seek, track
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Candidate, Frame, State
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.lost import Whereabouts
from promptmid_core.localization.quest import Anywhere, Quest, Start
from promptmid_core.reasons import Reason
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.recording import Recording
from promptmid_core.replay.run import replay

pytestmark = pytest.mark.slow


@cache
def flown(scene: Scene) -> list[tuple[Frame, Prior]]:
    recording = Recording(open_bag(scene.bag), scene.reference().frame)
    return [(recording.intake.frame(image.message), recording.intake.odometry.at(image.stamp_ns)[0])
            for image in recording.images()]


def localizer(scene: Scene) -> Localizer:
    reference = scene.reference()
    return Localizer(reference, load(reference.descriptor_name))


@pytest.mark.parametrize("start", [Start(True, None, 10.0), Start(True), Start(True, 1500.0, 20.0)])
def test_an_aircraft_that_knows_nothing_is_found(scene: Scene, start: Start) -> None:
    summary = summarise(replay(scene.bag, localizer(scene), scene.reference(), start=start))
    assert summary["first_fix_frame"] is not None and summary["first_fix_frame"] <= 5
    assert summary["false_fixes"] == 0
    assert summary["fixes"] >= 10
    assert all(row["right"] >= 0.8 * row["n"] for row in summary["hypotheses"] if row["said_low"] >= 0.9)
    assert sum(row["n"] for row in summary["hypotheses"]) >= 10


def test_the_prior_of_a_lost_aircraft_does_not_tell_where_it_is(scene: Scene) -> None:
    """The odometry is a region away, and sure of itself."""
    at = localizer(scene)
    at.lose(Start(True, None, 10.0))
    off = np.array([40_000.0, -30_000.0, 0.0])
    found = None
    for frame, prior in flown(scene)[:6]:
        motion = prior.motion
        assert motion is not None
        moved = replace(prior, pose=replace(prior.pose, position=prior.pose.position + off),
                        motion=replace(motion, pose=replace(motion.pose, position=motion.pose.position + off)))
        fix = at.track(at.match(frame, moved, at.expect))
        if fix.pose is not None:
            found = fix.pose.position - (prior.pose.position)
            break
    assert found is not None
    assert np.hypot(*found[:2]) < 400  # the prior that was moved is up to 30 px off itself


def test_where_the_prior_tells_too_little_a_search_begins(scene: Scene) -> None:
    at, (frame, prior) = localizer(scene), flown(scene)[0]
    assert isinstance(at.expect(frame, prior), Expectation)
    for axis, sigma in ((0, 2000.0), (1, 1e6), (5, 0.5)):
        covariance = prior.covariance.copy()
        covariance[axis, axis] = sigma ** 2
        expected = at.expect(frame, replace(prior, covariance=covariance))
        assert isinstance(expected, Anywhere)
        fix = at.track(at.match(frame, replace(prior, covariance=covariance), at.expect))
        assert fix.reason in (Reason.FIX, Reason.AMBIGUOUS), fix.sentence
        assert fix.places
        at.reset()


@pytest.mark.parametrize("off", [(2500.0, -1500.0), (90_000.0, 0.0)])
def test_a_prior_that_is_sure_and_wrong_is_left(
        scene: Scene, monkeypatch: pytest.MonkeyPatch, off: tuple[float, float]) -> None:
    """On the map, where frames are looked for farther and farther around, and off it, where that leads nowhere."""
    monkeypatch.setattr(track, "MOST_UNSEEN", 3)
    at, states = localizer(scene), list[State]()
    for frame, prior in flown(scene):
        moved = replace(prior.pose, position=prior.pose.position + np.array([*off, 0.0]))
        covariance = prior.covariance.copy()
        covariance[:2, :2] = np.eye(2) * 30.0 ** 2
        fix = at.track(at.match(frame, replace(prior, pose=moved, covariance=covariance), at.expect))
        states.append(fix.state)
        if fix.pose is not None:
            assert np.hypot(*(fix.pose.position - prior.pose.position)[:2]) < 400
    assert states[0] is State.SEARCHING and states[-1] is State.TRACKING
    assert State.LOST in states or off[0] < 10_000


def test_a_search_is_begun_at_will_and_keeps_what_it_knows(scene: Scene) -> None:
    at, frames = localizer(scene), flown(scene)
    assert not at.searching
    at.track(at.match(*frames[0], at.expect))
    at.relocalize()
    assert at.searching
    quest = at.expect(*frames[1])
    assert isinstance(quest, Anywhere) and quest.quest.lean and quest.quest.search is None
    # a first look that is not yet sure
    candidate = at.match(*frames[1], at.expect)
    assert candidate.sought is not None
    fix = at.track(replace(candidate, sought=replace(candidate.sought, probability=0.9)))
    assert (fix.state, fix.reason) == (State.LOST, Reason.AMBIGUOUS)
    # odometry stops: the frame is refused as ever, and the search goes on from where it was
    missing = at.track(Candidate(frames[2][0].stamp_ns, None, Reason.PRIOR_MISSING, "no odometry"))
    assert (missing.state, missing.reason) == (State.LOST, Reason.PRIOR_MISSING)
    goes_on = at.expect(*frames[3])
    assert isinstance(goes_on, Anywhere) and goes_on.quest.search is not None and goes_on.quest.search.frames == 1
    for frame, prior in frames[3:8]:
        fix = at.track(at.match(frame, prior, at.expect))
    assert fix.state is State.TRACKING and not at.searching


def test_matching_changes_nothing(scene: Scene) -> None:
    at, (frame, prior) = localizer(scene), flown(scene)[0]
    at.lose(Start(True, None, 10.0))
    once, again = (at.match(frame, prior, at.expect) for _ in range(2))
    assert once.sought is not None and again.sought is not None
    assert once.sought.probability == again.sought.probability
    assert at.searching


def test_more_than_can_be_searched_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    at, (frame, prior) = localizer(scene), flown(scene)[0]
    at.lose(Start(True))
    monkeypatch.setattr(seek, "MOST_HELD", 1000)
    candidate = at.match(frame, prior, at.expect)
    assert candidate.reason is Reason.PRIOR_TOO_UNCERTAIN
    assert "million pixels" in candidate.sentence and "give a first position" in candidate.sentence


def test_a_tilt_that_takes_the_view_anywhere_is_refused_all_the_same(scene: Scene) -> None:
    at, (frame, prior) = localizer(scene), flown(scene)[0]
    at.lose(Start(True))
    covariance = prior.covariance.copy()
    covariance[4, 4] = 1.0
    candidate = at.match(frame, replace(prior, covariance=covariance), at.expect)
    assert candidate.reason is Reason.PRIOR_TOO_UNCERTAIN and "tilt" in candidate.sentence


def test_headings_that_are_too_many_for_a_frame_are_looked_at_by_the_next(
        scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    at, frames = localizer(scene), flown(scene)
    at.lose(Start(True))
    counts: list[int] = []
    looks = Whereabouts.looked

    def counted(self: Whereabouts, layers: Any, share: float, again: bool) -> Whereabouts:
        those = list(layers)
        counts.append(len(those))
        return looks(self, those, share, again)

    monkeypatch.setattr(Whereabouts, "looked", counted)
    monkeypatch.setattr(seek, "MOST_LOOKS", 20 * 128 * 128)
    fixes = [at.track(at.match(*frame, at.expect)) for frame in frames]
    assert len(set(counts)) == 1 and 10 < counts[0] <= 20
    assert any(fix.accepted for fix in fixes)


def test_what_was_stated_is_doubted_once_it_has_led_nowhere(scene: Scene) -> None:
    prior = flown(scene)[0][1]
    quest = Quest.of(prior, 3.0)
    assert quest.doubted is quest
    at = localizer(scene)
    at.lose(Start(True, None, 10.0))
    sought = at.match(*flown(scene)[0], at.expect).sought
    assert sought is not None and sought.quest.search is not None
    long = replace(quest, search=replace(sought.quest.search, frames=100))
    assert (long.doubted.reach, long.doubted.sigma, long.doubted.search) == (pytest.approx(4 * quest.reach), np.inf, None)
    assert replace(long, reach=np.pi).doubted.reach == np.pi
    assert replace(long, firm=True).doubted.search is not None


@pytest.mark.parametrize(("values", "said"), [
    ((False, 500.0, None), "does not begin lost"), ((True, -1.0, None), "within -1 m"),
    ((True, float("nan"), None), "within nan m"), ((True, None, 0.0), "to 0 degrees"), ((True, None, 200.0), "to 200 degrees")])
def test_a_start_that_cannot_be_is_refused(values: tuple[Any, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Start(*values)


def test_the_command_says_what_contradicts(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(scene.bag), "--map", str(scene.map_path), "--within-m", "500"]) == 1
    assert capsys.readouterr().err.strip().endswith("are said of a flight that begins lost; add --lost")
