"""The track: what frames together make of a prior, of jumps and outages, of ground that repeats, of a map that disagrees."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sightings import CELL, CLEAR, GSD, HERE, HIGH, LIKELIHOOD, REFERENCE, SIGMAS, WEAK, Sightings, reasons, track

from promptmid_core.geometry import Terrain
from promptmid_core.localization.fix import Fix, State
from promptmid_core.localization.options import Options
from promptmid_core.localization.track import Track
from promptmid_core.reasons import Reason

pytestmark = pytest.mark.slow

LATTICE = [(x, y) for x in (-400.0, 0.0, 400.0) for y in (-400.0, 0.0, 400.0)]


def flight(**settings: Any) -> Sightings:
    return Sightings(track(), **settings)


def until_fixed(flown: Sightings, *peaks: tuple[float, float, float], most: int = 60) -> int:
    """How many frames it takes to a fix, which is right."""
    for frame in range(1, most + 1):
        fix = flown.show(*(peaks or ((0.0, 0.0, CLEAR),)))
        if fix.accepted:
            assert flown.error(fix) < CELL
            return frame
    raise AssertionError(f"no fix in {most} frames: {fix.sentence}")


class TestFirstFix:
    def test_a_clear_frame_near_its_prior_is_a_fix(self) -> None:
        flown = flight(off=(50.0, -30.0))
        first, *rest = flown.clear(12)
        assert first.accepted and first.state is State.TRACKING and first.sentence == ""
        assert all(fix.accepted and fix.probability >= 0.999 for fix in (first, *rest))
        assert first.overruled == rest[-1].overruled == 0
        (place, probability), *_ = rest[-1].places
        assert np.hypot(*(place.position - flown.last.position)[:2]) < CELL and probability > 0.99

    def test_weak_frames_add_up(self) -> None:
        flown = flight(off=(50.0, -30.0))
        first = flown.show((0.0, 0.0, WEAK))
        assert (first.reason, first.state, first.pose) == (Reason.AMBIGUOUS, State.SEARCHING, None)
        assert first.covariance is None and first.probability < 0.999
        assert 1 < until_fixed(flown, (0.0, 0.0, WEAK)) < 30

    def test_a_smaller_risk_needs_more(self) -> None:
        frames = [until_fixed(Sightings(track(risk=risk), off=(50.0, -30.0)), (0.0, 0.0, WEAK)) for risk in (0.1, 1e-2, 1e-3)]
        assert frames == sorted(frames) and frames[0] < frames[-1]

    @pytest.mark.parametrize("sigma", [60.0, 400.0])
    def test_noise_is_never_a_place(self, sigma: float) -> None:
        """A candidate's own place is the highest of thousands of scores, wherever that is."""
        flown = flight(sigmas=(sigma, sigma, *SIGMAS[2:]))
        fixes = [flown.show() for _ in range(40)]
        assert set(reasons(fixes)) == {"ambiguous"} and fixes[-1].state is not State.TRACKING

    def test_a_hover_makes_no_weak_place_sure(self) -> None:
        hovering = flight(off=(50.0, -30.0), speed=0.0)
        assert set(reasons([hovering.show((0.0, 0.0, WEAK)) for _ in range(40)])) == {"ambiguous"}

    def test_a_place_that_is_not_sure_is_told_with_what_is_likelier(self) -> None:
        flown = flight(sigmas=(300.0, 300.0, *SIGMAS[2:]))
        fix = flown.show(*((x, y, CLEAR) for x, y in LATTICE))
        assert fix.reason is Reason.AMBIGUOUS and "of the belief, not all but 0.001" in fix.sentence
        assert len(fix.places) > 4


class TestRepetitiveGround:
    def test_equal_places_stay_in_the_belief_until_something_tells_them_apart(self) -> None:
        """Thirty frames of a lattice; then a few frames over a field that there is once."""
        flown = flight(sigmas=(300.0, 300.0, *SIGMAS[2:]))
        fixes = [flown.show(*((x, y, CLEAR) for x, y in LATTICE)) for _ in range(30)]
        assert not any(fix.accepted for fix in fixes)
        assert sum(probability > 0.01 for _, probability in fixes[-1].places) > 1
        assert until_fixed(flown) <= 6


class TestWrongPriors:
    @pytest.mark.parametrize("stated", [True, False], ids=["twist", "no twist"])
    @pytest.mark.parametrize("jump", [60.0, 200.0, 600.0, 6000.0])
    def test_a_jump_of_the_filter_does_not_move_the_belief(self, jump: float, stated: bool) -> None:
        flown = flight(stated=stated, sigmas=(5.0, 5.0, *SIGMAS[2:]))
        assert flown.clear(5)[-1].accepted
        flown.off = (jump, -jump / 2)
        before = flown.expected().pose.position - flown.truth.position
        assert np.hypot(*before[:2]) < CELL
        fixes = flown.clear(10)
        assert reasons(fixes) == ["fix"] * 10
        assert flown.error(fixes[-1]) < CELL and fixes[-1].overruled > 4

    def test_a_sure_and_wrong_prior_is_overruled_and_told(self) -> None:
        """Four hundred metres off where it states a sigma of fifty."""
        flown = flight(off=(400.0, 0.0), sigmas=(50.0, 50.0, *SIGMAS[2:]))
        assert until_fixed(flown) <= 5
        fix = flown.clear()[0]
        assert fix.accepted and fix.overruled == pytest.approx(400 / np.sqrt(50 + 50 ** 2), rel=0.1)

    def test_a_prior_within_what_it_states_is_not_overruled(self) -> None:
        flown = flight(off=(150.0, 0.0), sigmas=(50.0, 50.0, *SIGMAS[2:]))
        assert flown.clear(4)[-1].overruled == 0

    def test_a_prior_that_takes_the_fixes_is_followed(self) -> None:
        """As a filter that fuses them: its estimate moves on to the truth, the belief stays there."""
        flown = flight(off=(300.0, 0.0), sigmas=(100.0, 100.0, *SIGMAS[2:]))
        until_fixed(flown)
        for _ in range(10):
            flown.off = tuple(0.4 * np.array(flown.off))
            assert flown.clear()[0].accepted

    @pytest.mark.parametrize("drift", [(6.0, 0.0), (-4.0, 8.0)], ids=str)
    def test_a_drifting_odometry_is_followed(self, drift: tuple[float, float]) -> None:
        """By 3 % of the way, the twist with it."""
        flown = flight(drift=drift)
        fixes = flown.clear(40)
        assert reasons(fixes) == ["fix"] * 40 and flown.error(fixes[-1]) < CELL


class TestOutages:
    def test_the_belief_spreads_while_nothing_is_seen_and_the_place_is_found_again(self) -> None:
        flown = flight(drift=(5.0, 3.0))
        flown.clear(5)
        near = flown.expected().radius
        flown.later(60)
        assert flown.expected().radius > 2 * near
        assert until_fixed(flown) <= 5

    @pytest.mark.parametrize("jump", [0.0, 500.0])
    def test_after_an_odometry_that_was_silent_nothing_is_sure(self, jump: float) -> None:
        flown = flight()
        flown.clear(5)
        flown.later(10, silent=True)
        flown.off = (jump, 0.0)
        assert until_fixed(flown) <= 10
        assert all(fix.accepted for fix in flown.clear(5))

    def test_lost_and_found(self) -> None:
        flown = flight(drift=(8.0, 0.0))
        assert flown.clear(5)[-1].state is State.TRACKING
        states = [fix.state for fix in flown.nothing(120)]
        assert states[0] is State.TRACKING and states[-1] is State.LOST
        assert states == sorted(states, key=lambda state: state is State.LOST)
        assert flown.track.seeks

    def test_it_looks_further_with_each_frame_that_holds_no_place(self) -> None:
        flown = flight()
        flown.clear(5)
        reach = []
        for _ in range(3):
            reach.append(flown.expected())
            flown.show()
        assert reach[-1].radius > 1.5 * reach[0].radius and reach[-1].yaw > 1.5 * reach[0].yaw
        assert reach[-1].height > 1.5 * reach[0].height


def test_how_far_the_height_may_be_off_goes_by_that_above_the_ground() -> None:
    """On high land as at the sea."""
    low, high = flight(), flight(height=HIGH + 3000.0)
    high.track = Track(Options(), REFERENCE, Terrain.flat(3000.0), LIKELIHOOD)
    assert high.expected().height == pytest.approx(low.expected().height)


class TestCorrections:
    """What a fix finds of heading and height is known at the next frame."""

    def test_a_heading_is_kept(self) -> None:
        flown = flight(turned=0.05, sigmas=(*SIGMAS[:5], 0.1))
        assert flown.expected().yaw == pytest.approx(3 * 0.1)
        fixes = flown.clear(1, found=(0, 0, 0, 0, 0, -0.05))
        assert fixes[0].accepted
        assert flown.expected().pose.yaw == pytest.approx(0.0, abs=1e-3)
        fixes = flown.clear(3)
        assert all(fix.accepted for fix in fixes)
        assert flown.expected().yaw < 3 * 0.1 / 2 and flown.expected().pose.yaw == pytest.approx(0.0, abs=1e-3)

    def test_the_way_is_turned_by_it(self) -> None:
        """Odometry whose heading is wrong flies another way: the error of it would be one of place within seconds."""
        flown = flight(turned=0.0)
        flown.clear(3)
        flown.track.judge(flown.candidate((0.0, 0.0, CLEAR), found=(0, 0, 0, 0, 0, 0.2)))
        flown.later(4)
        before = flown.expected().pose
        assert before.yaw == pytest.approx(0.2, abs=0.01)
        assert before.position[1] == pytest.approx(4 * 250 * np.sin(0.2), abs=2 * CELL)

    def test_a_height_is_kept(self) -> None:
        flown = flight(sigmas=(60.0, 60.0, 200.0, *SIGMAS[3:]))
        before = flown.expected()
        assert before.height == pytest.approx(3 * 200) and before.pose.position[2] == 2000
        assert flown.clear(1, found=(0, 0, 90.0, 0, 0, 0))[0].accepted
        after = flown.expected()
        assert after.pose.position[2] == pytest.approx(2090) and after.height < 300
        assert flown.clear(2, found=(0, 0, 5.0, 0, 0, 0))[-1].places[0][0].position[2] == pytest.approx(2100)

    def test_they_age_to_what_the_odometry_states_and_no_further(self) -> None:
        flown = flight(sigmas=(60.0, 60.0, 200.0, 1e-3, 1e-3, 0.1))
        flown.clear(2)
        soon = flown.expected()
        flown.later(600)
        aged = flown.expected()
        assert soon.yaw < aged.yaw and soon.height < aged.height
        assert aged.yaw <= 3 * 0.1 * 1.001 and aged.height <= 3 * 200 * 1.001

    def test_ground_of_unknown_height_is_as_unsure_as_it_is_told(self) -> None:
        flat = SimpleNamespace(has_dem=False, stride=2, levels=1, gsd=GSD, at=lambda level: SimpleNamespace(gsd=GSD))
        known, unknown = (Sightings(track(reference, **options)).expected().height for reference, options in (
            (flat, {"ground_sigma_m": 0.0}), (flat, {"ground_sigma_m": 300.0})))
        assert known == pytest.approx(60, rel=0.1) and unknown == pytest.approx(3 * np.hypot(300, 20))


class TestMapThatDisagrees:
    SEAM = (360.0, 240.0)

    def crossed(self, told: bool = True) -> list[Fix]:
        """Onto a part of the map that lies elsewhere: over its border frames tell of both, then of the other place alone."""
        self.flown = flown = flight()
        fixes = flown.clear(8)
        for share in np.linspace(0.95, 0.05, 10) if told else ():
            other = self.SEAM if share > 0.5 else (-self.SEAM[0], -self.SEAM[1])
            fixes.append(flown.show((0.0, 0.0, CLEAR * share), (*self.SEAM, CLEAR * (1 - share)),
                                    parts=other if 0.15 < share < 0.85 else None))
        if not told:
            flown.later(6)
        return fixes + [flown.show((*self.SEAM, CLEAR)) for _ in range(25)]

    @pytest.mark.parametrize("told", [True, False], ids=["border seen", "border crossed without a frame"])
    def test_the_other_part_is_flagged_and_refused(self, told: bool) -> None:
        fixes = self.crossed(told)
        after = fixes[14 if told else 8:]
        # until the middle of the frame has crossed, it is where the flight says
        assert reasons(fixes[:12 if told else 8]) == ["fix"] * (12 if told else 8)
        assert set(reasons(after)) == {"map_disagrees"}
        assert all(abs(fix.pose.position[1]) < CELL for fix in fixes if fix.pose is not None)
        sentence = after[-1].sentence
        assert "parts of the map lie 4" in sentence and "check the map" in sentence

    def test_back_on_the_first_part_it_is_a_fix_whose_covariance_covers_it(self) -> None:
        before = self.crossed()[0]
        assert until_fixed(self.flown) <= 3
        fix = self.flown.clear()[0]
        assert fix.accepted and before.covariance is not None and fix.covariance is not None
        grown = (fix.covariance - before.covariance)[:2, :2]
        assert grown == pytest.approx(np.outer(self.SEAM, self.SEAM), rel=0.2)

    def test_a_sound_map_never_disagrees(self) -> None:
        """Over minutes of a drift, of weak frames, of jumps of the filter, of outages."""
        flown, fixes = flight(drift=(4.0, -5.0)), []
        for part in range(6):
            fixes += flown.clear(10)
            fixes += [flown.show((0.0, 0.0, WEAK)) for _ in range(5)]
            flown.off = (90.0 * part, -40.0 * part)
            flown.later(5)
        assert "map_disagrees" not in reasons(fixes)
        assert sum(fix.accepted for fix in fixes) > 0.8 * len(fixes)
        assert all(fix.overruled < 1e3 for fix in fixes)

    def test_one_frame_that_tells_of_two_places_is_no_dispute(self) -> None:
        flown = flight()
        flown.clear(5)
        assert flown.clear(1, parts=self.SEAM)[0].accepted
        after = flown.clear(8)
        assert reasons(after) == ["fix"] * 8
        assert after[-1].covariance is not None and after[-1].covariance[0, 0] == pytest.approx(50.0)


class TestJumpOfTheOdometry:
    """All of the ground moves, and no line divides it: it is no dispute of the map."""

    @pytest.mark.parametrize("jump", [200.0, 500.0])
    def test_a_velocity_that_was_wrong_for_a_second_is_found_out(self, jump: float) -> None:
        flown = flight()
        flown.clear(6)
        flown.drift = (jump, 0.0)
        flown.later(1)
        flown.drift = HERE
        assert until_fixed(flown) <= 5
        fixes = flown.clear(15)
        assert sum(fix.accepted for fix in fixes) > 10 and fixes[-1].accepted
        assert all(abs(fix.pose.position[1]) < CELL for fix in fixes if fix.pose is not None)


class TestStamps:
    def shown(self, *seconds: int) -> list[Fix]:
        flown, fixes = flight(speed=0.0), []
        for second in seconds:
            flown.second = second
            fixes.append(flown.show((0.0, 0.0, CLEAR)))
        return fixes

    def test_they_must_increase(self) -> None:
        assert reasons(self.shown(0, 1, 1, 0, 2, 3)) == ["fix", "fix", "stamp_backwards", "stamp_backwards", "fix", "fix"]

    def test_a_clock_that_starts_again_starts_the_track_again(self) -> None:
        fixes = self.shown(100, 101, 102, 0, 1, 2, 3)
        assert reasons(fixes) == ["fix"] * 3 + ["stamp_backwards"] * 2 + ["fix"] * 2
        assert [fix.state for fix in fixes][4] is State.SEARCHING

    def test_a_stray_stamp_costs_one_frame(self) -> None:
        fixes = self.shown(500, 501, 0, 502, 503)
        assert reasons(fixes) == ["fix", "fix", "stamp_backwards", "fix", "fix"]


class TestState:
    def test_to_expect_changes_nothing(self) -> None:
        once, often = flight(off=(50.0, 20.0)), flight(off=(50.0, 20.0))
        for _ in range(6):
            for _ in range(3):
                often.expected()
            one, other = once.show((0.0, 0.0, WEAK)), often.show((0.0, 0.0, WEAK))
            assert one.reason is other.reason and one.probability == other.probability
            assert [(place.position.tolist(), share) for place, share in one.places] == [
                (place.position.tolist(), share) for place, share in other.places]

    def test_to_forget_is_to_begin_anew(self) -> None:
        flown = flight(off=(0.0, 60.0))
        flown.clear(4)
        flown.track.forget()
        assert flown.track.state is State.SEARCHING
        again, first = flown.expected(), flight(off=(0.0, 60.0)).expected()
        assert again.belief.weights == pytest.approx(first.belief.weights) and again.radius == first.radius
        assert again.pose.position - flown.truth.position == pytest.approx([0, 60, 0], abs=1e-6)

    def test_a_frame_that_was_never_looked_for_changes_nothing(self) -> None:
        flown = flight()
        flown.clear(4)
        before = flown.expected()
        dark = replace(flown.candidate(), expected=None, surface=None, pose=None, reason=Reason.IMAGE_BLACK, sentence="dark")
        flown.track.judge(dark)
        after = flown.expected()
        assert (after.radius, after.yaw) == (before.radius, before.yaw)

    def test_motion_that_nobody_tells_is_the_priors(self) -> None:
        flown = flight(moving=False)
        assert reasons(flown.clear(10)) == ["fix"] * 10
        flown.off = (80.0, 0.0)
        assert until_fixed(flown) <= 5

    def test_a_climb_to_a_coarser_level_and_back_keeps_the_place(self) -> None:
        flown = flight(off=(50.0, -30.0))
        flown.clear(4)
        for height, cell in ((9000.0, 2 * CELL), (2000.0, CELL)):
            flown.height = height
            assert flown.expected().belief.cell == cell
            assert until_fixed(flown) <= 3
            assert all(fix.accepted for fix in flown.clear(4))

    def test_what_is_remembered_does_not_grow(self) -> None:
        flown = flight(speed=4000.0)
        sizes = []
        for _ in range(3):
            flown.clear(40)
            kept = flown.track._kept
            assert kept is not None
            sizes.append(len(kept.ground._blocks))
            assert kept.belief.past.size == kept.belief.told.size == 129 ** 2
        assert sizes[-1] <= 20_000
