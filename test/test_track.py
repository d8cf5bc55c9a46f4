"""The track: what frames together make of a prior, of outages, of ground that repeats, of stamps."""

from dataclasses import replace

import numpy as np
import pytest
from sightings import CELL, CLEAR, SIGMAS, WEAK, Sightings, flight, reasons, track, until_fixed

from promptmid_core.localization.fix import Fix, State
from promptmid_core.reasons import Reason

LATTICE = [(x, y) for x in (-400.0, 0.0, 400.0) for y in (-400.0, 0.0, 400.0)]


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


class TestOutages:
    def test_the_belief_spreads_while_nothing_is_seen_and_the_place_is_found_again(self) -> None:
        flown = flight(drift=(5.0, 3.0))
        flown.clear(5)
        near = flown.expected().radius
        flown.later(60)
        assert flown.expected().radius > 2 * near
        assert until_fixed(flown) <= 5

    def test_a_heading_that_has_become_unsure_while_nothing_was_seen_is_looked_for_so_far(self) -> None:
        """A filter states of ten minutes without fixes that its heading is off by degrees; what it stated before is of before."""
        flown = flight()
        flown.clear(5)
        assert flown.expected().yaw < 0.04
        flown.sigmas = (*SIGMAS[:2], 60.0, *SIGMAS[3:5], 0.08)
        flown.later(60)
        expected = flown.expected()
        assert expected.yaw == pytest.approx(3 * 0.08, rel=0.05)
        assert expected.height == pytest.approx(3 * 60.0, rel=0.05)

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
